//! What the programs must know of the kernel's own structures to judge a mapping before they fault a page in: where its
//! members are, in bytes. User space reads it from the kernel's type information.

/// Offsets by structure.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MappingLayout {
    /// `vm_area_struct.vm_ops`: null in anonymous memory.
    pub operations: u32,
    /// `vm_area_struct.vm_file`.
    pub file: u32,
    /// `vm_area_struct.vm_userfaultfd_ctx`, or [`NO_USERFAULTFD`].
    pub userfaultfd: u32,
    /// `file.f_inode`.
    pub inode: u32,
    /// `inode.i_mode`.
    pub mode: u32,
    /// `inode.i_sb`.
    pub super_block: u32,
    /// `super_block.s_magic`.
    pub magic: u32,
    /// `super_block.s_type`.
    pub file_system: u32,
    /// `file_system_type.fs_flags`.
    pub file_system_flags: u32,
}

/// The kernel was built without userfaultfd.
pub const NO_USERFAULTFD: u32 = u32::MAX;

impl MappingLayout {
    /// Stands where nothing is faulted in.
    pub const UNKNOWN: Self = Self {
        operations: 0,
        file: 0,
        userfaultfd: NO_USERFAULTFD,
        inode: 0,
        mode: 0,
        super_block: 0,
        magic: 0,
        file_system: 0,
        file_system_flags: 0,
    };
}

const _: () = assert!(size_of::<MappingLayout>() == 36);
