//! Exits of functions that real compilers made, checked against `objdump`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use object::{Object as _, ObjectSection as _, ObjectSymbol as _, SymbolKind};

use super::*;

const PROGRAM: &str = r#"
#include <setjmp.h>
#include <stdlib.h>
typedef int (*callee)(int);
static jmp_buf back;
extern int opaque(int);
__attribute__((noinline)) int leaf(int a) { return a * 3 + 1; }
__attribute__((noinline)) int calls(int a) { return opaque(a) + opaque(a + 1); }
__attribute__((noinline)) int tail(int a) { return opaque(a + 1); }
asm(".text\n.globl conditional\n.type conditional, @function\nconditional:\n.cfi_startproc\n"
    "cmp $7, %edi\njg opaque\nmov %edi, %eax\nret\n.cfi_endproc\n.size conditional, . - conditional\n");
__attribute__((noinline)) int indirect(callee f, int a) { return f(a); }
__attribute__((noinline)) int late_indirect(callee f, int a) { int b = opaque(a); return f(b); }
__attribute__((noinline)) int table(int a) {
    switch (a) {
    case 0: return opaque(5); case 1: return opaque(a) * 7; case 2: return opaque(77); case 3: return a * 9;
    case 4: return opaque(1) - 4; case 5: return opaque(2) * 3; case 6: return 12; default: return 0;
    }
}
__attribute__((noinline)) int split(int *p) {
    int sum = 0;
    for (int i = 0; i < 9; i++) {
        if (__builtin_expect_with_probability(p[i] < 0, 0, 1.0)) { sum += opaque(p[i]); if (sum > 4) abort(); }
        sum += opaque(i);
    }
    return sum;
}
__attribute__((noinline)) void leaps(int a) { if (a) longjmp(back, a); opaque(a); }
__attribute__((noinline)) int recursive(int a) { while (a > 100) a = a / 3; return a; }
"#;

struct Binary {
    symbols: BTreeMap<String, LinkRange>,
    sections: Vec<(u64, Vec<u8>)>,
    eh_frame: (u64, Vec<u8>),
}

impl Binary {
    fn open(path: &Path) -> Self {
        let data = std::fs::read(path).expect("a readable binary");
        let file = object::File::parse(&*data).expect("an object file");
        let symbols = file.symbols().chain(file.dynamic_symbols());
        let functions = symbols.filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0);
        let symbols = functions
            .map(|symbol| {
                let (start, end) = (LinkAddress(symbol.address()), LinkAddress(symbol.address() + symbol.size()));
                (symbol.name().expect("a symbol's name").to_owned(), LinkRange { start, end })
            })
            .collect();
        let section = |name: &str| {
            let section = file.section_by_name(name).expect("a section");
            (section.address(), section.uncompressed_data().expect("its data").into_owned())
        };
        Binary { symbols, sections: vec![section(".text")], eh_frame: section(".eh_frame") }
    }

    fn part(&self, range: LinkRange) -> Option<Part<'_>> {
        self.sections.iter().find_map(|(address, data)| {
            let start = range.start.0.checked_sub(*address)? as usize;
            Some(Part { range, code: data.get(start..start + range.size() as usize)? })
        })
    }

    fn rows(&self) -> UnwindRows<'_> {
        UnwindRows::new(&self.eh_frame.1, LinkAddress(self.eh_frame.0))
    }

    fn find(&self, names: &[&str]) -> FunctionSites {
        let parts: Vec<_> = names.iter().map(|name| self.part(self.symbols[*name]).expect("its code")).collect();
        SiteFinder::new(Some(&self.rows())).find(&parts).expect("decodable code")
    }

    fn kinds(&self, name: &str) -> Vec<ExitKind> {
        self.find(&[name]).exits.iter().map(|exit| exit.kind).collect()
    }
}

