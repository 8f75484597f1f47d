//! Takes what the kernel and aya never read out of a BPF object; BTF and BTF.ext stay.
//! Knows ELF, and nothing of how the object was built.

use anyhow::{Context, Result, bail};
use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

/// Removes the DWARF sections: half a megabyte that names folders of the build machine.
///
/// # Errors
/// When the bytes are no ELF object, or have no BTF, which the kernel needs for `bpf_loop`.
pub(crate) fn debug_sections(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut builder = Builder::read(bytes).context("the built BPF object is no ELF file")?;
    let mut has_btf = false;
    for section in &mut builder.sections {
        let name = section.name.as_slice();
        has_btf |= name == b".BTF.ext";
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    if !has_btf {
        bail!("the built BPF object has no .BTF.ext section: was it linked with --btf?");
    }
    // Section symbols of the removed sections go with them.
    builder.delete_orphans();
    // LLVM keeps the names of sections and symbols in one table; the builder wants one for each.
    if !builder.sections.iter().any(|section| matches!(section.data, SectionData::SectionString)) {
        let names = builder.sections.add();
        names.name = b".shstrtab".as_slice().into();
        names.sh_type = SHT_STRTAB;
        names.sh_addralign = 1;
        names.data = SectionData::SectionString;
    }
    builder.set_section_sizes();
    let mut stripped = Vec::new();
    builder.write(&mut stripped).context("cannot write the stripped BPF object")?;
    Ok(stripped)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::ebpf::committed_object;

    fn section_names(bytes: &[u8]) -> Vec<String> {
        let builder = Builder::read(bytes).unwrap();
        let names = builder.sections.iter();
        names.map(|section| section.name.to_string()).collect()
    }

    #[test]
    fn only_debug_sections_go() {
        let committed = fs::read(committed_object()).unwrap();
        let before = section_names(&committed);
        let mut builder = Builder::read(committed.as_slice()).unwrap();
        let section = builder.sections.add();
        section.name = b".debug_info".as_slice().into();
        section.sh_type = object::elf::SHT_PROGBITS;
        section.sh_addralign = 1;
        section.data = object::build::elf::SectionData::Data(vec![0_u8; 4].into());
        let mut with_debug = Vec::new();
        builder.write(&mut with_debug).unwrap();
        assert!(section_names(&with_debug).contains(&".debug_info".to_owned()));

        let after = section_names(&debug_sections(&with_debug).unwrap());
        assert_eq!(after, before);
        assert!(after.contains(&".BTF".to_owned()), "{after:?}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(debug_sections(b"not an ELF file").is_err());
    }
}
