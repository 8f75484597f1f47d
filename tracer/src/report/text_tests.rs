//! The call tree of constructed and recorded events, colours off unless said.

use super::super::replay::{self, CLOCK};
use super::*;
use crate::events::loss::Losses;
use crate::events::samples;
use crate::report::summary::StopReason;
use crate::report::width::ValueWidth;
use crate::value::text::Style;
use crate::value::{Omitted, Payload, Value};

fn report(palette: Palette) -> TextReport<Vec<u8>> {
    TextReport::new(Output::new(Vec::new()), palette, ShownValues::PLAIN, CLOCK)
}

fn text(mut report: TextReport<Vec<u8>>) -> String {
    report.flush().unwrap();
    String::from_utf8(report.into_inner()).unwrap()
}

fn show(events: &[Event]) -> String {
    let mut report = report(Palette::OFF);
    for event in events {
        report.event(event).unwrap();
    }
    text(report)
}

#[test]
fn the_corpus_reads_as_a_tree() {
    let mut report = report(Palette::OFF);
    let (stream, events) = replay::corpus();
    for event in &events {
        report.event(event).unwrap();
    }
    let losses = stream.losses(&Losses::default());
    report
        .stopped(&Summary {
            reason: StopReason::Calls(10),
            calls: stream.calls(),
            returns: stream.returns(),
            undecided: 0,
            judged: None,
            losses,
            overhead: Some(0.003),
        })
        .unwrap();
    insta::assert_snapshot!(String::from_utf8(report.into_inner()).unwrap(), @r#"
    10:15:02.001000Z tokio-rt-worker 42  app::audit_log::handle(uuid="hello")
    10:15:02.002000Z tokio-rt-worker 42  │ app::audit_log::store(attempt=7)
    10:15:02.003000Z tokio-rt-worker 42  │ │ usdt:mailbox:send(arg0=11)
    10:15:02.084000Z tokio-rt-worker 42  │ → ()  82.0 ms  · store
    10:15:02.085000Z tokio-rt-worker 42  → 42  84.0 ms  · handle
    10:15:02.090000Z ��\u{1b}[2JAAAAAAAAAA 43  app::audit_log::handle(uuid=<not resident>) ⇡ unwound  ≤ 1.0 ms
    10:15:02.092000Z tokio-rt-worker 42        app::audit_log::handle(uuid="xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"… (+4744 bytes)) ↷ tail-called  1.0 ms
    10:15:02.094000Z tokio-rt-worker 42        app::audit_log::handle(uuid=<record full>) ? end not seen
    10:15:02.096000Z tokio-rt-worker 42        → 1  · app::audit_log::handle (its call was lost)
    10:15:02.097000Z tokio-rt-worker 42        app::audit_log::store(attempt=3) ? no end seen when the trace stopped
    stopped: limit of 10 calls reached · 7 calls, 6 returns, 11 lost (malformed records: 11) · overhead 0.3 % · lift with -n N
    "#);
}

#[test]
fn a_return_right_after_its_call_shares_the_line() {
    let events = [Event::Call(samples::call(1, 0)), Event::Return(samples::returned(1))];
    insta::assert_snapshot!(show(&events), @"10:15:02.001000Z tokio-rt-worker 42  app::audit_log::store(attempt=1) → ()  81.2 ms");
}

#[test]
fn a_call_that_was_shown_already_gets_its_return_on_the_next_line() {
    let mut report = report(Palette::OFF);
    report.event(&Event::Call(samples::call(1, 0))).unwrap();
    report.flush().unwrap();
    report.event(&Event::Return(samples::returned(1))).unwrap();
    insta::assert_snapshot!(text(report), @"
    10:15:02.001000Z tokio-rt-worker 42  app::audit_log::store(attempt=1)
    10:15:02.082200Z tokio-rt-worker 42  → ()  81.2 ms
    ");
}

#[test]
fn long_values_are_cut_where_the_user_said() {
    let values = ShownValues { width: ValueWidth(Some(30)), ..ShownValues::PLAIN };
    let mut report = TextReport::new(Output::new(Vec::new()), Palette::OFF, values, CLOCK);
    for event in &replay::corpus().1 {
        report.event(event).unwrap();
    }
    let text = text(report);
    let line = text.lines().find(|line| line.contains("xxx")).unwrap();
    insta::assert_snapshot!(line, @r#"10:15:02.092000Z tokio-rt-worker 42        app::audit_log::handle(uuid="xxxxxxxxxxxxxxxxxxxxxxxxxxxxx… (+243 characters)) ↷ tail-called  1.0 ms"#);
    assert!(text.contains(r#"(uuid="hello")"#));
}

#[test]
fn every_ending_is_visible() {
    let endings = [Ending::Returned, Ending::Unwound, Ending::TailCalled, Ending::Unknown, Ending::Open];
    let mut events = Vec::new();
    for (id, ending) in (1..).zip(endings) {
        events.push(Event::Call(samples::call(id, 0)));
        let value = if ending == Ending::Returned { Returned::Untyped } else { Returned::Absent };
        events.push(Event::Return(Return { ending, value, ..samples::returned(id) }));
    }
    events.push(Event::Return(Return { call_seen: false, ..samples::returned(77) }));
    insta::assert_snapshot!(show(&events), @"
    10:15:02.001000Z tokio-rt-worker 42  app::audit_log::store(attempt=1) → ?  81.2 ms
    10:15:02.002000Z tokio-rt-worker 42  app::audit_log::store(attempt=1) ⇡ unwound  ≤ 81.2 ms
    10:15:02.003000Z tokio-rt-worker 42  app::audit_log::store(attempt=1) ↷ tail-called  81.2 ms
    10:15:02.004000Z tokio-rt-worker 42  app::audit_log::store(attempt=1) ? end not seen  81.2 ms
    10:15:02.005000Z tokio-rt-worker 42  app::audit_log::store(attempt=1) ? no end seen when the trace stopped  81.2 ms
    10:15:02.158200Z tokio-rt-worker 42  → ()  81.2 ms  · app::audit_log::store (its call was lost)
    ");
}

#[test]
fn losses_stand_where_they_happened() {
    let new = Losses { ring_buffer_full: 1_200, ..Losses::default() };
    let events =
        [Event::Call(samples::call(1, 0)), Event::Lost { time_ns: 1, new }, Event::Return(samples::returned(1))];
    insta::assert_snapshot!(show(&events), @"
    10:15:02.001000Z tokio-rt-worker 42  app::audit_log::store(attempt=1)
    !! 1,200 lost here (ring buffer full: 1,200)
    10:15:02.082200Z tokio-rt-worker 42  → ()  81.2 ms  · store
    ");
}

#[test]
fn polls_are_marked_and_deep_calls_do_not_run_off_the_screen() {
    let poll = samples::poll();
    let deep = Call { depth: 60, ..samples::call(2, 0) };
    insta::assert_snapshot!(show(&[Event::Call(poll), Event::Call(deep)]), @"
    10:15:02.001000Z tokio-rt-worker 42  poll app::audit_log::run(attempt=1)
    10:15:02.002000Z tokio-rt-worker 42  │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ │ [60] app::audit_log::store(attempt=1)
    ");
}

#[test]
fn what_is_not_known_of_arguments_is_not_shown_as_none() {
    let resumed = |file: &str| Some(Untold::Resumed(Some((file.to_owned(), 210))));
    let registry = resumed("/registry/src/index/mini-redis-0.4.1/src/server.rs");
    let untold = [Some(Untold::Untyped), Some(Untold::Resumed(None)), resumed("src/main.rs"), registry];
    let calls = (1..).zip(untold).map(|(id, untold)| {
        let poll = samples::poll();
        Event::Call(Call { id, arguments: vec![], untold, returns: false, ..poll })
    });
    insta::assert_snapshot!(show(&calls.collect::<Vec<_>>()), @"
    10:15:02.001000Z tokio-rt-worker 42  poll app::audit_log::run(?)
    10:15:02.001000Z tokio-rt-worker 42  poll app::audit_log::run(…)
    10:15:02.001000Z tokio-rt-worker 42  poll app::audit_log::run(…) at src/main.rs:210
    10:15:02.001000Z tokio-rt-worker 42  poll app::audit_log::run(…) at src/server.rs:210
    ");
}

#[test]
fn the_thread_column_grows_and_stays() {
    let on = |id, name: &str, tid| {
        Event::Call(Call { returns: false, thread: Thread { pid: 1, tid, name: name.into() }, ..samples::call(id, 0) })
    };
    insta::assert_snapshot!(show(&[on(1, "", 7), on(2, "tokio-rt-worker", 12_345), on(3, "main\x1b[2J", 7)]), @r"
    10:15:02.001000Z 7   app::audit_log::store(attempt=1)
    10:15:02.002000Z tokio-rt-worker 12345  app::audit_log::store(attempt=1)
    10:15:02.003000Z main\u{1b}[2J 7        app::audit_log::store(attempt=1)
    ");
}

#[test]
fn colours_wrap_parts_and_leave_the_text_alone() {
    let mut report = report(Palette::ON);
    report.event(&Event::Call(samples::call(1, 1))).unwrap();
    report.event(&Event::Return(Return { duration_ns: Some(2_000_000_000), ..samples::returned(1) })).unwrap();
    insta::assert_snapshot!(text(report).replace('\x1b', "^"), @"^[2m10:15:02.001000Z tokio-rt-worker 42  │ ^[0m^[1mapp::audit_log::store^[0m(attempt=1) → ()  ^[31m2.0 s^[0m");
}

#[test]
fn pretty_values_are_indented_below_their_line() {
    let list = |items: &[u128]| Value::Sequence {
        items: items.iter().map(|item| Value::Unsigned(*item)).collect(),
        omitted: Omitted::Nothing,
    };
    let mut call = samples::call(1, 2);
    call.arguments.push(Argument { name: "list".into(), value: list(&[1, 2]) });
    let end = Return {
        depth: 2,
        value: Returned::Value(Value::Variant { name: "Some".into(), payload: Payload::Tuple(vec![list(&[])]) }),
        ..samples::returned(1)
    };
    let flat = Event::Call(samples::call(2, 0));
    let values = ShownValues { style: Style { pretty: true, full_types: false }, ..ShownValues::PLAIN };
    let mut report = TextReport::new(Output::new(Vec::new()), Palette::OFF, values, CLOCK);
    for event in [Event::Call(call), Event::Return(end), flat] {
        report.event(&event).unwrap();
    }
    insta::assert_snapshot!(text(report), @"
    10:15:02.001000Z tokio-rt-worker 42  │ │ app::audit_log::store(
                                         │ │     attempt=1,
                                         │ │     list=[
                                         │ │         1,
                                         │ │         2,
                                         │ │     ],
                                         │ │ ) → Some(
                                         │ │     [],
                                         │ │ )  81.2 ms
    10:15:02.002000Z tokio-rt-worker 42  app::audit_log::store(attempt=1)
    ");
}
