//! Unwinds pictures of stacks by the unwind information of the objects that the process has mapped, and names the
//! frames. Reads files and /proc, never the process's memory: what the picture does not hold is missing.

mod step;
mod symbolize;
mod table;

#[cfg(test)]
mod tests;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use gimli::UnwindContext;

use self::step::{Caller, Registers, Step};
use self::symbolize::Symbolizer;
use self::table::Table;
use super::address::{LoadBias, RuntimeAddress};
use super::files::Files;
use super::image::Image;
use super::mapping;
use super::process::Process;
use super::procfs::Mapping;
use crate::value::backtrace::{Backtrace, End, Frame, Picture};

/// Frames of one stack, inlined ones not counted: as many as return addresses fit into the largest picture.
const FRAMES_MAX: usize = 8192;

/// What the frame is called that the kernel builds for a signal handler, as gdb does.
const SIGNAL_FRAME: &str = "<signal handler called>";

/// Addresses whose frames are kept; beyond it all are forgotten.
const NAMED_MAX: usize = 1 << 16;

/// Unwinds the stacks of one process.
pub struct Unwinder<'data> {
    process: &'data Process,
    files: &'data Files,
    objects: Vec<Loaded<'data>>,
    mappings: Vec<Mapping>,
    /// Addresses that no mapping held when they were looked up last: not worth another look.
    unknown: Vec<u64>,
    context: UnwindContext<usize>,
    /// By address, and whether it was executing there or had made a call right before.
    named: HashMap<(u64, bool), Rc<[Frame]>>,
}

/// An object at the place where it is loaded.
struct Loaded<'data> {
    name: Arc<str>,
    code: Vec<mapping::Code>,
    image: Image<'data>,
    table: OnceCell<Table<'data>>,
    symbolizer: Symbolizer<'data>,
}

/// Addresses without code that are remembered; pictures with damaged stacks could bring any number.
const UNKNOWN_MAX: usize = 64;

impl<'data> Unwinder<'data> {
    /// Opens the files that the process has mapped as code now, so that its stacks can be unwound after it is gone.
    pub fn new(process: &'data Process, files: &'data Files) -> Self {
        let mut unwinder = Self {
            process,
            files,
            objects: Vec::new(),
            mappings: Vec::new(),
            unknown: Vec::new(),
            context: UnwindContext::new(),
            named: HashMap::new(),
        };
        unwinder.look_again();
        unwinder
    }

    /// The frames of a stack.
    pub fn unwind(&mut self, picture: &Picture) -> Backtrace {
        let mut frames: Vec<Frame> = Vec::new();
        let mut registers = Registers(picture.registers.map(Some));
        // The first frame is at the instruction that was hit, and so is one that a signal interrupted. All others are
        // behind the call that they made, which may be their last instruction.
        let mut is_exact = true;
        for _ in 0..FRAMES_MAX {
            let Some(pc) = registers.pc() else { return Backtrace { frames, end: End::Unsupported } };
            let Some(object) = self.object_at(pc) else {
                let end = self.no_object(pc, &mut frames);
                return Backtrace { frames, end };
            };
            let lookup = if is_exact { pc } else { pc.wrapping_sub(1) };
            frames.extend(self.frames(object, pc, lookup).iter().cloned());
            match self.step(object, lookup, picture, &registers) {
                Ok(caller) => {
                    if caller.is_interrupted
                        && let Some(Frame { function, .. }) = frames.last_mut()
                    {
                        *function = Some(SIGNAL_FRAME.into());
                    }
                    is_exact = caller.is_interrupted;
                    registers = caller.registers;
                }
                Err(end) => return Backtrace { frames, end },
            }
        }
        Backtrace { frames, end: End::TooManyFrames }
    }

