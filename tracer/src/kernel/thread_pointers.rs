//! Where the thread-local storage of a running thread is: the base of its fs segment. The kernel keeps it in
//! `task_struct.thread.fsbase` and shows it nowhere; a BPF iterator over one task reads it, without ptrace and without
//! stopping the thread (Linux 6.1).

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};

use super::error::KernelError;
use super::kernel_types::{self, KernelTypes};
use super::sys;

/// Reads thread pointers; its program is in the kernel as long as it lives.
pub struct ThreadPointers {
    program: OwnedFd,
}

impl ThreadPointers {
    /// # Errors
    /// The kernel has no type information, no such iterators, or refuses them to this user.
    pub fn new() -> Result<Self, KernelError> {
        let bytes = std::fs::read(kernel_types::FILE).map_err(KernelError::KernelTypes)?;
        let unknown = || KernelError::KernelTypes(std::io::ErrorKind::InvalidData.into());
        let types = KernelTypes::parse(&bytes).ok_or_else(unknown)?;
        let offset = types.offset("task_struct", &["thread", "fsbase"]).ok_or_else(unknown)?;
        let iterator = types.function("bpf_iter_task").ok_or_else(unknown)?;
        let offset = i16::try_from(offset).map_err(|_| unknown())?;
        let program = sys::iterator_load(&instructions(offset), iterator).map_err(|source| KernelError::Program {
            program: "thread_pointers",
            source,
            log: String::new(),
        })?;
        Ok(Self { program })
    }

    /// The thread pointer of a thread, by its number in the tracer's pid namespace; `None` if it is gone, or has no
    /// thread-local storage yet.
    pub fn of(&self, tid: u32) -> Option<u64> {
        let link = sys::link_task_iterator(self.program.as_fd(), tid).ok()?;
        let mut output = File::from(sys::iterator_create(link.as_fd()).ok()?);
        let mut pointer = [0; 8];
        output.read_exact(&mut pointer).ok()?;
        Some(u64::from_le_bytes(pointer)).filter(|pointer| *pointer != 0)
    }
}

/// One BPF instruction: code, registers (source << 4 | destination), offset, immediate.
const fn instruction(code: u8, registers: u8, offset: i16, immediate: i32) -> [u8; 8] {
    let ([a, b], [c, d, e, f]) = (offset.to_le_bytes(), immediate.to_le_bytes());
    [code, registers, a, b, c, d, e, f]
}

/// `bpf_seq_write(context->meta->seq, &context->task->thread.fsbase, 8)`, unless the task is null, as at the end.
fn instructions(fsbase: i16) -> Vec<u8> {
    const LOAD_64: u8 = 0x79;
    const STORE_64: u8 = 0x7b;
    const MOVE: u8 = 0xbf;
    const MOVE_IMMEDIATE: u8 = 0xb7;
    const ADD_IMMEDIATE: u8 = 0x07;
    const JUMP_IF_EQUAL: u8 = 0x15;
    const CALL: u8 = 0x85;
    const EXIT: u8 = 0x95;
    const SEQ_WRITE: i32 = 127;
    [
        instruction(LOAD_64, 0x17, 8, 0),       // r7 = context->task
        instruction(JUMP_IF_EQUAL, 0x07, 8, 0), // if r7 == 0 goto end
        instruction(LOAD_64, 0x11, 0, 0),       // r1 = context->meta
        instruction(LOAD_64, 0x11, 0, 0),       // r1 = r1->seq
        instruction(LOAD_64, 0x72, fsbase, 0),  // r2 = r7->thread.fsbase
        instruction(STORE_64, 0x2a, -8, 0),     // [r10 - 8] = r2
        instruction(MOVE, 0xa2, 0, 0),          // r2 = r10
        instruction(ADD_IMMEDIATE, 0x02, 0, -8),
        instruction(MOVE_IMMEDIATE, 0x03, 0, 8), // r3 = 8
        instruction(CALL, 0, 0, SEQ_WRITE),
        instruction(MOVE_IMMEDIATE, 0x00, 0, 0), // end: r0 = 0
        instruction(EXIT, 0, 0, 0),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This thread's own, by the instruction set: `fs:0` holds the thread pointer itself (x86-64 psABI, TLS variant II).
    fn own() -> u64 {
        let pointer: u64;
        // SAFETY: reads one word of this thread's own storage.
        unsafe { std::arch::asm!("mov {}, fs:0", out(reg) pointer) };
        pointer
    }

    #[test]
    fn the_pointer_of_a_thread_is_what_the_thread_itself_says() -> Result<(), KernelError> {
        let pointers = ThreadPointers::new()?;
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            // SAFETY: takes nothing and cannot fail.
            tell.send((unsafe { libc::gettid() } as u32, own())).unwrap();
            let _ = ended.recv();
        });
        let (tid, pointer) = told.recv().unwrap();
        assert_eq!(pointers.of(tid), Some(pointer));
        drop(end);
        thread.join().unwrap();
        Ok(())
    }

    #[test]
    fn a_thread_that_is_gone_has_none() -> Result<(), KernelError> {
        assert_eq!(ThreadPointers::new()?.of(u32::MAX >> 2), None);
        Ok(())
    }
}
