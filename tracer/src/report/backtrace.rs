//! A call stack for people, one line per function, and for tools. What runs a program rather than being it (an async
//! runtime, the standard library) is folded to one line, so that the program's own functions stand out.

use std::fmt::Write as _;

use super::color::{Paint, Palette, printable};
use super::json::string;
use crate::value::backtrace::{Backtrace, End, Frame};

/// Crates whose frames are folded.
const RUNTIMES: [&str; 10] =
    ["std", "core", "alloc", "tokio", "tokio_util", "futures_util", "futures_core", "rayon", "rayon_core", "async_std"];

/// Fewer frames in a row are not worth folding.
const FOLDED_MIN: usize = 3;

/// Which frames are shown as text. JSON has them all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Those of runtimes and repeated ones folded.
    #[default]
    Short,
    Full,
}

/// The lines of a backtrace, to be indented.
pub fn lines(backtrace: &Backtrace, detail: Detail, palette: Palette) -> Vec<String> {
    let frames = &backtrace.frames;
    let width = frames.len().saturating_sub(1).to_string().len();
    let mut lines = Vec::new();
    let mut index = 0;
    while let Some(frame) = frames.get(index) {
        let run = match detail {
            Detail::Full => 1,
            Detail::Short => folded(frames, index),
        };
        if run > 1 {
            let fold = fold(frames, index, run);
            let mut line = String::new();
            palette.paint(&mut line, Paint::Dim, &format!("{:>1$}… {fold}", "", width + 2));
            lines.push(line);
        } else {
            lines.push(self::line(frame, index, width, palette));
        }
        index += run;
    }
    if backtrace.end != End::Outermost {
        let mut line = String::new();
        palette.paint(&mut line, Paint::Warning, &format!("{:>1$}<{end}>", "", width + 2, end = backtrace.end));
        lines.push(line);
    }
    lines
}

fn line(frame: &Frame, index: usize, width: usize, palette: Palette) -> String {
    let mut line = String::new();
    palette.paint(&mut line, Paint::Dim, &format!("#{index:<width$} "));
    match &frame.function {
        Some(function) => line.push_str(&printable(function)),
        None => {
            let _ = write!(line, "{:#x}", frame.address);
        }
    }
    let mut place = String::new();
    match (&frame.source, &frame.object) {
        (Some((file, 0)), _) => place = format!(" at {}", printable(within_crate(file))),
        (Some((file, number)), _) => place = format!(" at {}:{number}", printable(within_crate(file))),
        (None, Some(object)) => place = format!(" in {}", printable(object)),
        (None, None) => {}
    }
    if frame.is_inlined {
        place.push_str(" (inlined)");
    }
    palette.paint(&mut line, Paint::Dim, &place);
    line
}

/// How many frames from `index` on one line stands for. The innermost is always shown.
fn folded(frames: &[Frame], index: usize) -> usize {
    let rest = frames.get(index..).unwrap_or_default();
    let Some(before) = index.checked_sub(1).and_then(|before| frames.get(before)) else { return 1 };
    let repeated = rest.iter().take_while(|frame| *frame == before).count();
    let runtime = rest.iter().take_while(|frame| runtime(frame).is_some()).count();
    let run = repeated.max(runtime);
    if run >= FOLDED_MIN { run } else { 1 }
}

/// `12 frames of tokio, std and core`.
fn fold(frames: &[Frame], index: usize, run: usize) -> String {
    let run = frames.get(index..index + run).unwrap_or_default();
    let mut names: Vec<&str> = Vec::new();
    for frame in run {
        match runtime(frame) {
            Some(name) if !names.contains(&name) => names.push(name),
            Some(_) => {}
            None => return format!("the same {} more times", run.len()),
        }
    }
    let (last, others) = names.split_last().map_or(("", [].as_slice()), |(last, others)| (*last, others));
    let others = others.join(", ");
    let and = if others.is_empty() { "" } else { " and " };
    format!("{} frames of {others}{and}{last}", run.len())
}

/// The runtime crate that the function belongs to: `core` of `<core::pin::Pin<P> as core::future::Future>::poll`.
fn runtime(frame: &Frame) -> Option<&'static str> {
    let function = frame.function.as_deref()?;
    if function.contains("__rust_begin_short_backtrace") || function == "__rust_try" {
        return Some("std");
    }
    let path = function.trim_start_matches(['<', '&', '*']).trim_start_matches("mut ").trim_start_matches("dyn ");
    let root = path.split("::").next().filter(|root| root.len() < path.len())?;
    RUNTIMES.into_iter().find(|runtime| *runtime == root)
}

