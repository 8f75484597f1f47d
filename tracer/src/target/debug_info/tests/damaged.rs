//! Damaged, cut and lying debug information: bounded work, no panic, and the damage is told.

use super::*;

const SOURCE: &str = r#"
struct node { struct node *next; int value; char name[8]; unsigned bits : 3; };
enum kind { ONE, TWO };
static inline int inlined(int x) { return x * 3 + 1; }
__attribute__((noinline)) long walk(struct node *list, enum kind kind, double weight) {
  long sum = kind;
  for (; list; list = list->next) sum += inlined(list->value) + (long)weight;
  return sum;
}
int main(int count, char **arguments) {
  struct node last = {0, count, "last", 1}, first = {&last, 2, "first", 2};
  return (int)walk(&first, TWO, 1.5);
}
"#;

const SECTIONS: [&str; 10] = [
    ".debug_info",
    ".debug_abbrev",
    ".debug_str",
    ".debug_line",
    ".debug_line_str",
    ".debug_rnglists",
    ".debug_ranges",
    ".debug_loclists",
    ".debug_loc",
    ".debug_aranges",
];

/// Does everything that can be done with debug information.
fn exercise(sections: &[(&str, Vec<u8>)]) -> usize {
    let bytes = |name: &str| sections.iter().find(|(found, _)| *found == name).map(|(_, bytes)| bytes.as_slice());
    let Ok(info) = DebugInfo::load(|name| Cow::Borrowed(bytes(name).unwrap_or_default())) else { return 0 };
    info.summary();
    let functions = info.functions(|_| true);
    let addresses: Vec<_> = functions.iter().filter_map(|function| function.entry).collect();
    info.functions_at(&addresses);
    let mut loaded = LoadedTypes::default();
    for function in &functions {
        let _ = info.signature(function, &mut loaded);
        info.inlined_copies(function);
    }
    let problems = info.problems();
    assert!(problems.iter().all(|problem| !problem.to_string().is_empty()));
    functions.len()
}

fn sections(version: &str) -> Vec<(&'static str, Vec<u8>)> {
    let fixture = Fixture::build("cc", &["-O2", "-g", "-w", version], "list.c", SOURCE);
    let file = std::fs::read(&fixture.program).expect("the fixture is readable");
    let sections: Vec<_> = SECTIONS.iter().map(|name| (*name, section(&file, name).into_owned())).collect();
    assert_eq!(exercise(&sections), 3, "walk, main and inlined");
    sections
}

/// Numbers that look random and are the same in every run (xorshift64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

#[test]
fn changed_bytes_are_survived() {
    for version in ["-gdwarf-5", "-gdwarf-4"] {
        let whole = sections(version);
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        for _ in 0..150 {
            let mut damaged = whole.clone();
            for _ in 0..=numbers.below(4) {
                let which = numbers.below(damaged.len());
                let (_, bytes) = &mut damaged[which];
                let at = numbers.below(bytes.len());
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = numbers.below(256) as u8;
                }
            }
            exercise(&damaged);
        }
    }
}

#[test]
fn cut_sections_are_survived_and_told() {
    let whole = sections("-gdwarf-5");
    for (which, (name, bytes)) in whole.iter().enumerate() {
        for part in [0, 1, 7, bytes.len() / 2, bytes.len().saturating_sub(1)] {
            let mut cut = whole.clone();
            cut[which].1.truncate(part);
            exercise(&cut);
            assert!(cut[which].1.len() <= bytes.len(), "{name}");
        }
    }
    let mut cut = whole;
    cut[0].1.truncate(200);
    let info = DebugInfo::load(|name| {
        let section = cut.iter().find(|(found, _)| *found == name);
        Cow::Borrowed(section.map(|(_, bytes)| bytes.as_slice()).unwrap_or_default())
    })
    .expect("what is left can be read");
    let problems = info.problems();
    assert!(matches!(problems.as_slice(), [DebugInfoError::Header { offset: 0, .. }]), "{problems:?}");
}

#[test]
fn references_in_a_circle_end() {
    let source = "struct a { int x; }; struct b { struct a *p; }; long f(struct b *q) { return q->p->x; } int main() {return 0;}";
    let fixture = Fixture::build("cc", &["-O0", "-g", "-w", "-gdwarf-4"], "circle.c", source);
    let file = std::fs::read(&fixture.program).expect("the fixture is readable");
    let mut sections: Vec<_> = SECTIONS.iter().map(|name| (*name, section(&file, name).into_owned())).collect();
    // Every reference of four bytes that can be found is turned to every entry in reach: among them circles of
    // types that hold themselves, and functions that are their own origin.
    let info = sections[0].1.clone();
    let mut tried = 0;
    for at in 0..info.len().saturating_sub(4) {
        let value = u32::from_le_bytes([info[at], info[at + 1], info[at + 2], info[at + 3]]) as usize;
        if (11..info.len()).contains(&value) {
            for target in [at.saturating_sub(1), at.saturating_sub(9), 11, 45, value + 1] {
                sections[0].1[at..at + 4].copy_from_slice(&(target as u32).to_le_bytes());
                exercise(&sections);
                tried += 1;
            }
            sections[0].1.copy_from_slice(&info);
        }
    }
    assert!(tried > 20, "only {tried}");
}
