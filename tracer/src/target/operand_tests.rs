//! Operands as real compilers write them, those of the peers' test suites, and those that must be refused.

use proptest::prelude::*;

use super::*;

const SYMBOL: u64 = 0x4000;
const BIAS: LoadBias = LoadBias(0x5500_0000_0000);

fn resolve(name: &str) -> Option<LinkAddress> {
    matches!(name, "global_max_action" | "mp_" | "NBuffers" | "buf.1234" | ".hidden").then_some(LinkAddress(SYMBOL))
}

fn one(text: &str) -> Operand {
    parse(text, &resolve)
}

fn register(number: u8) -> Place {
    Place::Register(Register(number))
}

fn memory(base: Option<Register>, index: Option<(Register, u8)>, displacement: i64) -> Place {
    Place::Memory(MemoryPlace { base, index, displacement, indirect: None })
}

fn global(offset: i64) -> Place {
    memory(None, None, (BIAS.0 + SYMBOL).cast_signed() + offset)
}

/// Text, size, signed, float, place.
type Case = (&'static str, u8, bool, bool, Place);

fn check(cases: impl IntoIterator<Item = Case>) {
    for (text, size_bytes, signed, float, place) in cases {
        let operand = one(text);
        let found = (operand.size_bytes, operand.signed, operand.float, operand.place(BIAS));
        assert_eq!(found, (size_bytes, signed, float, place), "{text}");
        assert_eq!(operand.to_string(), text);
    }
}

#[test]
fn registers_of_every_width() {
    check([
        ("-4@%eax", 4, true, false, register(0)),
        ("8@%rdi", 8, false, false, register(5)),
        ("1@%al", 1, false, false, register(0)),
        ("-1@%sil", 1, true, false, register(4)),
        ("2@%ax", 2, false, false, register(0)),
        ("-2@%r9w", 2, true, false, register(9)),
        ("1@%r15b", 1, false, false, register(15)),
        ("4@%r8d", 4, false, false, register(8)),
        ("8@%r10", 8, false, false, register(10)),
        ("-8@%rbp", 8, true, false, register(6)),
        ("4@%r12", 4, false, false, register(12)),
        ("8f@%rax", 8, false, true, register(0)),
        ("8f@%xmm0", 8, false, true, register(17)),
        ("4f@%xmm15", 4, false, true, register(32)),
        ("8@%eax", 4, false, false, register(0)),
    ]);
}

#[test]
fn constants_are_cut_to_their_size() {
    check([
        ("8@$5", 8, false, false, Place::Constant(5)),
        ("-4@$0", 4, true, false, Place::Constant(0)),
        ("-4@$-9", 4, true, false, Place::Constant(0xffff_fff7)),
        ("-1@$-1", 1, true, false, Place::Constant(0xff)),
        ("-8@$-5", 8, true, false, Place::Constant((-5_i64).cast_unsigned())),
        ("8@$18446744073709551615", 8, false, false, Place::Constant(u64::MAX)),
        ("4@$0x1f", 4, false, false, Place::Constant(0x1f)),
        ("2@$-0x2", 2, false, false, Place::Constant(0xfffe)),
        ("8@$NBuffers", 8, false, false, Place::Constant(BIAS.0 + SYMBOL)),
        ("8@$NBuffers+4", 8, false, false, Place::Constant(BIAS.0 + SYMBOL + 4)),
    ]);
}

#[test]
fn memory_by_base_index_and_scale() {
    check([
        ("8@-8(%rbp)", 8, false, false, memory(Some(Register::RBP), None, -8)),
        ("-4@(%rax)", 4, true, false, memory(Some(Register::RAX), None, 0)),
        ("4@12(%rsp,%rdx,4)", 4, false, false, memory(Some(Register::RSP), Some((Register::RDX, 4)), 12)),
        ("8@(%rax,%rdx,8)", 8, false, false, memory(Some(Register::RAX), Some((Register::RDX, 8)), 0)),
        ("8@(%rax, %rdx, 8)", 8, false, false, memory(Some(Register::RAX), Some((Register::RDX, 8)), 0)),
        ("8@(%rax,%rdx)", 8, false, false, memory(Some(Register::RAX), Some((Register::RDX, 1)), 0)),
        ("8@(,%rdx,8)", 8, false, false, memory(None, Some((Register::RDX, 8)), 0)),
        ("4f@-4(%rbp)", 4, false, true, memory(Some(Register::RBP), None, -4)),
        ("-8f@0x10(%rsp)", 8, true, true, memory(Some(Register::RSP), None, 16)),
        ("8@8+16(%rsp)", 8, false, false, memory(Some(Register::RSP), None, 24)),
    ]);
}

#[test]
fn globals_follow_the_load_bias() {
    check([
        ("-4@global_max_action(%rip)", 4, true, false, global(0)),
        ("8@24+mp_(%rip)", 8, false, false, global(24)),
        ("8@mp_+16(%rip)", 8, false, false, global(16)),
        ("8@mp_+16-4(%rip)", 8, false, false, global(12)),
        ("8@-8+mp_(%rip)", 8, false, false, global(-8)),
        ("4@buf.1234+8(%rip)", 4, false, false, global(8)),
        ("4@.hidden(%rip)", 4, false, false, global(0)),
        ("-4@NBuffers", 4, true, false, global(0)),
    ]);
    assert!(one("-4@NBuffers(%rip)").is_relocated());
    assert!(!one("-4@8(%rbp)").is_relocated());
}

/// The list in bcc's `test_usdt_args.cc`: sizes are missing where the register tells them.
#[test]
fn several_operands_and_missing_sizes() {
    let text = "-4@$0 8@$1234 %rdi %rax %rsi -8@%rbx 4@%r12 8@-8(%rbp) 4@(%rax) -4@global_max_action(%rip) \
        8@24+mp_(%rip) ";
    let found: Vec<(u8, bool, Place)> = parse_all(text, &resolve)
        .into_iter()
        .map(|operand| (operand.size_bytes, operand.signed, operand.place(BIAS)))
        .collect();
    let expected = [
        (4, true, Place::Constant(0)),
        (8, false, Place::Constant(1234)),
        (8, false, register(5)),
        (8, false, register(0)),
        (8, false, register(4)),
        (8, true, register(3)),
        (4, false, register(12)),
        (8, false, memory(Some(Register::RBP), None, -8)),
        (4, false, memory(Some(Register::RAX), None, 0)),
        (4, true, global(0)),
        (8, false, global(24)),
    ];
    assert_eq!(found, expected);
    assert_eq!(parse_all("", &resolve), []);
    assert_eq!(parse_all("%eax %cx", &resolve).iter().map(|operand| operand.size_bytes).collect::<Vec<_>>(), [4, 2]);
}

#[test]
fn what_is_not_understood_keeps_its_text_and_has_no_place() {
    for text in [
        "",
        "@",
        "8@",
        "3@%rax",
        "16f@%xmm0",
        "2f@%xmm0",
        "-1@%ah",
        "8@%fs:16",
        "8@%fs:(%rax)",
        "8@%rip",
        "8@%xmm16",
        "8@%ymm0",
        "8@%r16",
        "8@%r08",
        "8@%st",
        "8@(%eax)",
        "8@()",
        "8@(,)",
        "8@(%rax,%rdx,3)",
        "8@(%rax,%rsp,2)",
        "8@(%rax,%rdx,8,1)",
        "8@8(%rax",
        "8@8)%rax(",
        "8@16(%rip)",
        "8@(%rip)",
        "8@mp_(%rip,%rax,8)",
        "8@unknown(%rip)",
        "8@mp_@GOTPCREL(%rip)",
        "8@mp_-mp_(%rip)",
        "8@mp_+mp_(%rip)",
        "8@1234",
        "8@$",
        "8@$-",
        "8@$1+",
        "8@$zzz",
        "8@$0xg",
        "8@$99999999999999999999",
        "8f@$1",
        "eax",
        "8@[rbp-8]",
        "999@%rax",
    ] {
        let operand = one(text);
        assert_eq!(operand.place(BIAS), Place::Missing(Missing::UnsupportedLocation), "{text}");
        assert!(!operand.is_supported() && operand.text == text);
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(-?[0-9]{1,2}f?@)?([$%(),+-]|[a-z0-9._ ]|[^a-z]){0,24}") {
        for operand in parse_all(&text, &resolve) {
            prop_assert!(text.contains(&operand.text));
        }
    }

    #[test]
    fn base_index_scale_and_displacement_come_back(
        base in 0..16_u8, index in 0..16_u8, shift in 0..4_u32, displacement in any::<i32>(), size in 0..4_u32,
    ) {
        prop_assume!(index != Register::RSP.0);
        let (base, index, scale, size) = (Register(base), Register(index), 1_u8 << shift, 1_u8 << size);
        let operand = one(&format!("{size}@{displacement}(%{base},%{index},{scale})"));
        prop_assert_eq!(operand.size_bytes, size);
        prop_assert_eq!(operand.place(BIAS), memory(Some(base), Some((index, scale)), i64::from(displacement)));
    }
}