/// A file's path from its crate's folder on, as far as it tells: a registry's folders help nobody.
pub(super) fn within_crate(file: &str) -> &str {
    match file.rfind("/src/") {
        Some(at) if file.starts_with('/') => file.get(at + 1..).unwrap_or(file),
        _ => file,
    }
}

/// Appends the frames as a JSON array of objects.
pub fn json(line: &mut String, backtrace: &Backtrace) {
    line.push('[');
    for (index, frame) in backtrace.frames.iter().enumerate() {
        line.push_str(if index == 0 { r#"{"function":"# } else { r#",{"function":"# });
        optional(line, frame.function.as_deref());
        line.push_str(r#","file":"#);
        optional(line, frame.source.as_ref().map(|(file, _)| file.as_ref()));
        match frame.source {
            Some((_, number)) if number != 0 => _ = write!(line, r#","line":{number}"#),
            _ => line.push_str(r#","line":null"#),
        }
        let _ = write!(line, r#","inlined":{},"object":"#, frame.is_inlined);
        optional(line, frame.object.as_deref());
        let _ = write!(line, r#","address":"{:#x}"}}"#, frame.address);
    }
    line.push(']');
}

fn optional(line: &mut String, text: Option<&str>) {
    match text {
        Some(text) => string(line, text),
        None => line.push_str("null"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(function: &str, line: u32) -> Frame {
        Frame {
            address: 0x1000 + u64::from(line),
            function: Some(function.into()),
            is_inlined: false,
            source: Some(("/home/me/app/src/audit_log.rs".into(), line)),
            object: Some("app".into()),
        }
    }

    fn backtrace() -> Backtrace {
        let mut frames = vec![
            frame("app::store", 42),
            Frame { is_inlined: true, ..frame("<core::pin::Pin<P> as core::future::Future>::poll", 7) },
            frame("app::handle", 50),
            frame("core::ops::function::FnOnce::call_once", 1),
            frame("tokio::runtime::task::poll", 2),
            frame("<tokio::runtime::Runtime as core::ops::Drop>::drop", 3),
        ];
        frames.extend(vec![frame("app::deep", 9); 5]);
        frames.push(Frame { function: None, source: None, object: None, ..frame("", 0) });
        frames.push(Frame { source: None, object: Some("libc.so.6".into()), ..frame("clone3", 0) });
        Backtrace { frames, end: End::PictureEnded { bytes: 16 << 10 } }
    }

    #[test]
    fn runtimes_and_repetitions_are_folded_unless_all_is_asked_for() {
        let short = lines(&backtrace(), Detail::Short, Palette::OFF);
        assert_eq!(
            short,
            [
                "#0  app::store at src/audit_log.rs:42",
                "#1  <core::pin::Pin<P> as core::future::Future>::poll at src/audit_log.rs:7 (inlined)",
                "#2  app::handle at src/audit_log.rs:50",
                "    … 3 frames of core and tokio",
                "#6  app::deep at src/audit_log.rs:9",
                "    … the same 4 more times",
                "#11 0x1000",
                "#12 clone3 in libc.so.6",
                "    <stack snapshot ended after 16 kB>",
            ]
        );
        let full = lines(&backtrace(), Detail::Full, Palette::OFF);
        assert_eq!(full.len(), backtrace().frames.len() + 1);
        assert!(full.iter().all(|line| !line.contains('…')));
    }

    #[test]
    fn a_complete_stack_ends_without_a_reason() {
        let complete = Backtrace { frames: vec![frame("main", 3)], end: End::Outermost };
        assert_eq!(lines(&complete, Detail::Short, Palette::OFF), ["#0 main at src/audit_log.rs:3"]);
    }

    #[test]
    fn what_is_not_known_is_null_in_json() {
        let mut line = String::new();
        json(&mut line, &backtrace());
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            json[1].to_string(),
            r#"{"function":"<core::pin::Pin<P> as core::future::Future>::poll","file":"/home/me/app/src/audit_log.rs","line":7,"inlined":true,"object":"app","address":"0x1007"}"#
        );
        assert_eq!(
            json[11].to_string(),
            r#"{"function":null,"file":null,"line":null,"inlined":false,"object":null,"address":"0x1000"}"#
        );
    }
}
