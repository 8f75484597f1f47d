//! How values are shown: masked by name, limited, over several lines.

use serde_json::json;

use crate::harness::session::{Outcome, Session, tracer};
use crate::harness::target::Target;
use crate::harness::{build, turn};

fn run(arguments: &[&str]) -> Outcome {
    let _turn = turn();
    let mut target = Target::start(build::rust_dev("accounts"));
    let pid = target.p();
    let functions = ["accounts::login", "accounts::read_password"];
    let mut session = Session::start(&[&["trace", "-n", "2", "-p", &pid], arguments, &functions].concat());
    session.armed();
    target.send("go");
    target.lines.find("the end", |line| line == "end");
    session.outcome()
}

#[test]
fn masked_names_are_in_no_output() {
    for arguments in [&["--json"][..], &["--pretty"], &["-v", "--full-types", "--value-width", "0"]] {
        let redact = ["--redact", "*PASSWORD*", "--redact", "token"];
        let outcome = run(&[arguments, &redact].concat());
        let all = [outcome.output.clone(), outcome.errors.clone()].concat().join("\n");
        for secret in ["hunter2", "68756e74", "68 75 6e 74", "tokenXYZ", "746f6b", "74 6f 6b", "4259"] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
        assert!(all.contains("Ann") && all.contains("redacted"), "{all}");
        if arguments == ["--json"] {
            let masked = json!({"$redacted": true});
            let login = &outcome.calls("login")[0]["args"];
            assert_eq!((&login["password"], &login["attempt"]), (&masked, &json!(1)));
            let account = &login["account"];
            assert_eq!((&account["user_password"], &account["inner"]["Some"]["token"]), (&masked, &masked));
            assert_eq!((&account["name"], &account["inner"]["Some"]["visits"]), (&json!("Ann"), &json!(3)));
            assert_eq!(outcome.returns("read_password")[0]["value"], masked);
        }
    }
}

#[test]
fn a_dry_run_says_what_is_masked() {
    let _turn = turn();
    let target = Target::start(build::rust_dev("accounts"));
    let arguments = ["trace", "-p", &target.p(), "--dry-run", "--redact", "password", "accounts::login"];
    let outcome = tracer(&arguments);
    let all = outcome.output.join("\n");
    assert!(all.contains("password: &str     redacted"), "{all}");
    assert!(all.contains("account: &Account"), "{all}");
    let full = tracer(&[&arguments[..], &["--full-types"]].concat());
    assert!(full.output.join("\n").contains("account: &accounts::Account"), "{full:#?}");
}

#[test]
fn limits_cut_and_say_how_much() {
    let outcome = run(&["--json", "--max-items", "3", "--max-string", "5"]);
    let account = &outcome.calls("read_password")[0]["args"]["account"];
    assert_eq!(account["scores"], json!({"$truncated": [0, 1, 2], "omitted": 97}));
    assert_eq!(account["user_password"], json!({"$truncated": "hunte", "omitted": 12}));
    let outcome = run(&["--json", "--max-depth", "1"]);
    let account = &outcome.calls("read_password")[0]["args"]["account"];
    assert_eq!(account["name"], json!({"$unreadable": "too deep"}));
    let outcome = run(&["--json", "--max-bytes", "256", "--max-string", "1000", "--max-items", "250"]);
    let account = &outcome.calls("read_password")[0]["args"]["account"];
    assert!(account["scores"]["omitted"].as_u64() > Some(40), "{account}");
}

#[test]
fn pretty_values_have_lines_of_their_own() {
    let outcome = run(&["--pretty", "--full-types", "--max-items", "2"]);
    let all = outcome.output.join("\n");
    for line in ["accounts::login(", "account=accounts::Account {", "name: \"Ann\",", "… (+98 items),", "attempt=1,"]
    {
        assert!(outcome.output.iter().any(|found| found.ends_with(line)), "{line}: {all}");
    }
}
