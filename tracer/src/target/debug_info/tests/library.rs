//! Values of library types, read from a running program by its own debug information: `{:?}` is the oracle.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use super::*;
use crate::value::image::Memory;
use crate::value::layout::Shape;
use crate::value::place::{Location, MemoryPlace, Missing, Place, Register};
use crate::value::{Limits, decode};

/// Each function prints where its value is and how it reads; then the program waits for its input's end.
const SOURCE: &str = r#"
use std::{borrow::Cow, cell::*, ffi::*, hint::black_box, num::*, path::*, rc::Rc, sync::{atomic::*, Arc}};
macro_rules! values {
    ($($name:ident: $ty:ty = $value:expr;)*) => {
        mod held { use super::*; $(#[inline(never)]
        pub fn $name(value: &$ty) { println!("{} {} {:?}", stringify!($name), value as *const $ty as usize, black_box(value)) })* }
        fn main() {
            $(let $name: $ty = $value;)*
            $(held::$name(black_box(&$name));)*
            println!("end");
            let _ = std::io::stdin().read_line(&mut String::new());
            $(black_box(&$name);)*
        }
    };
}
values! {
    v_path: &'static Path = Path::new("/etc/pass wd");
    v_path_buf: PathBuf = "/a/b".into();
    v_box_path: Box<Path> = Path::new("boxed").into();
    v_rc_path: Rc<Path> = Path::new("counted").into();
    v_os_str: &'static OsStr = OsStr::new("os");
    v_os_string: OsString = "owned".into();
    v_c_str: &'static CStr = c"c text";
    v_c_string: CString = c"Store".into();
    v_arc_c_str: Arc<CStr> = c"shared c".into();
    v_rc_str: Rc<str> = "rc".into();
    v_arc_str: Arc<str> = "arc".into();
    v_box_str: Box<str> = "box".into();
    v_cow: Cow<'static, str> = Cow::Borrowed("cow");
    v_rc_slice: Rc<[u16]> = vec![1, 20, 300].into();
    v_arc_slice: Arc<[u8]> = vec![7].into();
    v_arc_string: Arc<String> = Arc::new("in an arc".into());
    v_atomic: AtomicI32 = AtomicI32::new(-5);
    v_flag: AtomicBool = AtomicBool::new(true);
    v_cell: Cell<u32> = Cell::new(3);
    v_ref_cell: RefCell<String> = RefCell::new("inside".into());
    v_non_zero: Option<NonZeroU32> = NonZeroU32::new(6);
    v_texts: Vec<Option<&'static Path>> = vec![Some(Path::new("x")), None];
    v_pointer: std::ptr::NonNull<u8> = std::ptr::NonNull::dangling();
}
"#;

/// The memory of a process.
struct Live(File);

impl Memory for Live {
    fn read(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        let mut bytes = vec![0; size_bytes as usize];
        self.0.read_exact_at(&mut bytes, address).map(|()| bytes).map_err(|_| Missing::NotResident)
    }

    fn read_prefix(&self, address: u64, size_bytes: u64) -> Result<Vec<u8>, Missing> {
        self.read(address, size_bytes)
    }

    fn register(&self, _register: Register) -> Result<u64, Missing> {
        Err(Missing::OptimizedOut)
    }
}

#[test]
fn library_types_read_as_debug_prints_them() {
    for optimise in ["-Copt-level=0", "-Copt-level=3"] {
        let fixture = Fixture::build("rustc", &["--edition=2024", "-g", optimise], "fixture.rs", SOURCE);
        let info = fixture.info();
        let mut running = Command::new(&fixture.program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fixture runs");
        let memory = Live(File::open(format!("/proc/{}/mem", running.id())).expect("its memory can be opened"));
        let output = BufReader::new(running.stdout.take().expect("piped"));
        let mut wrong = Vec::new();
        let mut count = 0;
        for line in output.lines().map(|line| line.expect("text")).take_while(|line| line != "end") {
            let mut words = line.splitn(3, ' ');
            let (name, address, held) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            let address: i64 = address.parse().expect("an address");
            let mut loaded = LoadedTypes::with_pointer_depth(5);
            let of_program = info.functions(|found| found.ends_with(name));
            let function = of_program.first().unwrap_or_else(|| panic!("no {name}"));
            let signature = info.signature(function, &mut loaded).expect("a signature");
            let Shape::Pointer { target: Some(ty), .. } = loaded.types.get(signature.parameters[0].ty).shape else {
                panic!("{name} takes a reference");
            };
            let place = MemoryPlace { base: None, index: None, displacement: address, indirect: None };
            let location = Location::whole(loaded.types.get(ty).size_bytes, Place::Memory(place));
            let shown = decode(&loaded.types, ty, &location, &memory, &Limits::default()).to_string();
            if shown != held {
                wrong.push(format!("{name}: held {held}, shown {shown}"));
            }
            count += 1;
        }
        drop(running.stdin.take());
        assert!(running.wait().expect("it ends").success());
        assert_eq!(count, 23, "values printed");
        assert!(wrong.is_empty(), "{optimise}:\n{}", wrong.join("\n"));
    }
}