fn compile(flags: &[&str]) -> Binary {
    let folder = tempfile::tempdir().expect("a folder");
    let (source, opaque, binary) =
        (folder.path().join("program.c"), folder.path().join("opaque.c"), folder.path().join("program.so"));
    std::fs::write(&source, PROGRAM).expect("the source is written");
    std::fs::write(&opaque, "int opaque(int a) { return a ^ 1; }\n").expect("the source is written");
    let mut compiler = Command::new("cc");
    compiler.args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden"]).args(flags).arg("-o").arg(&binary);
    let status = compiler.arg(&source).arg(&opaque).status().expect("a C compiler");
    assert!(status.success());
    Binary::open(&binary)
}

/// The addresses at which `objdump` sees instructions, and those of its `ret`s.
fn disassemble(path: &Path) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let output = Command::new("objdump").args(["-d", "-z", "-w"]).arg(path).output().expect("objdump");
    let text = String::from_utf8_lossy(&output.stdout);
    let (mut all, mut returns) = (BTreeSet::new(), BTreeSet::new());
    for line in text.lines() {
        let mut columns = line.split('\t');
        let address = columns.next().and_then(|column| column.trim().strip_suffix(':'));
        let Some(address) = address.and_then(|address| u64::from_str_radix(address, 16).ok()) else { continue };
        all.insert(address);
        let text = columns.nth(1).unwrap_or_default();
        if text.split_whitespace().any(|word| word == "ret" || word == "retq") {
            returns.insert(address);
        }
    }
    (all, returns)
}

#[test]
fn each_way_to_leave() {
    let binary = compile(&[]);
    assert_eq!(binary.kinds("leaf"), [ExitKind::Return]);
    assert_eq!(binary.kinds("calls"), [ExitKind::Return]);
    assert_eq!(binary.kinds("tail"), [ExitKind::TailJump]);
    assert_eq!(binary.kinds("indirect"), [ExitKind::IndirectJump]);
    assert_eq!(binary.kinds("late_indirect"), [ExitKind::IndirectJump]);
    assert_eq!(binary.kinds("recursive"), [ExitKind::Return]);
    assert!(binary.kinds("leaps").contains(&ExitKind::TailJump));
}

#[test]
fn a_conditional_tail_jump_keeps_its_condition() {
    let binary = compile(&[]);
    // `a > 7` is `jg`, whose code is 15.
    let expected = [ExitKind::ConditionalTailJump { condition: 15 }, ExitKind::Return];
    assert_eq!(binary.kinds("conditional"), expected);
}

#[test]
fn a_jump_table_is_no_exit() {
    for flags in [&[][..], &["-fcf-protection=full"]] {
        let binary = compile(flags);
        let kinds = binary.kinds("table");
        assert!(kinds.contains(&ExitKind::Return) && kinds.contains(&ExitKind::TailJump), "{kinds:?}");
        assert!(!kinds.contains(&ExitKind::IndirectJump), "{kinds:?}");
    }
}

#[test]
fn a_part_elsewhere_belongs_to_the_function() {
    let binary = compile(&[]);
    assert!(binary.symbols.contains_key("split.cold"), "the compiler split no function");
    assert_eq!(binary.find(&["split", "split.cold"]).exits.len(), 1);
    // Even without its cold part the jump there is no exit, as it is taken below entry depth.
    assert_eq!(binary.kinds("split"), [ExitKind::Return]);
}

#[test]
fn without_unwind_rows_jumps_are_unknown() {
    let binary = compile(&[]);
    let part = binary.part(binary.symbols["conditional"]).expect("its code");
    let found = SiteFinder::new(None).find(&[part]).expect("decodable code");
    assert_eq!(found.exits.iter().map(|exit| exit.kind).collect::<Vec<_>>(), [ExitKind::Return]);
    assert_eq!(found.unknown_jumps, 1);
    assert!(found.may_miss_exits());
}

#[test]
fn an_entry_moves_past_endbr64_to_a_cheaper_instruction() {
    let binary = compile(&["-fcf-protection=full"]);
    let start = binary.symbols["calls"].start;
    let entry = binary.find(&["calls"]).entry.expect("an entry");
    assert_eq!((entry.address.0 - start.0, entry.site.class), (4, SiteClass::Emulated));
    // `lea` after `endbr64` is single-stepped as well: nothing is won.
    let leaf = binary.find(&["leaf"]).entry.expect("an entry");
    assert_eq!((leaf.address, leaf.site.class), (binary.symbols["leaf"].start, SiteClass::SingleStepped));
}

