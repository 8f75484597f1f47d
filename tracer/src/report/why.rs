//! `tracer why`: the verdict in words, as JSON Lines, or as a graph for Graphviz. Must not know how it was found.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

use super::color::{Paint, Palette, printable};
use super::units;
use crate::actors::look::{Look, label};
use crate::actors::verdict::{Finding, Verdict};
use crate::actors::waits::{Cause, Edge, Evidence};

/// What the heading and the last line say.
#[derive(Clone, Copy, Debug)]
pub struct WhySummary {
    pub pid: u32,
    pub window: Duration,
    pub looks: usize,
    pub samples: u64,
}

/// The findings, the worst first, with line feeds.
pub fn text(verdict: &Verdict, look: &Look, summary: &WhySummary, palette: Palette) -> String {
    let mut out = String::new();
    for finding in &verdict.findings {
        palette.paint(&mut out, Paint::Bad, &capitalised(finding.trouble.word()));
        out.push_str(": ");
        let text = finding.text.strip_prefix("deadlock: ").unwrap_or(&finding.text);
        out.push_str(&printable(text));
        out.push_str(".\n");
        if let Some(advice) = &finding.advice {
            let _ = writeln!(out, "  → {}.", printable(advice));
        }
    }
    if verdict.findings.is_empty() {
        palette.paint(&mut out, Paint::Good, "Nothing is wrong");
        let waiting = verdict.graph.edges.len() as u64;
        let _ = writeln!(
            out,
            ": no deadlock, no blocked worker, no lock held for long, no mailbox that only fills; {} for another now.",
            if waiting == 1 { "1 task waits".to_owned() } else { format!("{} tasks wait", units::count(waiting)) },
        );
    }
    palette.paint(&mut out, Paint::Dim, &last_line(look, summary));
    out.push('\n');
    out
}

fn last_line(look: &Look, summary: &WhySummary) -> String {
    format!(
        "{}, {}, looked at {} times within {}; who runs was sampled {} times",
        units::counted(look.actors.len() as u64, "task"),
        units::counted(look.channels.len() as u64, "channel"),
        summary.looks,
        units::duration(u64::try_from(summary.window.as_nanos()).unwrap_or(u64::MAX)),
        units::count(summary.samples),
    )
}

/// `blocked-worker` → `Blocked worker`.
fn capitalised(word: &str) -> String {
    let mut characters = word.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters.map(|character| if character == '-' { ' ' } else { character })).collect()
}

/// One line per finding, one per edge, and the verdict as the last one.
pub fn json(verdict: &Verdict, look: &Look, summary: &WhySummary) -> Vec<String> {
    let finding = |finding: &Finding| {
        json!({
            "kind": "finding",
            "pid": summary.pid,
            "finding": finding.trouble.word(),
            "tasks": finding.tasks,
            "waiters": finding.waiters,
            "text": finding.text,
            "advice": finding.advice,
        })
        .to_string()
    };
    let edge = |edge: &Edge| {
        let (because, _) = cause(&edge.cause);
        json!({
            "kind": "edge",
            "pid": summary.pid,
            "from": id(look, edge.from),
            "from_name": name(look, edge.from),
            "to": id(look, edge.to),
            "to_name": name(look, edge.to),
            "because": because,
            "evidence": match edge.evidence { Evidence::Found => "found", Evidence::Inferred => "inferred" },
        })
        .to_string()
    };
    let mut lines: Vec<String> = verdict.findings.iter().map(finding).collect();
    lines.extend(verdict.graph.edges.iter().map(edge));
    lines.push(
        json!({
            "kind": "verdict",
            "pid": summary.pid,
            "findings": verdict.findings.len(),
            "tasks": look.actors.len(),
            "channels": look.channels.len(),
            "edges": verdict.graph.edges.len(),
            "looks": summary.looks,
            "window_ns": u64::try_from(summary.window.as_nanos()).unwrap_or(u64::MAX),
        })
        .to_string(),
    );
    lines
}

/// The wait-for graph in Graphviz's language: an arrow from who waits to who is waited for.
pub fn dot(verdict: &Verdict, look: &Look) -> String {
    let mut out = String::from("digraph waits {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n");
    let mut nodes: Vec<usize> = verdict.graph.edges.iter().flat_map(|edge| [edge.from, edge.to]).collect();
    nodes.sort_unstable();
    nodes.dedup();
    let guilty = |id: u64| verdict.findings.iter().any(|finding| finding.tasks.contains(&id));
    for node in nodes {
        let color = if guilty(id(look, node)) { ", color=red, penwidth=2" } else { "" };
        let level = look.actors.get(node).and_then(|actor| look.channels.get(&actor.mailbox?)?.level);
        let level = level.map_or(String::new(), |level| {
            format!("\\n{}/{}", level.length, level.capacity.map_or("∞".to_owned(), |capacity| capacity.to_string()))
        });
        let _ = writeln!(out, "  t{} [label=\"{}{level}\"{color}];", id(look, node), quoted(&name(look, node)));
    }
    for edge in &verdict.graph.edges {
        let (because, _) = cause(&edge.cause);
        let style = if edge.evidence == Evidence::Inferred { ", style=dashed" } else { "" };
        let _ = writeln!(out, "  t{} -> t{} [label=\"{because}\"{style}];", id(look, edge.from), id(look, edge.to));
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    printable(text).replace('\\', "\\\\").replace('"', "\\\"")
}

fn id(look: &Look, index: usize) -> u64 {
    look.actors.get(index).map_or(0, |actor| actor.task.id)
}

fn name(look: &Look, index: usize) -> String {
    look.actors.get(index).map_or_else(String::new, |actor| label(actor, look))
}

fn cause(cause: &Cause) -> (&'static str, u64) {
    match cause {
        Cause::Reply { channel } => ("reply", channel.unwrap_or(0)),
        Cause::Room { channel } => ("room", *channel),
        Cause::Lock { semaphore } => ("lock", *semaphore),
        Cause::Permit { semaphore } => ("permit", *semaphore),
        Cause::End => ("end", 0),
    }
}
