//! Smart pointers, cells, locks and other wrappers around one value.

use std::cell::*;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::*;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, RwLock};

use crate::structs::Point;

fn borrowed() -> RefCell<u32> {
    let cell = RefCell::new(5);
    std::mem::forget(cell.borrow_mut());
    cell
}

fn shared() -> RefCell<u32> {
    let cell = RefCell::new(6);
    std::mem::forget(cell.borrow());
    cell
}

fn write_locked() -> RwLock<u32> {
    let lock = RwLock::new(5);
    std::mem::forget(lock.write());
    lock
}

fn read_locked() -> RwLock<u32> {
    let lock = RwLock::new(7);
    std::mem::forget(lock.read());
    lock
}

fn poisoned() -> Arc<Mutex<u32>> {
    let mutex = Arc::new(Mutex::new(9));
    let other = Arc::clone(&mutex);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let _ = std::thread::spawn(move || {
        let _guard = other.lock();
        panic!("poisons");
    })
    .join();
    std::panic::set_hook(hook);
    mutex
}

fn dangling() -> Weak<u32> {
    Rc::downgrade(&Rc::new(1))
}

static LAZY: LazyLock<u32> = LazyLock::new(|| 12);
static LAZY_IDLE: LazyLock<u32> = LazyLock::new(|| 13);

fn lazy() -> &'static LazyLock<u32> {
    LazyLock::force(&LAZY);
    &LAZY
}

crate::arguments! {
    box_u32: Box<u32> = Box::new(5);
    box_box: Box<Box<String>> = Box::new(Box::new("deep".to_owned()));
    box_slice: Box<[u16]> = vec![1, 2, 3].into();
    box_tuple: Box<(u8, String)> = Box::new((1, "two".to_owned()));
    rc_u32: Rc<u32> = Rc::new(7);
    rc_point: Rc<Point> = Rc::new(Point { x: 1, y: 2 });
    rc_string: Rc<String> = Rc::new("counted".to_owned());
    rc_slice: Rc<[u32]> = Rc::from([4, 5, 6]);
    rc_refcell: Rc<RefCell<Vec<u8>>> = Rc::new(RefCell::new(vec![1, 2]));
    arc_u64: Arc<u64> = Arc::new(1 << 33);
    arc_slice: Arc<[&'static str]> = Arc::from(["a", "b"]);
    arc_mutex: Arc<Mutex<Vec<u32>>> = Arc::new(Mutex::new(vec![1, 2, 3]));
    arc_aligned: Arc<u128> = Arc::new(1 << 100);
    rc_weak: Weak<u32> = dangling();
    arc_weak: std::sync::Weak<String> = std::sync::Weak::new();
    pinned_box: Pin<Box<u32>> = Box::pin(8);
    pinned_ref: Pin<&'static u16> = Pin::new(&9);
    cell: Cell<u32> = Cell::new(3);
    cell_option: Cell<Option<u8>> = Cell::new(Some(4));
    ref_cell: RefCell<String> = RefCell::new("inside".to_owned());
    ref_cell_borrowed: RefCell<u32> = borrowed();
    ref_cell_shared: RefCell<u32> = shared();
    once_cell: OnceCell<u32> = OnceCell::from(5);
    once_cell_empty: OnceCell<String> = OnceCell::new();
    once_lock: OnceLock<String> = OnceLock::from("set".to_owned());
    once_lock_empty: OnceLock<u32> = OnceLock::new();
    lazy_lock: &'static LazyLock<u32> = lazy();
    lazy_lock_idle: &'static LazyLock<u32> = &LAZY_IDLE;
    mutex: Mutex<u32> = Mutex::new(5);
    mutex_string: Mutex<String> = Mutex::new("guarded".to_owned());
    mutex_poisoned: Arc<Mutex<u32>> = poisoned();
    rw_lock: RwLock<(u8, u8)> = RwLock::new((1, 2));
    rw_lock_written: RwLock<u32> = write_locked();
    rw_lock_read: RwLock<u32> = read_locked();
    manually_drop: ManuallyDrop<u32> = ManuallyDrop::new(5);
    manually_drop_string: ManuallyDrop<String> = ManuallyDrop::new("kept".to_owned());
    maybe_uninit: MaybeUninit<u32> = MaybeUninit::new(5);
    maybe_uninit_string: MaybeUninit<String> = MaybeUninit::uninit();
    range: Range<u32> = 1..5;
    range_from: RangeFrom<i8> = -1..;
    range_to: RangeTo<u16> = ..5;
    range_inclusive: RangeInclusive<u32> = 1..=3;
    range_exhausted: RangeInclusive<u32> = { let mut range = 1..=2; range.by_ref().for_each(drop); range };
    range_to_inclusive: RangeToInclusive<u64> = ..=9;
    range_full: RangeFull = ..;
    range_of_chars: Range<char> = 'a'..'z';
    range_ref: &'static Range<usize> = &(10..20);
}
