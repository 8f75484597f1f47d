//! Trait objects: the value is copied by the size that its table tells, its pointers are followed by its type.

use tracer_ebpf::abi::plan::OpCode;

use super::super::assembler::Address;
use super::place::Base;
use super::{Compiler, Depth, Step};
use crate::value::name;
use crate::value::view::{Dynamic, TABLE_ALIGN_OFFSET, TABLE_SIZE_OFFSET};

/// Types of a trait whose pointers are followed: each takes two steps more for every object.
const TYPES_MAX: usize = 32;

impl Compiler<'_> {
    pub(super) fn dynamic(&mut self, base: Base<'_>, dynamic: Dynamic<'_>, depth: Depth) -> Step {
        self.load_word(base.at(dynamic.table_offset))?;
        let table = self.assembler.save()?;
        self.assembler.load_memory(Address::Accumulator(TABLE_SIZE_OFFSET), 8)?;
        let size = self.assembler.save()?;
        if dynamic.counters_bytes > 0 {
            self.copy(Address::Slot(table, TABLE_ALIGN_OFFSET), 8)?;
            self.assembler.load_memory(Address::Slot(table, TABLE_ALIGN_OFFSET), 8)?;
            self.assembler.guard(OpCode::JumpUnless, 1, dynamic.counters_bytes)?;
        }
        self.load_word(base.at(dynamic.pointer_offset))?;
        self.assembler.add(dynamic.counters_bytes)?;
        let value = self.assembler.save()?;
        self.slice(size, 1, self.limits.value_bytes_max)?;
        let types = self.types;
        let known = types.dynamic.get(dynamic.of_trait).map(Vec::as_slice).unwrap_or_default();
        let mut followed: Vec<_> = known.iter().filter(|(_, ty)| self.leads_further(*ty)).collect();
        // Of a trait that everything implements the program's own types matter most.
        followed.sort_by_key(|(_, ty)| name::is_library(&types.get(*ty).name));
        for (address, ty) in followed.into_iter().take(TYPES_MAX) {
            self.attempt(|compiler| {
                compiler.assembler.restore(table)?;
                compiler.assembler.guard(OpCode::JumpUnless, *address, *address)?;
                compiler.enter(*ty, Address::Slot(value, 0), depth)
            });
        }
        Ok(())
    }
}
