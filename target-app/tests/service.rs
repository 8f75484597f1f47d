//! The service as its users see it: the real binary, its TCP port, its signals and its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

const BINARY: &str = env!("CARGO_BIN_EXE_target-app");

/// `target-app serve` on a free port; killed if a test ends early.
struct Server {
    process: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

struct Client(BufReader<TcpStream>);

impl Server {
    fn start(arguments: &[&str]) -> Server {
        let mut process = Command::new(BINARY)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        Server { process, stdout, address }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Client(BufReader::new(stream))
    }

    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Stops the server: what it printed (standard output, log).
    fn stop(mut self, signal: &str) -> (String, String) {
        self.signal(signal);
        let (mut stdout, mut log) = (String::new(), String::new());
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        self.stdout.read_to_string(&mut stdout).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{log}");
        (stdout, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Client {
    fn ask(&mut self, request: &str) -> Value {
        self.0.get_mut().write_all(format!("{request}\n").as_bytes()).unwrap();
        let mut response = String::new();
        self.0.read_line(&mut response).unwrap();
        serde_json::from_str(&response).unwrap()
    }

    fn register(&mut self, uuid: &str) -> Value {
        self.ask(
            &json!({"register": {"uuid": uuid, "latitude": 52.5, "longitude": 13.4, "specie": "tilia"}}).to_string(),
        )
    }
}

fn run(arguments: &[&str]) -> (Output, String, String) {
    let output = Command::new(BINARY).args(arguments).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let (stdout, stderr) = (stdout.into_owned(), stderr.into_owned());
    (output, stdout, stderr)
}

fn last_line(text: &str) -> &str {
    text.lines().last().unwrap_or_default()
}

const UUID: &str = "6a3d9c1e-c838-11f0-8de9-0242ac120002";
const OTHER_UUID: &str = "6a3d9c1e-c838-11f0-8de9-0242ac120003";
const NIL_UUID: &str = "00000000-0000-0000-0000-000000000000";

#[test]
fn registers_and_loads() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    assert_eq!(client.register(UUID), json!({"registered": UUID}));
    let tree = json!({"uuid": UUID, "latitude": 52.5, "longitude": 13.4, "moisture": null, "specie": "tilia"});
    assert_eq!(client.ask(&json!({"load": UUID}).to_string()), json!({"tree": tree}));
    let missing = client.ask(&json!({"load": OTHER_UUID}).to_string());
    assert_eq!(missing, json!({"error": format!("tree {OTHER_UUID} not found")}));

    let (stdout, log) = server.stop("TERM");
    assert_eq!(last_line(&stdout), "registered=1 failed=0 trees=1");
    assert!(log.contains(&format!("[info] Registering tree {UUID}")), "{log}");
}

#[test]
fn the_nil_uuid_crashes_the_audit_log_and_nobody_else() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for _ in 0..5 {
        let refused = client.register(NIL_UUID);
        assert_eq!(refused, json!({"error": "AuditLog crashed before it replied"}));
    }
    assert_eq!(client.register(UUID), json!({"registered": UUID}));
    assert!(client.ask(&json!({"load": NIL_UUID}).to_string()).get("tree").is_some(), "the store kept its state");

    let (stdout, log) = server.stop("INT");
    assert_eq!(last_line(&stdout), "registered=1 failed=5 trees=2");
    assert_eq!(log.matches("[error] AuditLog crashed, restarting it").count(), 5, "{log}");
}

#[test]
fn statistics_count_messages() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.register(UUID);
    client.ask(&json!({"load": UUID}).to_string());
    let stats = &client.ask(r#"{"stats":true}"#)["stats"];
    assert_eq!(stats["registered"], 1);
    let of = |name: &str| {
        let mailboxes = stats["mailboxes"].as_array().unwrap();
        let mailbox = mailboxes.iter().find(|mailbox| mailbox["name"] == name).unwrap();
        ["length", "capacity", "sent", "received"].map(|key| mailbox[key].as_u64().unwrap())
    };
    assert_eq!(of("TreeRegistration"), [0, 64, 1, 1]);
    assert_eq!(of("Store"), [0, 64, 2, 2]);
    assert_eq!(of("AuditLog"), [0, 32, 1, 1]);
}

#[test]
fn bad_requests_are_answered_and_do_no_harm() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    for (request, complaint) in [
        ("fell the tree", "bad request: expected value"),
        ("", "bad request: EOF"),
        (r#"{"register":{"latitude":91,"longitude":0}}"#, "latitude 91 is not between -90 and 90 degrees"),
        (r#"{"register":{"latitude":1,"longitude":0,"moisture":101}}"#, "moisture 101 is not between"),
        ("\u{fffd}\u{0}", "bad request"),
    ] {
        let response = client.ask(request);
        assert!(response["error"].as_str().unwrap().contains(complaint), "{request}: {response}");
    }
    let response = client.ask(&"x".repeat(100_000));
    assert_eq!(response, json!({"error": "request longer than 4096 bytes"}));
    assert_eq!(client.register(UUID), json!({"registered": UUID}));
}

#[test]
fn the_load_runs_alone_and_counts_right() {
    let (output, stdout, log) = run(&["register-random-trees", "3", "10", "--for", "2s", "--stats-every", "500ms"]);
    assert_eq!(output.status.code(), Some(0), "{log}");
    let registered = log.matches("] Registered ").count();
    assert!(registered >= 3, "{log}");
    assert_eq!(last_line(&stdout), format!("registered={registered} failed=0 trees={registered}"));
    assert_eq!(log.matches("] Took ").count(), registered);
    assert!(stdout.contains("mailbox TreeRegistration length="), "{stdout}");
    assert!(log.contains("in task 3"), "{log}");
}

#[test]
fn the_load_drives_a_server() {
    let server = Server::start(&[]);
    let (output, stdout, log) = run(&["register-random-trees", "2", "0", "--for", "1s", "--connect", &server.address]);
    assert_eq!(output.status.code(), Some(0), "{log}");
    let (of_server, _) = server.stop("TERM");
    assert_eq!(last_line(&stdout), last_line(&of_server));
    assert!(last_line(&stdout).ends_with(&format!("trees={}", log.matches("] Registered ").count())), "{stdout}");
}

#[test]
fn a_server_can_load_itself() {
    let server = Server::start(&["--load", "4,10"]);
    std::thread::sleep(Duration::from_millis(800));
    let stats = server.connect().ask(r#"{"stats":true}"#);
    let registration = &stats["stats"]["mailboxes"][2];
    assert_eq!(registration["name"], "TreeRegistration");
    assert!(registration["length"].as_u64().unwrap() > 0, "{stats}");
    let (stdout, log) = server.stop("INT");
    let registered = log.matches("] Registered ").count();
    assert_eq!(last_line(&stdout), format!("registered={registered} failed=0 trees={registered}"));
}

#[test]
fn what_cannot_start_says_why() {
    let server = Server::start(&[]);
    let (output, _, stderr) = run(&["serve", "--listen", &server.address]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("cannot listen on") && stderr.contains("Address already in use"), "{stderr}");

    let (output, _, stderr) = run(&["register-random-trees", "1", "1", "--connect", "127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("cannot connect to 127.0.0.1:1") && stderr.contains("refused"), "{stderr}");

    for arguments in [&["register-random-trees", "0", "1"][..], &["serve", "--load", "4"], &["plant"]] {
        let (output, _, stderr) = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.contains("error: "), "{stderr}");
    }
}
