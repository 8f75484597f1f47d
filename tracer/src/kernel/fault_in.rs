//! Where the kernel keeps what tells whether a page may be faulted in: offsets from its type information, for programs
//! that may sleep.

use tracer_ebpf::abi::mapping::{MappingLayout, NO_USERFAULTFD};

use super::error::KernelError;
use super::kernel_types::{self, KernelTypes};

/// # Errors
/// The kernel has no type information, or lacks one of the members.
pub(super) fn layout() -> Result<MappingLayout, KernelError> {
    let bytes = std::fs::read(kernel_types::FILE).map_err(KernelError::MappingLayout)?;
    KernelTypes::parse(&bytes)
        .and_then(|types| of(&types))
        .ok_or_else(|| KernelError::MappingLayout(std::io::ErrorKind::InvalidData.into()))
}

fn of(types: &KernelTypes<'_>) -> Option<MappingLayout> {
    let offset = |structure, member| types.offset(structure, &[member]).and_then(|offset| u32::try_from(offset).ok());
    // Without CONFIG_USERFAULTFD the member has no bytes, and the structure that it points to is not there.
    let has_userfaultfd = types.offset("userfaultfd_ctx", &[]).is_some();
    Some(MappingLayout {
        operations: offset("vm_area_struct", "vm_ops")?,
        file: offset("vm_area_struct", "vm_file")?,
        userfaultfd: if has_userfaultfd { offset("vm_area_struct", "vm_userfaultfd_ctx")? } else { NO_USERFAULTFD },
        inode: offset("file", "f_inode")?,
        mode: offset("inode", "i_mode")?,
        super_block: offset("inode", "i_sb")?,
        magic: offset("super_block", "s_magic")?,
        file_system: offset("super_block", "s_type")?,
        file_system_flags: offset("file_system_type", "fs_flags")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_kernel_has_all_members() {
        let layout = layout().unwrap();
        let MappingLayout { operations, file, userfaultfd, inode, super_block, magic, file_system, .. } = layout;
        let offsets = [operations, file, userfaultfd, inode, super_block, magic, file_system];
        assert!(offsets.iter().all(|offset| *offset > 0 && *offset < 1 << 16), "{layout:?}");
        assert!(operations != file && super_block != 0);
    }
}
