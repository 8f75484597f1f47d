//! TRUTH on Rust programs that nobody here wrote: what goes in by the front door is what the trace shows.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::session::{Outcome, Session};
use crate::harness::target::Target;
use crate::harness::{build, eventually, turn};

/// mini-redis, a tokio server, on a port of its own.
fn mini_redis() -> (Target, TcpStream) {
    let server = build::installed("mini-redis", "0.4.1", "mini-redis-server");
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = Command::new(server);
    command.args(["--port", &free.port().to_string()]).stderr(Stdio::null());
    let target = Target::spawn(&mut command);
    let mut stream = None;
    eventually("the server listens", || {
        stream = TcpStream::connect(free).ok();
        stream.is_some()
    });
    (target, stream.unwrap())
}

/// Sends a command as Redis clients do, and returns the first bytes of the answer.
fn ask(stream: &mut TcpStream, words: &[&str]) -> String {
    let bulk: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    write!(stream, "*{}\r\n{bulk}", words.len()).unwrap();
    let mut answer = [0; 256];
    let count = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..count]).into_owned()
}

fn arguments(outcome: &Outcome, function: &str) -> Vec<Value> {
    outcome.calls(function).into_iter().map(|call| call["args"].clone()).collect()
}

#[test]
fn a_tokio_server_shows_what_its_client_sent() {
    let _turn = turn();
    let (mut server, mut client) = mini_redis();
    let functions = ["Command::from_frame", "mini_redis::db::Db::{get,set,publish}", "Connection::write_frame"];
    let mut session = Session::start(&[&["trace", "--json", "-n", "0", "-p", &server.p()], &functions[..]].concat());
    session.armed();
    assert_eq!(ask(&mut client, &["set", "hello", "world"]), "+OK\r\n");
    assert_eq!(ask(&mut client, &["get", "hello"]), "$5\r\nworld\r\n");
    assert_eq!(ask(&mut client, &["set", "brief", "\u{e9}t\u{e9}", "px", "60000"]), "+OK\r\n");
    assert_eq!(ask(&mut client, &["publish", "nobody", "hears"]), ":0\r\n");
    let outcome = session.interrupt();
    assert!(server.is_alive());
    outcome.ended_well("interrupted");

    let sets = arguments(&outcome, "Db::set");
    let set = |index: usize| (&sets[index]["key"], &sets[index]["value"], &sets[index]["expire"]);
    assert_eq!(set(0), (&json!("hello"), &json!("world"), &json!("None")));
    assert_eq!(set(1), (&json!("brief"), &json!("\u{e9}t\u{e9}"), &json!({"Some": "60s"})));
    assert_eq!(arguments(&outcome, "Db::get")[0]["key"], "hello");
    assert_eq!(outcome.returns("Db::get")[0]["value"], json!({"Some": "world"}));
    let published = arguments(&outcome, "Db::publish");
    assert_eq!((&published[0]["key"], &published[0]["value"]), (&json!("nobody"), &json!("hears")));
    assert_eq!(outcome.returns("Db::publish")[0]["value"], 0);

    let frames = arguments(&outcome, "Command::from_frame");
    let bulk = |text: &str| json!({"Bulk": text});
    assert_eq!(frames[0]["frame"], json!({"Array": [bulk("set"), bulk("hello"), bulk("world")]}));
    let parsed: Vec<Value> = outcome.returns("Command::from_frame").iter().map(|end| end["value"].clone()).collect();
    assert_eq!(parsed[1], json!({"Ok": {"Get": {"key": "hello"}}}));
    assert_eq!(parsed[3], json!({"Ok": {"Publish": {"channel": "nobody", "message": "hears"}}}));
    assert_eq!(outcome.calls("Connection::write_frame").len(), 4, "one poll for each answer");
}

#[test]
fn a_command_line_tool_shows_what_it_searches_for_and_finds() {
    let _turn = turn();
    let ripgrep = build::installed("ripgrep", "15.2.0", "rg");
    let mut command = Command::new(ripgrep);
    command.args(["--line-number", "--no-config", "--threads", "1", "ne+dle", "-"]);
    let mut target = Target::spawn(&mut command);
    eventually("it waits for its input", || {
        let path = format!("/proc/{}/syscall", target.pid());
        std::fs::read_to_string(path).is_ok_and(|call| call.starts_with("0 0x0 "))
    });
    let function = "/grep_printer::standard::StandardSink.*Sink>::matched/";
    let mut session = Session::start(&["trace", "--json", "-n", "0", "-p", &target.p(), function]);
    session.armed();
    // The last line gets its end from `send`.
    target.send("hay\nhay needle hay\nhay\nneeedle");
    target.end();
    let outcome = session.outcome();
    outcome.ended_well("target-exited");
    assert_eq!(target.lines.next().as_deref(), Some("2:hay needle hay"));
    assert_eq!(target.lines.next().as_deref(), Some("4:neeedle"));
    let found: Vec<Value> = outcome.of_kind("call").into_iter().map(|call| call["args"]["mat"].clone()).collect();
    let line = |found: &Value| {
        let bytes = found["bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
        (found["line_number"]["Some"].as_u64().unwrap(), String::from_utf8(bytes).unwrap())
    };
    let lines: Vec<(u64, String)> = found.iter().map(line).collect();
    assert_eq!(lines, [(2, "hay needle hay\n".to_owned()), (4, "neeedle\n".to_owned())]);
    assert_eq!((&found[0]["absolute_byte_offset"], &found[1]["bytes_range_in_buffer"]), (&json!(4), &json!("23..31")));
}
