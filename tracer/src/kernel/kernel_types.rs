//! The kernel's own type information (`/sys/kernel/btf/vmlinux`, Documentation/bpf/btf.rst): where a member of one of
//! its structures is, and what number one of its functions has. Reads names and offsets, nothing else.

/// Where the kernel shows it.
pub(super) const FILE: &str = "/sys/kernel/btf/vmlinux";

/// `BTF_KIND_STRUCT` and `BTF_KIND_FUNC`.
const STRUCT: u32 = 4;
const FUNC: u32 = 12;

const MAGIC: u16 = 0xeb9f;
const MEMBER_BYTES: usize = 12;

/// Parsed to where each type is.
pub(super) struct KernelTypes<'b> {
    strings: &'b [u8],
    /// By type number less one: kind, number of members, name, and what follows the common header.
    types: Vec<Type<'b>>,
}

struct Type<'b> {
    kind: u32,
    has_bit_fields: bool,
    name: u32,
    members: &'b [u8],
}

impl<'b> KernelTypes<'b> {
    /// `None` for bytes that are no such information.
    pub(super) fn parse(bytes: &'b [u8]) -> Option<Self> {
        let header_bytes = u32_at(bytes, 4)? as usize;
        if u32_at(bytes, 0)? as u16 != MAGIC {
            return None;
        }
        let section = |offset: usize, size: usize| {
            let start = header_bytes.checked_add(u32_at(bytes, offset)? as usize)?;
            bytes.get(start..start.checked_add(u32_at(bytes, size)? as usize)?)
        };
        let (mut rest, strings) = (section(8, 12)?, section(16, 20)?);
        let mut types = Vec::new();
        while !rest.is_empty() {
            let (name, info) = (u32_at(rest, 0)?, u32_at(rest, 4)?);
            let (kind, count) = ((info >> 24) & 0x1f, (info & 0xffff) as usize);
            let size = match kind {
                // Integers, variables, declaration tags; arrays.
                1 | 14 | 17 => 4,
                3 => 12,
                // Structures, unions, sections, 64-bit enumerations; enumerations and prototypes.
                4 | 5 | 15 | 19 => count * MEMBER_BYTES,
                6 | 13 => count * 8,
                2 | 7..=12 | 16 | 18 => 0,
                _ => return None,
            };
            let members = rest.get(12..12 + size)?;
            types.push(Type { kind, has_bit_fields: info >> 31 != 0, name, members });
            rest = rest.get(12 + size..)?;
        }
        Some(Self { strings, types })
    }

    /// The number of the function of that name.
    pub(super) fn function(&self, name: &str) -> Option<u32> {
        let at = self.types.iter().position(|ty| ty.kind == FUNC && self.is_named(ty.name, name))?;
        u32::try_from(at + 1).ok()
    }

    /// From the start of the structure to the member that the path leads to, in bytes.
    pub(super) fn offset(&self, structure: &str, path: &[&str]) -> Option<u64> {
        let mut ty = self.types.iter().find(|ty| ty.kind == STRUCT && self.is_named(ty.name, structure))?;
        let mut offset = 0;
        for (index, wanted) in path.iter().enumerate() {
            let mut members = ty.members.chunks_exact(MEMBER_BYTES);
            let member = members.find(|member| u32_at(member, 0).is_some_and(|name| self.is_named(name, wanted)))?;
            let bits = u32_at(member, 8)?;
            offset += u64::from(if ty.has_bit_fields { bits & 0x00ff_ffff } else { bits }) / 8;
            if index + 1 < path.len() {
                ty = self.types.get((u32_at(member, 4)? as usize).checked_sub(1)?)?;
            }
        }
        Some(offset)
    }

    fn is_named(&self, offset: u32, name: &str) -> bool {
        let rest = self.strings.get(offset as usize..).and_then(|rest| rest.strip_prefix(name.as_bytes()));
        rest.is_some_and(|rest| rest.first() == Some(&0))
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn members_and_functions_of_the_running_kernel_are_found() {
        let bytes = std::fs::read("/sys/kernel/btf/vmlinux").unwrap();
        let types = KernelTypes::parse(&bytes).unwrap();
        assert!(types.offset("task_struct", &["thread", "fsbase"]).unwrap() > 0);
        assert_eq!(types.offset("list_head", &["prev"]), Some(8));
        assert_eq!(types.offset("task_struct", &["no_such_member"]), None);
        assert!(types.function("bpf_iter_task").is_some());
        assert_eq!(types.function("no_such_function"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), is_headed: bool) {
            if is_headed && bytes.len() >= 24 {
                bytes[..8].copy_from_slice(&[0x9f, 0xeb, 1, 0, 24, 0, 0, 0]);
                bytes[8..12].fill(0);
                bytes[13..16].fill(0);
            }
            if let Some(types) = KernelTypes::parse(&bytes) {
                let _ = (types.function("x"), types.offset("x", &["y"]));
            }
        }
    }
}
