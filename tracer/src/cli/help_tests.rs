//! The help of every command, as a user reads it in a terminal of 100 columns.

use super::*;

fn help(name: Option<&str>) -> String {
    let mut command = command().term_width(100);
    command.build();
    let command = match name {
        Some(name) => command.find_subcommand_mut(name).unwrap(),
        None => &mut command,
    };
    command.render_long_help().to_string()
}

#[test]
fn the_definition_is_sound() {
    command().debug_assert();
}

#[test]
fn help_of_the_tracer() {
    insta::assert_snapshot!(help(None));
}

#[test]
fn help_of_doctor() {
    insta::assert_snapshot!(help(Some("doctor")));
}

#[test]
fn help_of_list() {
    insta::assert_snapshot!(help(Some("list")));
}

#[test]
fn help_of_trace() {
    insta::assert_snapshot!(help(Some("trace")));
}

#[test]
fn help_of_print() {
    insta::assert_snapshot!(help(Some("print")));
}

#[test]
fn help_of_queues() {
    insta::assert_snapshot!(help(Some("queues")));
}

#[test]
fn every_option_and_command_says_what_it_is() {
    for command in command().get_subcommands() {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
        }
    }
}

#[test]
fn the_version_names_the_bpf_object() {
    let (version, object) = VERSION.split_once("\nBPF object ").unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"));
    assert!(object.len() >= 12 && object.bytes().all(|byte| byte.is_ascii_hexdigit()), "{object}");
}

#[test]
fn the_examples_of_the_help_are_accepted() {
    let mut helps: Vec<String> = ["doctor", "list", "trace", "print", "queues"].map(|name| help(Some(name))).into();
    helps.push(help(None));
    let mut tried = 0;
    for line in helps.iter().flat_map(|help| help.lines()) {
        let line = line.trim().trim_start_matches("sudo ");
        let Some(line) = line.strip_prefix("tracer ").filter(|line| line.contains("  ") || line.contains('|')) else {
            continue;
        };
        let line = line.split("  ").next().unwrap().split(" | ").next().unwrap();
        // What stands between quotes is one word.
        let words = line.split('\'').enumerate().flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect(),
            _ => vec![part],
        });
        Cli::try_parse_from(std::iter::once("tracer").chain(words)).unwrap_or_else(|error| panic!("{line}: {error}"));
        tried += 1;
    }
    assert!(tried >= 20, "{tried} examples");
}
