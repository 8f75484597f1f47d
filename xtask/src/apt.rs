//! Installs Debian packages, after the caller has said so.
//! Knows apt-get and sudo; not what the packages are for.

use std::process::Command;

use anyhow::Result;

use crate::run;

/// Installs packages with apt-get, through sudo where the user is not root.
///
/// # Errors
/// When apt-get is missing or fails.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    run::checked(apt_get().arg("update"))?;
    run::checked(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

/// Whether apt can be used and knows the package.
pub(crate) fn offers(package: &str) -> bool {
    run::output(Command::new("apt-cache").args(["policy", package]))
        .is_ok_and(|text| text.contains("Candidate:") && !text.contains("Candidate: (none)"))
}

fn apt_get() -> Command {
    let mut command = if run::is_root() {
        Command::new("apt-get")
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("apt-get");
        sudo
    };
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
