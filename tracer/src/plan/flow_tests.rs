//! Small functions, assembled by hand.

use super::*;

const START: u64 = 0x1000;

fn flow(code: &[u8]) -> Flow {
    let range = LinkRange { start: LinkAddress(START), end: LinkAddress(START + code.len() as u64) };
    Flow::of(&[Part { range, code }]).expect("the code is understood")
}

fn at(offset: u64) -> LinkAddress {
    LinkAddress(START + offset)
}

fn reaches(flow: &Flow, pads: bool, walls: &[u64], offset: u64) -> bool {
    let walls: Vec<LinkAddress> = walls.iter().map(|wall| at(*wall)).collect();
    flow.can_reach(pads, &walls, |address| address == at(offset))
}

#[test]
fn what_is_on_every_way_is_a_wall() {
    // 0: je 4; 2: push rax; 3: push rax; 4: ret
    let flow = flow(&[0x74, 0x02, 0x50, 0x50, 0xc3]);
    assert!(reaches(&flow, false, &[2], 4), "the jump goes past it");
    assert!(!reaches(&flow, false, &[0], 4));
    assert!(!reaches(&flow, false, &[2], 3));
}

#[test]
fn a_loop_that_stays_inside_makes_its_head_unsound() {
    // 0: push rax; 1: push rax; 2: push rax; 3: jne 1; 5: jne 0; 7: ret
    let flow = flow(&[0x50, 0x50, 0x50, 0x75, 0xfc, 0x75, 0xf9, 0xc3]);
    let range = |start, end| LinkRange { start: at(start), end: at(end) };
    assert!(flow.loops_within(at(1), &[range(1, 5)]));
    assert!(!flow.loops_within(at(1), &[range(1, 3)]), "the loop is the caller's");
    assert!(!flow.loops_within(at(0), &[range(0, 5)]));
    assert!(flow.loops_within(at(0), &[range(0, 7)]));
}

#[test]
fn what_was_moved_out_of_a_loop_is_told() {
    // 0: push rax; 1: nop; 2: push rax; 3: push rax; 4: jne 2; 6: ret
    let flow = flow(&[0x50, 0x90, 0x50, 0x50, 0x75, 0xfc, 0xc3]);
    let range = |start, end| LinkRange { start: at(start), end: at(end) };
    assert!(flow.reenters(at(0), &[range(0, 3)]), "2 is passed at each turn, 0 once");
    assert!(!flow.reenters(at(2), &[range(2, 3)]));
    assert!(!flow.reenters(at(0), &[range(0, 6)]), "a loop of its own");
    assert_eq!(flow.first_of(range(1, 4)), Some(at(2)));
    assert_eq!(flow.first_of(range(1, 2)), None);
}

#[test]
fn landing_pads_and_tables_are_told_apart() {
    // 0: ret; 1: push rax (a landing pad); 2: ret
    let pad = flow(&[0xc3, 0x50, 0xc3]);
    assert!(!reaches(&pad, false, &[], 1) && reaches(&pad, true, &[], 1));
    // 0: jmp rax; 2: push rax; 3: ret
    let table = flow(&[0xff, 0xe0, 0x50, 0xc3]);
    assert!(reaches(&table, false, &[], 2) && !reaches(&table, true, &[0], 2));
}

#[test]
fn code_that_is_not_understood_gives_no_answers() {
    let part = |code: &'static [u8]| {
        let range = LinkRange { start: LinkAddress(START), end: LinkAddress(START + code.len() as u64) };
        Flow::of(&[Part { range, code }]).is_none()
    };
    assert!(part(&[0x06]), "no instruction of 64-bit code");
    assert!(part(&[0xeb, 0x01, 0x48, 0x89, 0xc0]), "a jump into an instruction");
    assert!(Flow::of(&[]).is_none());
}
