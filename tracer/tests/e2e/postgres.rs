//! A program that nobody here wrote: PostgreSQL's USDT probes, listed as readelf does, and traced with arguments.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::session::{Session, tracer};
use crate::harness::target::{Target, signal};
use crate::harness::{eventually, turn};

/// Debian keeps one folder for each version.
fn programs() -> PathBuf {
    let versions =
        fs::read_dir("/usr/lib/postgresql").expect("the package postgresql, which cargo xtask test installs");
    versions.flatten().map(|version| version.path().join("bin")).find(|bin| bin.join("postgres").exists()).unwrap()
}

/// (provider:name, arguments) of each probe, as readelf reads the notes.
fn notes(program: &Path) -> BTreeSet<(String, String)> {
    let output = Command::new("readelf").arg("-n").arg(program).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let field = |line: &str, name: &str| line.strip_prefix(name).map(|value| value.trim().to_owned());
    let note = |lines: &[&str]| {
        let (provider, name) = (field(lines[0], "Provider: ")?, field(lines[1], "Name: ")?);
        Some((format!("{provider}:{name}"), field(lines[3], "Arguments:")?))
    };
    lines.windows(4).filter_map(note).collect()
}

#[test]
fn probes_are_listed_as_readelf_does() {
    let _turn = turn();
    let program = programs().join("postgres");
    let list = tracer(&["list", program.to_str().unwrap(), "usdt:*:*", "--json"]);
    assert_eq!(list.code, Some(0), "{:?}", list.errors);
    let probes = list.of_kind("usdt-probe");
    let notes = notes(&program);
    let names: BTreeSet<String> = notes.iter().map(|(name, _)| name.clone()).collect();
    let listed = |probe: &serde_json::Value| {
        let operands: Vec<&str> =
            probe["args"].as_array().unwrap().iter().map(|argument| argument["operand"].as_str().unwrap()).collect();
        let name = format!("{}:{}", probe["provider"].as_str().unwrap(), probe["name"].as_str().unwrap());
        (name, operands.join(" "))
    };
    let listed: Vec<(String, String)> = probes.iter().map(listed).collect();
    assert!(listed.len() > 50, "{listed:?}");
    assert_eq!(listed.iter().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>(), names);
    for probe in listed {
        assert!(notes.contains(&probe), "{probe:?} is no note of readelf's");
    }
}

/// A server in a folder of its own, without TCP, run by the user `postgres`.
struct Server {
    folder: tempfile::TempDir,
    server: Target,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (uid, gid) = postgres_user();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        chown(folder.path(), Some(uid), Some(gid)).unwrap();
        let as_postgres = |program: &str| {
            let mut command = Command::new(programs().join(program));
            command.uid(uid).gid(gid).current_dir(folder.path()).stderr(Stdio::null());
            command
        };
        let data = folder.path().join("data");
        let made = as_postgres("initdb").args(["-A", "trust", "--no-sync", "-D"]).arg(&data).output().unwrap();
        assert!(made.status.success(), "initdb failed: {}", String::from_utf8_lossy(&made.stdout));
        let mut postgres = as_postgres("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-c", "listen_addresses=", "-F"]);
        let server = Target::spawn(&mut postgres);
        eventually("the server takes connections", || {
            let mut ask = Command::new(programs().join("pg_isready"));
            ask.arg("-q").arg("-h").arg(folder.path()).status().unwrap().success()
        });
        Self { folder, server }
    }

    /// A connection that runs the statements it is sent.
    fn connect(&self) -> Target {
        let mut psql = Command::new(programs().join("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-U", "postgres", "-h"]).arg(self.folder.path()).arg("postgres");
        Target::spawn(&mut psql)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT ends the server and all its backends at once; SIGKILL would leave them and their shared memory.
        signal(self.server.pid(), libc::SIGQUIT);
        self.server.wait();
    }
}

fn postgres_user() -> (u32, u32) {
    let name = CString::new("postgres").unwrap();
    // SAFETY: the name is a C string; the answer is read before anything else asks.
    let user =
        unsafe { libc::getpwnam(name.as_ptr()).as_ref() }.expect("the user postgres, who comes with the package");
    (user.pw_uid, user.pw_gid)
}

#[test]
fn queries_are_traced_with_their_arguments() {
    let _turn = turn();
    let server = Server::start();
    let mut client = server.connect();
    let backend = client.number("select 'pid ' || pg_backend_pid();").to_string();
    let probes = ["usdt:postgresql:query__start", "usdt:postgresql:transaction__*"];
    let mut session = Session::trace(&backend, &[&probes[..], &["-n", "0"]].concat());
    let statements = ["select 'answer ' || 6 * 7;", "select 'answer ' || 6 * 8;"];
    for (statement, answer) in statements.iter().zip(["answer 42", "answer 48"]) {
        assert_eq!(client.ask(statement), answer);
        let line = session.find_line("query__start");
        // The note has no type but a width; the word leads to the statement.
        assert!(line["args"]["arg0"].to_string().contains(statement), "{line}");
    }
    let outcome = session.interrupt();
    outcome.ended_well("interrupted");
    for name in [":query__start", ":transaction__start", ":transaction__commit"] {
        let is_it = |event: &serde_json::Value| event["probe"].as_str().is_some_and(|probe| probe.ends_with(name));
        assert_eq!(outcome.of_kind("usdt").iter().filter(|event| is_it(event)).count(), 2, "{name}: {outcome:#?}");
    }
}
