//! Compiles what a probe must copy: from types and locations to the operations that the BPF side interprets.
//! Copies exactly what [`decode`](crate::value::decode) will ask for, because both follow the same views.
//!
//! First the roots of all values, then what their pointers lead to, each value with its share of the operations.
//! What does not fit is left out as a whole, and decodes as `not captured`. A type that leads to itself, or that many
//! values share, becomes a routine, which the plan calls.

mod chase;
mod dynamic;
mod linked;
mod place;
mod routine;
mod select;
mod sequence;
mod way;

use std::collections::{BTreeSet, HashMap};

use tracer_ebpf::abi::plan::{CHUNK_BYTES_MAX, OPS_MAX, OpCode, Plan, REGISTERS_MAX};

use self::place::Base;
use self::routine::Routines;
use super::assembler::{Address, Assembler, Stop};
use super::capture_plan::CapturePlan;
use crate::value::Limits;
use crate::value::layout::{TypeId, Types};
use crate::value::place::{Location, MemoryPlace, Place, Register};
use crate::value::term::Term;
use crate::value::view::{View, view};
use crate::value::walk::Way;

/// A compiled plan. Flags and the kept register are the caller's to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capture {
    pub plan: CapturePlan,
    /// Whether everything that the limits allow found room in the plan.
    pub is_complete: bool,
}

/// What a plan is to copy: a value, or only the part of it that a way leads to.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'w> {
    pub ty: TypeId,
    pub location: &'w Location,
    pub way: Option<&'w Way>,
    /// Bytes of one string, if not as many as of other values.
    pub string_bytes_max: Option<u64>,
}

impl<'w> Wanted<'w> {
    /// The whole value.
    pub fn whole(ty: TypeId, location: &'w Location) -> Self {
        Self { ty, location, way: None, string_bytes_max: None }
    }
}

/// Times that a plan is compiled anew because more of its types have to be routines.
const ATTEMPTS_MAX: u32 = 8;

/// The plan that copies these values, in this order of importance.
pub fn compile(types: &Types, values: &[Wanted<'_>], limits: &Limits) -> Capture {
    let mut shared = BTreeSet::new();
    for _ in 1..ATTEMPTS_MAX {
        let (capture, wanted) = Compiler::new(types, limits, shared.clone()).compile(values);
        if wanted.is_subset(&shared) {
            return capture;
        }
        shared.extend(wanted);
    }
    Compiler::new(types, limits, shared).compile(values).0
}

/// Values within values that one plan looks into: ends the search in types that lie, and contain themselves.
const VALUES_MAX: u32 = 20_000;

struct Compiler<'t> {
    types: &'t Types,
    limits: Limits,
    assembler: Assembler,
    registers: Vec<u8>,
    routines: Routines,
    /// Whether a value has pointers that are followed, by type.
    leads_further: HashMap<TypeId, bool>,
    /// Values that may still be looked into.
    values_left: u32,
}

/// How far a value is from the one that the plan, or the routine, starts at.
#[derive(Clone, Copy, Default)]
struct Depth {
    pointers: u32,
    nesting: u32,
}

impl Depth {
    fn nested(self) -> Self {
        Self { nesting: self.nesting + 1, ..self }
    }

    fn pointed_to(self) -> Self {
        Self { pointers: self.pointers + 1, nesting: self.nesting + 1 }
    }
}

type Step = Result<(), Stop>;

impl<'t> Compiler<'t> {
    fn new(types: &'t Types, limits: &Limits, shared: BTreeSet<TypeId>) -> Self {
        let (assembler, routines) = (Assembler::new(), Routines::new(shared));
        Self {
            types,
            limits: *limits,
            assembler,
            registers: Vec::new(),
            routines,
            leads_further: HashMap::new(),
            values_left: VALUES_MAX,
        }
    }

