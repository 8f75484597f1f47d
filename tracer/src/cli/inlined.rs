//! Tells, once the session is armed, which of the traced functions were also inlined: those calls are not seen.
//! Counting reads all debug information (some 100 ms for a large program), so nothing waits for it.

use std::collections::BTreeMap;

use super::exit::Failure;
use super::say::say;
use crate::plan::probe::{Place, Probe};
use crate::plan::request;
use crate::target::debug_info::FunctionKind;
use crate::target::files::Files;
use crate::target::image::Image;
use crate::target::process::Process;

/// Functions named in the note.
const NAMES_MAX: usize = 3;

/// Counts in a thread of its own, and says what it found on standard error. A session that ends sooner ends without.
pub fn tell_later(pid: u32, probes: &[Probe], closures: bool) {
    let probes = probes.to_vec();
    std::thread::spawn(move || {
        if let Ok(Some(note)) = note(pid, &probes, closures) {
            say(note);
        }
    });
}

fn note(pid: u32, probes: &[Probe], closures: bool) -> Result<Option<String>, Failure> {
    let process = Process::open(pid)?;
    let files = Files::new();
    let mut copies: BTreeMap<String, u64> = BTreeMap::new();
    for mapped in process.objects()? {
        if !mapped.is_executable && !request::needs_object(probes, &mapped.path.to_string_lossy()) {
            continue;
        }
        let image = Image::of_process(&mapped, &process, &files)?;
        for (name, inlined) in inlined_in(&image, probes, closures) {
            *copies.entry(name).or_default() += inlined;
        }
    }
    Ok(sentence(&copies))
}

/// The functions that the probes mean and that were inlined somewhere, with the number of places.
fn inlined_in(image: &Image<'_>, probes: &[Probe], closures: bool) -> Vec<(String, u64)> {
    let Ok(debug_info) = image.debug_info() else { return Vec::new() };
    let is_meant = |name: &str| {
        probes.iter().any(|probe| match &probe.place {
            Place::Function { object, pattern } => {
                let path = image.object.path().to_string_lossy();
                object.as_ref().map_or(image.is_executable, |object| object.matches(&path))
                    && pattern.matches(name, closures)
            }
            Place::Usdt { .. } | Place::Address { .. } | Place::Line { .. } => false,
        })
    };
    let functions = debug_info.functions(is_meant).into_iter();
    functions
        .filter(|function| !matches!(function.kind, FunctionKind::AsyncConstructor | FunctionKind::Closure))
        .filter_map(|function| {
            Some((function.name, function.inlined_copies.map(u64::from).filter(|count| *count > 0)?))
        })
        .collect()
}

fn sentence(copies: &BTreeMap<String, u64>) -> Option<String> {
    let (first, others) = (copies.iter().take(NAMES_MAX), copies.len().saturating_sub(NAMES_MAX));
    let places = |count: u64| if count == 1 { "1 place".to_owned() } else { format!("{count} places") };
    let mut named: Vec<String> = first.map(|(name, count)| format!("{name} in {}", places(*count))).collect();
    if others > 0 {
        named.push(format!("{others} more functions"));
    }
    (!named.is_empty()).then(|| format!("inlined, and not seen there: {}", named.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_note_names_a_few_and_counts_the_rest() {
        assert_eq!(sentence(&BTreeMap::new()), None);
        let copies = [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5)];
        let copies = copies.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(
            sentence(&copies).as_deref(),
            Some("inlined, and not seen there: a in 1 place, b in 2 places, c in 3 places, 2 more functions")
        );
    }
}
