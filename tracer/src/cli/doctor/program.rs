//! What can be seen of one process: its code's symbols and debug information, its probes, what holds it back.
//! Attaches nothing.

use memchr::memmem;

use crate::cli::exit::Failure;
use crate::cli::target::images;
use crate::plan::usdt::MAILBOX_PROVIDER;
use crate::report::doctor::{Check, State, Subject};
use crate::report::units;
use crate::target::TargetError;
use crate::target::debug_info::{DebugInfo, Level, SplitLack, Summary};
use crate::target::files::Files;
use crate::target::image::Image;
use crate::target::object::Object;
use crate::target::process::Process;
use crate::target::symbol::SymbolSource;

/// The checks of the process of that pid or name; one alone if it may not be looked into.
///
/// # Errors
/// There is no such process, or not exactly one.
pub fn checks(pid_or_name: &str) -> Result<Vec<Check>, Failure> {
    let inspected = match Process::find(pid_or_name) {
        Ok(process) => inspect(&process),
        Err(error @ TargetError::Denied { .. }) => Err(error.into()),
        Err(error) => return Err(error.into()),
    };
    Ok(inspected.unwrap_or_else(|failure| vec![check("process", State::Missing, failure.to_string())]))
}

fn inspect(process: &Process) -> Result<Vec<Check>, Failure> {
    let files = Files::new();
    let images = images(process, &files, |_| true)?;
    let mut checks = vec![check("process", State::Good, format!("{} {}", process.comm(), process.pid()))];
    let executable = images.iter().find(|image| image.is_executable);
    let Some(image) = executable else {
        return Err(Failure::new("the executable is not mapped, so nothing of it can be traced"));
    };
    checks.push(file(process, image));
    let summary = image.debug_info().map(|debug_info| debug_info.summary()).ok();
    let is_rust = memmem::find(image.object.data(), b"/rustc/").is_some();
    checks.push(symbols(image.symbols().source(), image.symbols().functions().len()));
    checks.push(debug_information(summary.as_ref(), image.debug_file(), is_rust));
    checks.extend(image.debug_info().ok().and_then(DebugInfo::split_lack).as_ref().map(split_files));
    checks.extend(probes(&images));
    checks.extend(tokio(image));
    checks.extend(seccomp(process.filters_system_calls()));
    checks.extend(namespace(process.namespace_pids()));
    Ok(checks)
}

fn check(name: &str, state: State, found: impl Into<String>) -> Check {
    Check { subject: Subject::Target, name: name.to_owned(), state, found: found.into(), costs: None, remedy: None }
}