fn sweep_bytes(code: &[u8]) -> Result<FunctionSites, SweepError> {
    let range = LinkRange { start: LinkAddress(0x1000), end: LinkAddress(0x1000 + code.len() as u64) };
    SiteFinder::new(None).find(&[Part { range, code }])
}

#[test]
fn code_that_does_not_fit_together_gives_no_exits() {
    // An instruction cut off by the end, bytes that are none, a jump into the middle of an instruction.
    assert_eq!(sweep_bytes(&[0x55, 0xe8, 0, 0]), Err(SweepError::Undecodable(LinkAddress(0x1001))));
    assert_eq!(sweep_bytes(&[0x90, 0x06, 0x90, 0xc3]), Err(SweepError::Undecodable(LinkAddress(0x1001))));
    assert_eq!(sweep_bytes(&[0xeb, 1, 0xb8, 0xc3, 0, 0, 0]), Err(SweepError::Misaligned(LinkAddress(0x1003))));
    assert_eq!(sweep_bytes(&[]), Err(SweepError::Missing(LinkAddress(0x1000))));
    // Padding that ends inside an instruction, and a jump over a `lock` prefix, are known and harmless.
    assert_eq!(sweep_bytes(&[0xc3, 0, 0, 0]).map(|found| found.exits.len()), Ok(1));
    let locked = [0x74, 1, 0xf0, 0x0f, 0xb1, 0x0f, 0xc3];
    assert_eq!(sweep_bytes(&locked).map(|found| found.exits.len()), Ok(1));
}

#[test]
fn a_leading_nop_of_five_is_stepped_over_unless_a_loop_returns_behind_it() {
    let entry = |code: &[u8]| sweep_bytes(code).expect("decodable").entry.expect("an entry");
    let straight = entry(&[0x0f, 0x1f, 0x44, 0, 0, 0x48, 0x89, 0xf8, 0xc3]);
    assert_eq!((straight.address, straight.site.class), (LinkAddress(0x1005), SiteClass::SingleStepped));
    let looped = entry(&[0x0f, 0x1f, 0x44, 0, 0, 0x48, 0xff, 0xcf, 0x75, 0xfb, 0xc3]);
    assert_eq!((looped.address, looped.site.class), (LinkAddress(0x1000), SiteClass::Optimised));
}

/// Checks every function of a program against `objdump`; gives the number of functions and of exits.
fn compare_with_objdump(path: &Path) -> (usize, usize) {
    let binary = Binary::open(path);
    let (instructions, returns) = disassemble(path);
    let rows = binary.rows();
    let mut finder = SiteFinder::new(Some(&rows));
    let (mut functions, mut exits) = (0, 0);
    for (name, range) in &binary.symbols {
        let Some(part) = binary.part(*range) else { continue };
        let Ok(found) = finder.find(&[part]) else { continue };
        let returned: BTreeSet<u64> =
            found.exits.iter().filter(|exit| exit.kind == ExitKind::Return).map(|exit| exit.address.0).collect();
        let expected: BTreeSet<u64> = returns.range(range.start.0..range.end.0).copied().collect();
        assert_eq!(returned, expected, "{name} at {}", range.start);
        assert!(found.exits.iter().all(|exit| instructions.contains(&exit.address.0)), "{name}");
        // `pthread_spin_lock` starts with a `lock` prefix, which the kernel refuses.
        assert!(
            found.entry.is_err() || found.entry.is_ok_and(|entry| instructions.contains(&entry.address.0)),
            "{name}"
        );
        functions += 1;
        exits += found.exits.len();
    }
    (functions, exits)
}

#[test]
fn every_return_of_the_c_library_is_found() {
    let path = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6", "/usr/lib/libc.so.6"]
        .iter()
        .map(Path::new)
        .find(|path| path.exists());
    let (functions, exits) = compare_with_objdump(path.expect("a C library"));
    assert!(functions > 1_000 && exits > functions, "{functions} functions, {exits} exits");
}