    /// The plan, and the types that must be routines for it to be whole.
    fn compile(mut self, values: &[Wanted<'_>]) -> (Capture, BTreeSet<TypeId>) {
        for wanted in values {
            match wanted.way {
                None => self.root(wanted.ty, wanted.location),
                Some(_) => self.root_of_part(wanted),
            }
        }
        let limits = self.limits;
        for (done, wanted) in values.iter().enumerate() {
            let used = self.assembler.len();
            let share = OPS_MAX.saturating_sub(used) / (values.len() - done);
            self.assembler.ops_max = used + share;
            self.limits.string_bytes_max = wanted.string_bytes_max.unwrap_or(limits.string_bytes_max);
            let (location, base) = (wanted.location, Base::Pieces { location: wanted.location, offset: 0 });
            self.attempt(|compiler| match wanted.way {
                None => compiler.chase_root(wanted.ty, location, base),
                Some(way) => compiler.part(location, way),
            });
        }
        self.limits = limits;
        self.assembler.ops_max = OPS_MAX;
        self.compile_routines();
        let routines = std::mem::replace(&mut self.routines, Routines::new(BTreeSet::new()));
        let wanted = routines.wanted(!self.assembler.is_complete);
        (self.finish(), wanted)
    }

    fn finish(self) -> Capture {
        let mut head = Plan::EMPTY;
        for (slot, register) in head.registers.iter_mut().zip(&self.registers) {
            *slot = *register;
        }
        head.register_count = self.registers.len().min(REGISTERS_MAX) as u8;
        let is_complete = self.assembler.is_complete && self.registers.len() <= REGISTERS_MAX;
        Capture { plan: CapturePlan { head, ops: self.assembler.finish() }, is_complete }
    }

    /// Runs `emit`; if it stops, its operations are taken back. Failures inside go on at the end.
    fn block(&mut self, emit: impl FnOnce(&mut Self) -> Step) -> Step {
        let mark = self.assembler.open();
        let result = emit(self);
        self.assembler.close(mark, result);
        if result.is_err() {
            self.routines.forget_from(self.assembler.len());
        }
        result
    }

    /// A block that may be left out.
    fn attempt(&mut self, emit: impl FnOnce(&mut Self) -> Step) {
        let _ = self.block(emit);
    }

    fn carry(&mut self, register: Register) {
        if register.is_readable() && !self.registers.contains(&register.0) {
            self.registers.push(register.0);
        }
    }

    /// The registers and the memory that hold the value itself.
    fn root(&mut self, ty: TypeId, location: &Location) {
        let size_bytes = self.types.get(ty).size_bytes;
        let is_whole = location.pieces.len() == 1;
        for piece in &location.pieces {
            match &piece.place {
                Place::Register(register) => self.carry(*register),
                Place::Memory(place) if is_whole && self.is_coroutine(ty) => self.coroutine(ty, place),
                Place::Memory(place) => {
                    place.base.into_iter().chain(place.index.map(|(index, _)| index)).for_each(|r| self.carry(r));
                    let size_bytes = if is_whole { size_bytes } else { piece.size_bytes };
                    self.attempt(|compiler| {
                        let address = compiler.assembler.place(place, true)?;
                        compiler.copy(address, size_bytes)
                    });
                }
                Place::Address(term) => {
                    let size_bytes = if is_whole { size_bytes } else { piece.size_bytes };
                    self.term(term, &[(term, size_bytes)]);
                }
                Place::Value(term) => self.term(term, &term.loads()),
                Place::Constant(_) | Place::Missing(_) => {}
            }
        }
    }

    /// The registers of a term, and the bytes at these addresses.
    fn term(&mut self, term: &Term, copied: &[(&Term, u64)]) {
        term.registers().into_iter().for_each(|register| self.carry(register));
        for (address, size_bytes) in copied {
            self.attempt(|compiler| {
                let address = compiler.assembler.term(address, true)?;
                compiler.copy(address, *size_bytes)
            });
        }
    }

    fn is_coroutine(&self, ty: TypeId) -> bool {
        matches!(view(self.types, ty), View::Enum { layout, .. } if layout.is_coroutine())
    }

    /// Of a coroutine only the state and, before its first poll, the arguments: futures can be larger than a record,
    /// and what is in them later has no names that a user would know.
    fn coroutine(&mut self, ty: TypeId, place: &MemoryPlace) {
        let types = self.types;
        let View::Enum { layout, .. } = view(types, ty) else { return };
        place.base.into_iter().chain(place.index.map(|(index, _)| index)).for_each(|register| self.carry(register));
        let Some(tag) = layout.tag else { return };
        self.attempt(|compiler| {
            let address = compiler.assembler.place(place, true)?;
            compiler.copy(address.at(tag.offset), tag.size_bytes)
        });
        let Some(arguments) = layout.variants.iter().find(|variant| layout.is_shown(variant)) else { return };
        self.attempt(|compiler| {
            let address = compiler.assembler.place(place, false)?;
            compiler.assembler.load_memory(address.at(tag.offset), tag.size_bytes)?;
            compiler.select(layout, arguments, tag.size_bytes, 0)?;
            for field in &arguments.fields {
                let address = compiler.assembler.place(place, false)?;
                compiler.copy(address.at(field.offset), types.get(field.ty).size_bytes)?;
            }
            Ok(())
        });
    }

    fn copy(&mut self, address: Address, size_bytes: u64) -> Step {
        let size_bytes = size_bytes.min(self.limits.value_bytes_max);
        if size_bytes == 0 {
            return Ok(());
        }
        let displacement = self.assembler.load_base(address)?;
        for start in (0..size_bytes).step_by(CHUNK_BYTES_MAX) {
            let size = (size_bytes - start).min(CHUNK_BYTES_MAX as u64);
            self.assembler.emit(OpCode::Copy, |op| (op.a, op.b) = (displacement.wrapping_add(start), size))?;
        }
        Ok(())
    }
}
