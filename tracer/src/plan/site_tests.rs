//! Each rule of `site`, on the bytes that an assembler produces.

use super::*;

fn class(bytes: &[u8]) -> Result<SiteClass, RefusalReason> {
    at(bytes, Position::Inside)
}

fn at(bytes: &[u8], position: Position) -> Result<SiteClass, RefusalReason> {
    inspect(bytes, LinkAddress(0x1000), position).map(|site| site.class).map_err(|refusal| refusal.reason)
}

#[test]
fn emulated() {
    let emulated: &[&[u8]] = &[
        &[0x90],
        &[0x66, 0x90],
        &[0x55],
        &[0x41, 0x57],
        &[0xe8, 0, 0, 0, 0],
        &[0xe9, 0, 0, 0, 0],
        &[0xeb, 0],
        &[0x74, 5],
        &[0x0f, 0x84, 0, 0, 0, 0],
        &[0xf2, 0xe9, 0, 0, 0, 0],
        &[0x0f, 0x1f, 0x00],
        &[0x0f, 0x1f, 0x40, 0x00],
        &[0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00],
        &[0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
    ];
    for bytes in emulated {
        assert_eq!(class(bytes), Ok(SiteClass::Emulated), "{bytes:x?}");
    }
}

#[test]
fn single_stepped() {
    let stepped: &[&[u8]] = &[
        &[0xc3],
        &[0xf3, 0xc3],
        &[0xf2, 0xc3],
        &[0xc2, 8, 0],
        &[0xf3, 0x0f, 0x1e, 0xfa],
        &[0x48, 0x83, 0xec, 0x18],
        &[0x48, 0x8d, 0x05, 0, 0, 0, 0],
        &[0xff, 0xe0],
        &[0xff, 0x25, 0, 0, 0, 0],
        &[0x66, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0],
        &[0x40, 0x55],
        &[0xff, 0x35, 0, 0, 0, 0],
        &[0xc5, 0xf8, 0x10, 0x07],
        &[0x0f, 0xa2],
        &[0xe3, 0],
    ];
    for bytes in stepped {
        assert_eq!(class(bytes), Ok(SiteClass::SingleStepped), "{bytes:x?}");
    }
}

#[test]
fn refused() {
    use RefusalReason::*;
    let refused: &[(&[u8], RefusalReason)] = &[
        (&[], Truncated),
        (&[0x48], Truncated),
        (&[0xe9, 0, 0], Truncated),
        (&[0x06, 0x90, 0x90, 0x90], Undecodable),
        (&[0xcc], Breakpoint),
        (&[0xf0, 0x48, 0xff, 0x07], LockPrefix),
        (&[0x3e, 0xff, 0xe0], SegmentPrefix),
        (&[0x2e, 0x74, 0], SegmentPrefix),
        (&[0x66, 0x2e, 0x0f, 0x1f, 0x84, 0, 0, 0, 0, 0], SegmentPrefix),
        (&[0x0f, 0x05], System),
        (&[0xcd, 0x80], System),
        (&[0xf4], System),
        (&[0xec], System),
        (&[0x0f, 0x0b], Trap),
        (&[0x48, 0xcb], FarBranch),
        (&[0xff, 0x2f], FarBranch),
        (&[0xc7, 0xf8, 0, 0, 0, 0], Transaction),
        (&[0x9c], PushFlags),
        (&[0x8e, 0xd0], StackSegment),
        (&[0xc5, 0xf8, 0x77], VectorPrefix),
        (&[0xc5, 0xf1, 0xeb, 0xc2], VectorPrefix),
        (&[0xc5, 0xfe, 0x6f, 0x07], VectorPrefix),
        (&[0x62, 0xf1, 0x7c, 0x48, 0x10, 0x07], VectorPrefix),
        (&[0x41, 0x90], ExchangeAsNop),
        (&[0x0f, 0x1f, 0x44, 0x00, 0x00], RedZone),
    ];
    for (bytes, reason) in refused {
        assert_eq!(class(bytes), Err(*reason), "{bytes:x?}");
    }
}

#[test]
fn a_nop_of_five_is_told_apart_at_the_start() {
    assert_eq!(at(&[0x0f, 0x1f, 0x44, 0, 0], Position::FunctionStart), Ok(SiteClass::Optimised));
    assert_eq!(at(&[0x66, 0x66, 0x66, 0x66, 0x90], Position::FunctionStart), Ok(SiteClass::Optimised));
    assert_eq!(at(&[0x0f, 0x1f, 0x40, 0], Position::FunctionStart), Ok(SiteClass::Emulated));
}

#[test]
fn a_refusal_names_its_address() {
    let refusal = inspect(&[0xcc], LinkAddress(0x11a0), Position::Inside).expect_err("a breakpoint is refused");
    assert!(refusal.to_string().starts_with("no probe can stand at 0x11a0: "), "{refusal}");
}

proptest::proptest! {
    #[test]
    fn arbitrary_bytes_are_judged_within_their_length(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..20)) {
        if let Ok(site) = inspect(&bytes, LinkAddress(0), Position::Inside) {
            proptest::prop_assert!(site.length >= 1 && site.length <= bytes.len().min(15));
        }
    }
}
