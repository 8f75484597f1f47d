//! Real processes of every kind that a user may name by mistake, and one that is right.

use std::process::{Child, Command, Stdio};

use super::*;
use crate::target::files::Files;

/// A child that is ended and reaped whatever the test does.
struct Running(Child);

impl Running {
    fn start(program: &Path) -> Self {
        let child = Command::new(program).arg("1000").stdin(Stdio::null()).spawn().expect("a program that starts");
        // The arguments are there when exec has mapped everything.
        let cmdline = format!("/proc/{}/cmdline", child.id());
        for _ in 0..5000 {
            if fs::read(&cmdline).is_ok_and(|bytes| bytes.ends_with(b"\x001000\0")) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        Self(child)
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A directory with a copy of sleep(1) of that name.
fn sleeper(name: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(name);
    fs::copy(fs::canonicalize("/bin/sleep").expect("sleep"), &path).expect("a writable directory");
    (directory, path)
}

#[test]
fn the_only_process_of_a_name_is_found_and_described() {
    let (_directory, path) = sleeper("tracer-t-one");
    let child = Running::start(&path);
    let process = Process::find("tracer-t-one").expect("the child");
    assert_eq!(process.pid(), child.pid());
    assert_eq!(process.comm(), "tracer-t-one");
    assert_eq!(process.exe(), path);
    assert_eq!(process.cmdline(), [path.to_str().expect("a plain path"), "1000"]);
    assert_eq!(process.namespace_pids().first(), Some(&child.pid()));
    let threads = process.threads().expect("a running process");
    assert_eq!(threads, [Thread { tid: child.pid(), comm: "tracer-t-one".to_owned() }]);
    assert!(process.is_running() && process.cpu_time_ns().is_ok_and(|time| time < 1_000_000_000));
    let own = Process::open(std::process::id()).expect("this process");
    assert_eq!(own.namespace(), process.namespace());
    assert!(own.start_ticks() <= process.start_ticks());
}

#[test]
fn a_name_of_several_lists_them_all() {
    let (_directory, path) = sleeper("tracer-t-two");
    let children = [Running::start(&path), Running::start(&path)];
    let error = Process::find("tracer-t-two").expect_err("two of that name");
    let TargetError::AmbiguousName { candidates, .. } = &error else { panic!("{error}") };
    let mut pids = children.each_ref().map(Running::pid);
    pids.sort_unstable();
    assert_eq!(candidates.iter().map(|candidate| candidate.pid).collect::<Vec<_>>(), pids);
    assert!(error.to_string().contains("tracer-t-two 1000"));
}

#[test]
fn what_is_no_process_of_a_program_is_refused_with_the_reason() {
    let refused = |name: &str| Process::find(name).expect_err(name);
    assert!(matches!(refused("4194305"), TargetError::NoSuchProcess { .. }));
    assert!(matches!(refused("no-such-program"), TargetError::NoProcessNamed { .. }));
    assert!(matches!(refused(""), TargetError::NoProcessNamed { .. }));
    if fs::read_to_string("/proc/2/comm").is_ok_and(|comm| comm == "kthreadd\n") {
        assert!(matches!(refused("2"), TargetError::KernelThread { pid: 2, .. }));
    }
    let own = std::env::current_exe().expect("the test's own path");
    let own = own.file_name().expect("a name").to_string_lossy().into_owned();
    if let Err(error) = Process::find(&own) {
        assert!(!error.to_string().contains(&format!("  {}  ", std::process::id())), "{error}");
    }
}

#[test]
fn a_thread_is_named_with_its_process() {
    let (send, receive) = std::sync::mpsc::channel();
    let (finish, finished) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        // SAFETY: gettid has no arguments and cannot fail.
        let tid = unsafe { libc::gettid() };
        send.send(tid).expect("the test waits");
        let _ = finished.recv();
    });
    let tid = receive.recv().expect("the thread says its number");
    let error = Process::find(&tid.to_string()).expect_err("a thread");
    drop(finish);
    thread.join().expect("the thread ends");
    let TargetError::IsThread { pid, .. } = error else { panic!("{error}") };
    assert_eq!(pid, std::process::id());
}

#[test]
fn an_exit_is_seen_at_every_step() {
    let (_directory, path) = sleeper("tracer-t-exit");
    let mut child = Running::start(&path);
    let process = Process::open(child.pid()).expect("the child");
    let object = process.objects().expect("its objects").remove(0);
    child.0.kill().expect("a running child");
    while process.is_running() {
        std::thread::yield_now();
    }
    assert!(matches!(Process::open(child.pid()), Err(TargetError::Zombie { .. })));
    child.0.wait().expect("the child's end");
    assert!(matches!(process.mappings(), Err(TargetError::Exited { .. })));
    assert!(matches!(process.threads(), Err(TargetError::Exited { .. })));
    assert!(matches!(process.cpu_time_ns(), Err(TargetError::Exited { .. })));
    assert!(matches!(object.open(&process, &Files::new()), Err(TargetError::Exited { .. })));
    assert!(matches!(Process::open(child.pid()), Err(TargetError::NoSuchProcess { .. })));
}

#[test]
fn processor_time_is_that_of_all_threads() {
    let process = Process::open(std::process::id()).expect("this process");
    let before = process.cpu_time_ns().expect("this process runs");
    let spin = || {
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        while start.elapsed().as_millis() < 30 {
            sum = std::hint::black_box(sum + 1);
        }
    };
    std::thread::spawn(spin).join().expect("the thread ends");
    let used = process.cpu_time_ns().expect("this process runs") - before;
    assert!(used > 1_000_000, "{used} ns");
}

#[test]
fn objects_are_the_mapped_files_at_their_addresses() {
    let process = Process::open(std::process::id()).expect("this process");
    let objects = process.objects().expect("this process runs");
    let program = objects.first().expect("an executable");
    assert!(program.is_executable && program.path == std::env::current_exe().expect("a path"));
    assert!(objects.iter().any(|object| object.name().starts_with("libc.so")));
    let files = Files::new();
    for mapped in &objects {
        let object = mapped.open(&process, &files).expect("a mapped object can be opened");
        let bias = mapped.bias(&object).expect("a bias");
        let text = object.section_range(".text").expect("code").start;
        let address = bias.runtime(text).0;
        // SAFETY: the bias says that this object's code is mapped there, readable and never changed.
        let bytes =
            unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(address as usize), 16) };
        assert_eq!(Some(bytes), object.bytes_at(text, 16), "{}", mapped.path.display());
        assert_eq!(bias.link(bias.runtime(text)), text);
        let through = fs::metadata(object.attach_path()).expect("the attach path leads to the file");
        assert_eq!(crate::target::files::FileId::of(&through), object.id());
    }
}