    fn step(&mut self, object: usize, pc: u64, picture: &Picture, registers: &Registers) -> Result<Caller, End> {
        let Some(loaded) = self.objects.get(object) else { return Err(End::NoUnwindInformation) };
        let table = loaded.table.get_or_init(|| Table::of(&loaded.image, self.files));
        let Some(bias) = loaded.bias_at(pc) else { return Err(End::NoUnwindInformation) };
        let mut step = Step { picture, registers };
        let caller = table.at(bias.link(RuntimeAddress(pc)), &mut self.context, &mut step);
        caller.unwrap_or(Err(End::NoUnwindInformation))
    }

    /// Why nothing is known at `pc`; code that is in no file still is a frame.
    fn no_object(&self, pc: u64, frames: &mut Vec<Frame>) -> End {
        let mapping = self.mappings.iter().find(|mapping| mapping.contains(RuntimeAddress(pc)) && mapping.executable);
        let Some(mapping) = mapping else { return End::NotCode { address: pc } };
        let name = mapping.path.as_ref().map(|path| path.to_string_lossy());
        if name.as_deref() == Some("[uprobes]") {
            return End::ReturnTrampoline;
        }
        let object = name.map(|name| name.rsplit('/').next().unwrap_or_default().into());
        frames.push(Frame { address: pc, function: None, is_inlined: false, source: None, object });
        End::NoUnwindInformation
    }

    /// The frames at `pc`, found by `lookup`, an address in the same instruction or in the call before it.
    fn frames(&mut self, object: usize, pc: u64, lookup: u64) -> Rc<[Frame]> {
        let key = (pc, pc == lookup);
        if let Some(known) = self.named.get(&key) {
            return Rc::clone(known);
        }
        let Some(loaded) = self.objects.get(object) else { return Rc::from([]) };
        let Some(bias) = loaded.bias_at(lookup) else { return Rc::from([]) };
        let named = loaded.symbolizer.at(&loaded.image, self.files, bias.link(RuntimeAddress(lookup)));
        let frames: Rc<[Frame]> = named
            .into_iter()
            .map(|named| Frame {
                address: pc,
                function: named.function,
                is_inlined: named.is_inlined,
                source: named.source,
                object: Some(Arc::clone(&loaded.name)),
            })
            .collect();
        if self.named.len() >= NAMED_MAX {
            self.named.clear();
        }
        self.named.insert(key, Rc::clone(&frames));
        frames
    }

    /// The object whose code holds `pc`; looks at the process again if none is known, since libraries come and go.
    fn object_at(&mut self, pc: u64) -> Option<usize> {
        let known = |unwinder: &Self| unwinder.objects.iter().position(|object| object.bias_at(pc).is_some());
        if let Some(object) = known(self) {
            return Some(object);
        }
        if self.unknown.contains(&pc) {
            return None;
        }
        self.look_again();
        let found = known(self);
        if found.is_none() {
            if self.unknown.len() >= UNKNOWN_MAX {
                self.unknown.clear();
            }
            self.unknown.push(pc);
        }
        found
    }

    /// Reads what is mapped now. A process that is gone keeps what was known of it.
    fn look_again(&mut self) {
        let Ok(mappings) = self.process.mappings() else { return };
        let mapped = mapping::objects(self.process, mappings.clone());
        self.mappings = mappings;
        for mapped in mapped {
            let known = self.objects.iter_mut().find(|object| object.image.object.id() == mapped.file);
            if let Some(known) = known {
                known.code = mapped.code(&known.image.object);
                continue;
            }
            let Ok(image) = Image::of_process(&mapped, self.process, self.files) else { continue };
            let code = mapped.code(&image.object);
            let name = mapped.name().as_ref().into();
            let (table, symbolizer) = (OnceCell::new(), Symbolizer::default());
            self.objects.push(Loaded { name, code, image, table, symbolizer });
        }
    }
}

impl Loaded<'_> {
    /// What the loader added to the link addresses of the code at `pc`; `None` if that is not this object's.
    fn bias_at(&self, pc: u64) -> Option<LoadBias> {
        let holds = |code: &&mapping::Code| code.start.0 <= pc && pc < code.end.0;
        self.code.iter().find(holds).map(|code| code.bias)
    }
}
