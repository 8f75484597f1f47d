//! From an address of an object to the functions that it is in, inlined ones included, with file and line.
//! Debug information first; where it does not say, the symbol table.

use std::cell::OnceCell;
use std::sync::Arc;

use addr2line::{LookupContinuation as _, LookupResult, SplitDwarfLoad};
use gimli::Dwarf;

use super::table::Bytes;
use crate::target::address::LinkAddress;
use crate::target::demangle::demangle;
use crate::target::files::Files;
use crate::target::image::Image;

/// Deeper inlining than any compiler's; a lying file is cut here.
const INLINED_MAX: usize = 256;

/// A function at an address, innermost first.
pub(super) struct Named {
    pub(super) function: Option<Arc<str>>,
    pub(super) is_inlined: bool,
    pub(super) source: Option<(Arc<str>, u32)>,
}

/// What names an object's addresses, read when it is first asked.
#[derive(Default)]
pub(super) struct Symbolizer<'data> {
    lines: OnceCell<Option<addr2line::Context<Bytes<'data>>>>,
}

impl<'data> Symbolizer<'data> {
    /// The functions around `address`; at least one, which may have no name.
    pub(super) fn at(&self, image: &Image<'data>, files: &'data Files, address: LinkAddress) -> Vec<Named> {
        let lines = self.lines.get_or_init(|| {
            let dwarf = gimli::Dwarf::load(|id| {
                let bytes = image.unloaded_section(id.name(), files).unwrap_or_default();
                Ok::<_, gimli::Error>(Bytes::new(bytes, gimli::LittleEndian))
            });
            dwarf.and_then(addr2line::Context::from_dwarf).ok()
        });
        let split = |load: SplitDwarfLoad<Bytes<'data>>| split(image, files, &load).map(Arc::new);
        let mut found = lines.as_ref().map(|lines| frames(lines, address, split)).unwrap_or_default();
        let Some(outermost) = found.last_mut() else {
            return vec![Named { function: symbol(image, address), is_inlined: false, source: None }];
        };
        if outermost.function.is_none() {
            outermost.function = symbol(image, address);
        }
        found
    }
}

fn frames<'data>(
    lines: &addr2line::Context<Bytes<'data>>,
    address: LinkAddress,
    mut split: impl FnMut(SplitDwarfLoad<Bytes<'data>>) -> Option<Arc<Dwarf<Bytes<'data>>>>,
) -> Vec<Named> {
    let mut found = Vec::new();
    let mut lookup = lines.find_frames(address.0);
    let frames = loop {
        match lookup {
            LookupResult::Output(frames) => break frames,
            LookupResult::Load { load, continuation } => lookup = continuation.resume(split(load)),
        }
    };
    let Ok(mut frames) = frames else { return found };
    while let (Ok(Some(frame)), true) = (frames.next(), found.len() < INLINED_MAX) {
        let name = frame.function.as_ref().and_then(|function| Some(demangle(&function.raw_name().ok()?).path));
        let source = frame.location.and_then(|location| Some((location.file?.into(), location.line.unwrap_or(0))));
        found.push(Named { function: name.map(Arc::from), is_inlined: true, source });
    }
    if let Some(outermost) = found.last_mut() {
        outermost.is_inlined = false;
    }
    found
}

/// The sections of the split file that a unit's functions are in.
fn split<'data>(
    image: &Image<'data>,
    files: &'data Files,
    load: &SplitDwarfLoad<Bytes<'data>>,
) -> Option<Dwarf<Bytes<'data>>> {
    let directory = load.comp_dir.map(|directory| directory.slice()).unwrap_or_default();
    let home = image.debug_info().ok()?.split_home(load.dwo_id, directory, load.path?.slice())?;
    files.keep_split(home).dwarf(&load.parent)
}

fn symbol(image: &Image<'_>, address: LinkAddress) -> Option<Arc<str>> {
    image.symbols().containing(address).map(|symbol| symbol.demangle().path.into())
}