#[test]
fn a_binary_that_was_replaced_is_still_read_as_it_is_mapped() {
    let (directory, path) = sleeper("tracer-t-old");
    let original = fs::read(&path).expect("a copy");
    let child = Running::start(&path);
    let replacement = directory.path().join("new");
    fs::copy("/bin/true", &replacement).expect("a writable directory");
    fs::rename(&replacement, &path).expect("the same directory");
    let process = Process::open(child.pid()).expect("the child");
    let program = process.objects().expect("its objects").remove(0);
    assert!(program.is_executable && program.deleted);
    assert_eq!(program.path, path);
    let files = Files::new();
    let object = program.open(&process, &files).expect("the mapped file");
    assert!(object.data() == original, "another file was read");
    assert!(program.bias(&object).is_some());
}

#[test]
fn a_library_that_was_replaced_is_reached_or_refused_but_never_mistaken() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("mapped.so");
    let original = fs::read("/bin/true").expect("an ELF file");
    fs::write(&path, &original).expect("a writable directory");
    let file = std::fs::File::open(&path).expect("the file");
    // SAFETY: nobody changes the file's bytes while it is mapped; below its name goes to another file.
    let _mapped = unsafe { memmap2::MmapOptions::new().map_exec(&file) }.expect("an executable mapping");
    let other = directory.path().join("other");
    fs::copy("/bin/sleep", &other).expect("a writable directory");
    fs::rename(&other, &path).expect("the same directory");
    let process = Process::open(std::process::id()).expect("this process");
    let objects = process.objects().expect("this process runs");
    let mapped = objects.iter().find(|object| object.path == path).expect("the mapped file");
    let files = Files::new();
    match mapped.open(&process, &files) {
        Ok(object) => assert!(object.data() == original, "another file was read"),
        Err(error) => assert!(matches!(error, TargetError::Replaced { .. }), "{error}"),
    }
}