fn file(process: &Process, image: &Image<'_>) -> Check {
    let build_id = match image.object.build_id() {
        Some(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        None => "none".to_owned(),
    };
    let path = process.exe().display();
    check("file", State::Good, format!("{path}, x86-64, build id {build_id}"))
}

fn symbols(source: SymbolSource, functions: usize) -> Check {
    let functions = units::counted(functions as u64, "function");
    let stripped = |state, found: String, costs: &str| Check {
        costs: Some(costs.to_owned()),
        remedy: Some(
            "build with `strip = false` (C: without `-s`), or install the debug symbols of its package".to_owned(),
        ),
        ..check("symbols", state, found)
    };
    match source {
        SymbolSource::Full => check("symbols", State::Good, format!(".symtab, {functions}")),
        SymbolSource::Dynamic => stripped(
            State::Limited,
            format!("only .dynsym, {functions}"),
            "only exported functions, USDT probes and addresses can be traced",
        ),
        SymbolSource::Nothing => stripped(
            State::Limited,
            "none".to_owned(),
            "functions have no names: only USDT probes and addresses can be traced",
        ),
    }
}

fn debug_information(summary: Option<&Summary>, debug_file: Option<&Object<'_>>, is_rust: bool) -> Check {
    let name = "debug information";
    let Some(summary) = summary else {
        let costs = Some("arguments and return values are not shown".to_owned());
        return Check { costs, ..check(name, State::Limited, "damaged") };
    };
    let place = debug_file.map_or(String::new(), |file| format!(" in {}", file.path().display()));
    let counts = format!(
        "{}, inlined at {}",
        units::counted(summary.functions as u64, "function"),
        units::counted(summary.inlined_copies as u64, "place"),
    );
    let (found, costs) = match summary.level {
        Level::Full => return check(name, State::Good, format!("full{place}, {counts}")),
        Level::Functions => (format!("functions only{place}, {counts}"), "names of async functions are known"),
        Level::LineTables => (format!("line tables only{place}"), "source lines are known"),
        Level::None => ("none".to_owned(), "calls and durations are shown"),
    };
    let remedy = if is_rust {
        "build with `debug = \"full\"` under [profile.release], or CARGO_PROFILE_RELEASE_DEBUG=full: the code stays the same"
    } else {
        "compile with -g, or install the debug symbols of its package (Debian: apt install PACKAGE-dbgsym)"
    };
    Check {
        costs: Some(format!("{costs}; arguments and return values are not")),
        remedy: Some(remedy.to_owned()),
        ..check(name, State::Limited, found)
    }
}

fn split_files(lack: &SplitLack) -> Check {
    Check {
        costs: Some("functions of such units have no arguments, types and inlined copies".to_owned()),
        remedy: Some(lack.remedy().to_owned()),
        ..check("split debug files", State::Limited, lack.to_string())
    }
}

/// USDT probes of all objects, and those of mailboxes among them.
fn probes(images: &[Image<'_>]) -> [Check; 2] {
    let mut names: Vec<(String, String)> = images
        .iter()
        .flat_map(|image| image.usdt_probes().unwrap_or_default())
        .map(|probe| (probe.provider, probe.name))
        .collect();
    names.sort();
    names.dedup();
    let mailbox: Vec<&str> =
        names.iter().filter(|(provider, _)| provider == MAILBOX_PROVIDER).map(|(_, name)| name.as_str()).collect();
    let usdt = match names.len() {
        0 => check("USDT probes", State::Good, "none"),
        count => check("USDT probes", State::Good, units::count(count as u64)),
    };
    let mailboxes = match mailbox.as_slice() {
        [] => Check {
            costs: Some("`tracer queues` sees no mailbox".to_owned()),
            remedy: Some("export the probes of docs/mailbox-probes.md".to_owned()),
            ..check("mailbox probes", State::Limited, "none")
        },
        names => check("mailbox probes", State::Good, names.join(", ")),
    };
    [usdt, mailboxes]
}

fn tokio(image: &Image<'_>) -> Option<Check> {
    let versions = tokio_versions(image.object.data());
    if !versions.is_empty() {
        return Some(check("tokio", State::Good, versions.join(", ")));
    }
    // Both manglings write a crate's name with its length in front.
    let is_there = image.symbols().functions().iter().any(|symbol| symbol.name.contains("5tokio7runtime"));
    is_there.then(|| check("tokio", State::Unknown, "there, of an unknown version"))
}

/// The versions in the source paths that panics and logs carry: `…/tokio-1.54.1/src/…`.
fn tokio_versions(data: &[u8]) -> Vec<String> {
    const PREFIX: &[u8] = b"/tokio-";
    const VERSION_BYTES_MAX: usize = 40;
    let version = |at: usize| {
        let rest = data.get(at + PREFIX.len()..)?;
        let rest = rest.get(..VERSION_BYTES_MAX).unwrap_or(rest);
        let end = memmem::find(rest, b"/src/")?;
        let text = std::str::from_utf8(rest.get(..end)?).ok()?;
        let is_version = text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+'));
        is_version.then(|| text.to_owned())
    };
    let mut versions: Vec<String> = memmem::find_iter(data, PREFIX).filter_map(version).collect();
    versions.sort();
    versions.dedup();
    versions
}

fn seccomp(filters: bool) -> Option<Check> {
    filters.then(|| Check {
        costs: Some("--returns=uretprobe could kill the target: leave it at auto, which never uses it here".to_owned()),
        ..check("seccomp", State::Limited, "system calls are filtered")
    })
}

fn namespace(pids: &[u32]) -> Option<Check> {
    let [_, .., inner] = pids else { return None };
    Some(check("pid namespace", State::Good, format!("its own: it knows itself as {inner}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::debug_info::DebugInfoError;

    const SUMMARY: Summary =
        Summary { level: Level::Full, units: 3, functions: 1_200, inlined_copies: 1, parameters: 9 };

    #[test]
    fn less_debug_information_says_what_is_missing_and_how_to_get_it() {
        assert_eq!(debug_information(Some(&SUMMARY), None, true).state, State::Good);
        for level in [Level::Functions, Level::LineTables, Level::None] {
            let rust = debug_information(Some(&Summary { level, ..SUMMARY }), None, true);
            assert!(rust.remedy.unwrap().contains("debug = \"full\""));
            let c = debug_information(Some(&Summary { level, ..SUMMARY }), None, false);
            assert!(c.remedy.unwrap().contains("-g") && c.costs.unwrap().contains("arguments"));
        }
        assert_eq!(debug_information(None, None, true).state, State::Limited);
        let path = "/src/a.dwo".into();
        let lack = SplitLack { units: 2, example: DebugInfoError::SplitMissing { path } };
        let check = split_files(&lack);
        assert!(check.found.contains("/src/a.dwo") && check.remedy.unwrap().contains("beside the program"));
    }

    #[test]
    fn tokio_is_known_by_the_paths_of_its_source() {
        let data = b"x/registry/tokio-1.54.1/src/runtime/mod.rs\0/tokio-util-0.7.1/src/a/tokio-1.54.1/src/b/tokio-2";
        assert_eq!(tokio_versions(data), ["1.54.1"]);
        assert_eq!(tokio_versions(b"/tokio-1.9.0/src/"), ["1.9.0"]);
        assert!(tokio_versions(b"/tokio-1.9.0\0app/src/").is_empty());
        assert!(tokio_versions(b"/tokio-").is_empty());
    }

    #[test]
    fn the_tests_themselves_can_be_looked_into() {
        let checks = checks(&std::process::id().to_string()).unwrap();
        let found = |name: &str| &checks.iter().find(|check| check.name == name).unwrap().found;
        assert!(found("process").ends_with(&std::process::id().to_string()));
        assert!(found("symbols").starts_with(".symtab"), "{}", found("symbols"));
        assert!(found("debug information").starts_with("full"));
        assert!(found("file").contains("x86-64, build id"));
        assert!(checks.iter().all(|check| check.state != State::Missing));
    }

    #[test]
    fn a_process_that_is_not_there_is_a_failure() {
        let failure = checks("no-such-process-anywhere").unwrap_err();
        assert!(failure.code == 1 && failure.to_string().contains("no-such-process-anywhere"), "{failure}");
    }

    #[test]
    fn namespaces_and_filters_show_only_where_they_are() {
        assert!(namespace(&[7]).is_none() && seccomp(false).is_none());
        assert!(namespace(&[4711, 7]).unwrap().found.ends_with('7'));
        assert_eq!(seccomp(true).unwrap().state, State::Limited);
    }
}
