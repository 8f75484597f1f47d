//! Numbers, characters, and what is built around one number.

use std::cmp::{Ordering, Reverse};
use std::num::*;
use std::sync::atomic::*;

crate::arguments! {
    u8_zero: u8 = 0;
    u8_max: u8 = u8::MAX;
    i8_min: i8 = i8::MIN;
    u16_max: u16 = u16::MAX;
    i16_min: i16 = i16::MIN;
    u32_some: u32 = 305_419_896;
    i32_negative: i32 = -1;
    u64_max: u64 = u64::MAX;
    i64_min: i64 = i64::MIN;
    usize_some: usize = 42;
    isize_some: isize = -42;
    u128_max: u128 = u128::MAX;
    u128_high: u128 = 1 << 64;
    i128_min: i128 = i128::MIN;
    i128_minus_one: i128 = -1;
    bool_true: bool = true;
    bool_false: bool = false;
    char_ascii: char = 'x';
    char_wide: char = '🦀';
    char_escaped: char = '\n';
    char_quote: char = '\'';
    f32_half: f32 = 0.5;
    f64_pi: f64 = std::f64::consts::PI;
    f32_ref: &'static f32 = &-1.25e-10;
    f64_ref: &'static f64 = &1e300;
    f64_nan_ref: &'static f64 = &f64::NAN;
    f64_infinite_ref: &'static f64 = &f64::NEG_INFINITY;
    f64_whole_ref: &'static f64 = &3.0;
    unit: () = ();
    pair_of_u32: (u32, u32) = (1, 2);
    nonzero_u8: NonZeroU8 = NonZeroU8::MAX;
    nonzero_i64: NonZeroI64 = NonZeroI64::new(-5).unwrap();
    nonzero_u128: NonZeroU128 = NonZeroU128::MAX;
    option_nonzero: Option<NonZeroU32> = NonZeroU32::new(9);
    option_nonzero_none: Option<NonZeroU32> = None;
    wrapping: Wrapping<u8> = Wrapping(200);
    saturating: Saturating<i16> = Saturating(-200);
    reverse: Reverse<u32> = Reverse(3);
    less: Ordering = Ordering::Less;
    greater: Ordering = Ordering::Greater;
    fp_category: FpCategory = FpCategory::Subnormal;
    atomic_bool: AtomicBool = AtomicBool::new(true);
    atomic_u8: AtomicU8 = AtomicU8::new(8);
    atomic_i32: AtomicI32 = AtomicI32::new(-32);
    atomic_usize: AtomicUsize = AtomicUsize::new(64);
    atomic_ptr: AtomicPtr<u8> = AtomicPtr::new(0x1000 as *mut u8);
    raw_const: *const u32 = 0xdead_0000 as *const u32;
    raw_mut: *mut String = std::ptr::null_mut();
    non_null: std::ptr::NonNull<u64> = std::ptr::NonNull::dangling();
}
