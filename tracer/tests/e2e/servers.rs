//! Two tokio servers that nobody here wrote, under load: their tasks and channels as their connections say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::session::tracer;
use crate::harness::target::Target;
use crate::harness::{build, eventually, turn};

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn server(command: &mut Command, address: SocketAddr) -> Target {
    let target = Target::spawn(command.stderr(Stdio::null()));
    eventually("the server listens", || TcpStream::connect(address).is_ok());
    target
}

fn lines(target: &Target, kind: &str, arguments: &[&str]) -> Vec<Value> {
    let outcome = tracer(&[arguments, &["--json", "-p", &target.p()]].concat());
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    outcome.of_kind(kind)
}

fn count(lines: &[Value], key: &str, value: &str) -> usize {
    lines.iter().filter(|line| line[key] == value).count()
}

fn why(target: &Target) -> Vec<Value> {
    lines(target, "finding", &["why", "--window", "1s"])
}

/// Open TCP connections of a process, from the kernel's own table.
fn connections(target: &Target) -> usize {
    let sockets: Vec<String> = std::fs::read_dir(format!("/proc/{}/fd", target.pid()))
        .unwrap()
        .filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.to_string_lossy().into_owned()))
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", target.pid())).unwrap();
    let is_open = |line: &&str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.get(3) == Some(&"01") && words.get(9).is_some_and(|inode| sockets.iter().any(|socket| socket == inode))
    };
    table.lines().filter(is_open).count()
}

/// Sends a command as Redis clients do, and waits for the first bytes of the answer.
fn ask(stream: &mut TcpStream, words: &[&str]) {
    let bulk: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    write!(stream, "*{}\r\n{bulk}", words.len()).unwrap();
    assert!(stream.read(&mut [0; 256]).unwrap() > 0);
}

#[test]
fn mini_redis_has_a_task_and_a_receiver_for_each_connection() {
    let _turn = turn();
    let address = free_address();
    let program = build::installed_on_newest("mini-redis", "0.4.1", "mini-redis-server");
    let target = server(Command::new(program).args(["--port", &address.port().to_string()]), address);
    let mut clients: Vec<TcpStream> = (0..25).map(|_| TcpStream::connect(address).unwrap()).collect();
    clients
        .iter_mut()
        .enumerate()
        .for_each(|(number, client)| ask(client, &["set", &format!("key {number}"), "value"]));
    for client in clients.iter_mut().take(4) {
        ask(client, &["subscribe", "news"]);
    }
    eventually("closed connections are gone", || connections(&target) == clients.len());
    let actors = lines(&target, "actor", &["actors"]);
    let handlers: Vec<&Value> =
        actors.iter().filter(|actor| actor["name"].as_str().unwrap().starts_with("mini_redis::server::")).collect();
    assert_eq!(handlers.len(), 25, "{actors:#?}");
    assert!(
        handlers.iter().all(|handler| handler["waits"]
            .as_array()
            .unwrap()
            .iter()
            .any(|wait| wait["awaits"] == "socket"))
    );
    assert_eq!(count(&actors, "name", "mini_redis::db::purge_expired_tasks"), 1, "{actors:#?}");
    // The server tells each connection by a broadcast that it shuts down, and hears by the end of an mpsc channel, which
    // it has an end of too, that all are gone.
    let queues = lines(&target, "queue", &["queues", "--source", "memory", "--interval", "200ms"]);
    let of_kind = |kind: &str| queues.iter().find(|queue| queue["channel"] == kind).unwrap();
    let (told, gone) = (of_kind("tokio broadcast"), of_kind("tokio mpsc"));
    assert_eq!((&told["receivers"], &told["length"], &told["torn"]), (&25.into(), &0.into(), &false.into()), "{told}");
    assert_eq!((&gone["senders"], &gone["length"]), (&26.into(), &0.into()), "{gone}");
    let findings = why(&target);
    assert!(findings.is_empty(), "nothing is wrong with it: {findings:#?}");
}

#[test]
fn bore_has_a_task_for_each_tunnel_that_waits_for_its_socket() {
    let _turn = turn();
    let program = build::installed("bore-cli", "0.6.0", "bore");
    let control: SocketAddr = "127.0.0.1:7835".parse().unwrap();
    let target = server(Command::new(&program).args(["server", "--bind-addr", "127.0.0.1"]), control);
    let tunnels: Vec<Target> = (0..3)
        .map(|_| {
            let local = free_address().port().to_string();
            Target::spawn(Command::new(&program).args(["local", &local, "--to", "127.0.0.1"]).stderr(Stdio::null()))
        })
        .collect();
    eventually("the tunnels are there", || connections(&target) == tunnels.len());
    let actors = lines(&target, "actor", &["actors"]);
    let own: Vec<&Value> =
        actors.iter().filter(|actor| actor["name"].as_str().unwrap().starts_with("bore_cli::")).collect();
    assert_eq!(own.len(), tunnels.len(), "{actors:#?}");
    // Their futures are in spans of a log. Each looks at its socket, and sends a sign of life now and then.
    let waits = |actor: &&Value| actor["waits"].as_array().unwrap().iter().any(|wait| wait["awaits"] == "socket");
    assert!(own.iter().any(waits), "{own:#?}");
    assert!(why(&target).is_empty());
}
