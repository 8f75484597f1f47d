//! Function symbols of an object: raw names, addresses and extents, sorted by address. Names are demangled when
//! somebody asks. It knows nothing of DWARF.

use object::LittleEndian;
use object::elf;
use object::read::elf::{Sym as _, SymbolTable as ElfSymbols};
use rayon::prelude::*;

use super::address::{LinkAddress, LinkRange};
use super::demangle::{Demangled, demangle};
use super::object::Object;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Binding {
    Global,
    Weak,
    Local,
}

/// One name of one function. A function can have several, and several functions the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Symbol<'data> {
    /// As the symbol table has it: mangled, with suffixes.
    pub name: &'data str,
    pub address: LinkAddress,
    /// Size of its code. For a symbol without one (hand-written assembly) the distance to the next symbol.
    pub size_bytes: u64,
    pub binding: Binding,
}

impl Symbol<'_> {
    pub fn range(&self) -> LinkRange {
        LinkRange { start: self.address, end: LinkAddress(self.address.0.saturating_add(self.size_bytes)) }
    }

    pub fn demangle(&self) -> Demangled {
        demangle(self.name)
    }
}

/// Which table the functions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolSource {
    /// `.symtab`: all functions that were not inlined everywhere.
    Full,
    /// `.dynsym`: only what the object exports; the rest was stripped.
    Dynamic,
    /// None has a function.
    Nothing,
}

/// Why a symbol of the table is not among the functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Excluded {
    /// `STT_GNU_IFUNC`: its code runs once and picks an implementation; calls never go through it.
    Indirect,
    /// Its address is not in executable memory of the object.
    NotCode,
    /// Its name is not UTF-8 or lies outside of the string table.
    UnreadableName,
}

/// The functions of one object.
#[derive(Debug)]
pub struct SymbolTable<'data> {
    functions: Vec<Symbol<'data>>,
    excluded: Vec<(&'data str, LinkAddress, Excluded)>,
    source: SymbolSource,
}

type Table<'data> = ElfSymbols<'data, elf::FileHeader64<LittleEndian>, &'data [u8]>;

impl<'data> SymbolTable<'data> {
    /// Reads the object's functions; `debug_file` is its separate debug file, which may hold the full table that the
    /// object itself lost.
    pub fn read(object: &Object<'data>, debug_file: Option<&Object<'data>>) -> Self {
        let full =
            std::iter::once(object).chain(debug_file).map(|file| (file.elf().elf_symbol_table(), SymbolSource::Full));
        let dynamic = (object.elf().elf_dynamic_symbol_table(), SymbolSource::Dynamic);
        let mut excluded = Vec::new();
        for (table, source) in full.chain([dynamic]) {
            let mut functions = collect(table, object, &mut excluded);
            if !functions.is_empty() {
                sort_and_bound(&mut functions, object);
                return Self { functions, excluded, source };
            }
        }
        Self { functions: Vec::new(), excluded, source: SymbolSource::Nothing }
    }

    /// All functions, by address; those of one address together, global names first.
    pub fn functions(&self) -> &[Symbol<'data>] {
        &self.functions
    }

    pub fn source(&self) -> SymbolSource {
        self.source
    }

    /// Symbols that look like functions and cannot be traced, with the reason.
    pub fn excluded(&self) -> &[(&'data str, LinkAddress, Excluded)] {
        &self.excluded
    }

    /// All names of the function that starts at `address`.
    pub fn at(&self, address: LinkAddress) -> &[Symbol<'data>] {
        let start = self.functions.partition_point(|symbol| symbol.address < address);
        let end = self.functions.partition_point(|symbol| symbol.address <= address);
        self.functions.get(start..end).unwrap_or(&[])
    }

    /// The function that `address` lies in, by its preferred name.
    pub fn containing(&self, address: LinkAddress) -> Option<&Symbol<'data>> {
        let after = self.functions.partition_point(|symbol| symbol.address <= address);
        let start = self.functions.get(after.checked_sub(1)?)?.address;
        self.at(start).iter().find(|symbol| symbol.range().contains(address))
    }

    /// The demangled names of all functions, in the order of `functions`.
    pub fn demangled(&self) -> Vec<Demangled> {
        self.functions.par_iter().with_min_len(512).map(Symbol::demangle).collect()
    }

    /// The functions whose path may contain `word`, with their demangled names: at least all that do. For a word of
    /// some length this costs a search of the raw names instead of demangling them all.
    pub fn mentioning(&self, word: &str) -> Vec<(&Symbol<'data>, Demangled)> {
        let anywhere = !survives_mangling(word);
        let finder = memchr::memmem::Finder::new(word);
        let functions = self.functions.par_iter().with_min_len(2048);
        let named = functions.filter(|symbol| anywhere || finder.find(symbol.name.as_bytes()).is_some());
        named.map(|symbol| (symbol, symbol.demangle())).collect()
    }
}

/// Whether a path that contains `word` has it letter by letter in its mangled name, too. All manglings keep identifiers
/// as they are, but for words that a demangler writes by itself: types, keywords, abbreviations of C++'s `std`.
fn survives_mangling(word: &str) -> bool {
    const WRITTEN_BY_DEMANGLERS: [&str; 12] = [
        "allocator",
        "anonymous",
        "basic",
        "closure",
        "construction",
        "istream",
        "iostream",
        "namespace",
        "operator",
        "ostream",
        "string",
        "unsigned",
    ];
    let is_identifier = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    word.len() >= 6 && is_identifier && !WRITTEN_BY_DEMANGLERS.iter().any(|written| word.contains(written))
}

/// The address of the symbol called `name` (raw), data and local symbols included. `None` if there is none or if
/// several of that name have different addresses.
pub fn address_of(object: &Object<'_>, debug_file: Option<&Object<'_>>, name: &str) -> Option<LinkAddress> {
    let mut addresses = std::iter::once(object).chain(debug_file).flat_map(|file| {
        let tables = [file.elf().elf_symbol_table(), file.elf().elf_dynamic_symbol_table()];
        tables.into_iter().flat_map(|table| addresses_in(table, name))
    });
    let first = addresses.next()?;
    addresses.all(|other| other == first).then_some(first)
}

fn addresses_in<'table>(table: &'table Table<'_>, name: &'table str) -> impl Iterator<Item = LinkAddress> + 'table {
    let strings = table.strings();
    let named = move |symbol: &&elf::Sym64<LittleEndian>| {
        let kind = symbol.st_type();
        let has_address = kind == elf::STT_NOTYPE || kind == elf::STT_OBJECT || kind == elf::STT_FUNC;
        has_address
            && !symbol.is_undefined(LittleEndian)
            && symbol.name(LittleEndian, strings).is_ok_and(|raw| unversioned(raw) == name.as_bytes())
    };
    table.iter().filter(named).map(|symbol| LinkAddress(symbol.st_value(LittleEndian)))
}

fn unversioned(name: &[u8]) -> &[u8] {
    name.split(|&byte| byte == b'@').next().unwrap_or(name)
}

fn collect<'data>(
    table: &Table<'data>,
    object: &Object<'data>,
    excluded: &mut Vec<(&'data str, LinkAddress, Excluded)>,
) -> Vec<Symbol<'data>> {
    let strings = table.strings();
    let mut functions = Vec::new();
    for symbol in table.iter() {
        let kind = symbol.st_type();
        let is_function = kind == elf::STT_FUNC || kind == elf::STT_GNU_IFUNC;
        if !is_function || symbol.is_undefined(LittleEndian) {
            continue;
        }
        let address = LinkAddress(symbol.st_value(LittleEndian));
        let name = symbol.name(LittleEndian, strings).ok().and_then(|bytes| std::str::from_utf8(bytes).ok());
        let reason = match name {
            None | Some("") => Some(Excluded::UnreadableName),
            _ if kind == elf::STT_GNU_IFUNC => Some(Excluded::Indirect),
            _ if !object.is_code(address) => Some(Excluded::NotCode),
            _ => None,
        };
        let name = name.unwrap_or_default();
        match reason {
            Some(reason) => excluded.push((name, address, reason)),
            None => functions.push(Symbol {
                name,
                address,
                size_bytes: symbol.st_size(LittleEndian),
                binding: binding(symbol.st_bind()),
            }),
        }
    }
    functions
}

fn binding(raw: elf::SymbolBind) -> Binding {
    match raw {
        elf::STB_LOCAL => Binding::Local,
        elf::STB_WEAK => Binding::Weak,
        _ => Binding::Global,
    }
}

/// Sorts by address and gives the symbols without a size the room up to the next function or the segment's end.
fn sort_and_bound(functions: &mut [Symbol<'_>], object: &Object<'_>) {
    functions.sort_unstable_by_key(|symbol| (symbol.address, symbol.binding, symbol.name));
    let mut next = None;
    for index in (0..functions.len()).rev() {
        let Some(address) = functions.get(index).map(|symbol| symbol.address) else { continue };
        let after = functions.get(index + 1).map(|symbol| symbol.address);
        if after.is_some_and(|after| after != address) {
            next = after;
        }
        let Some(symbol) = functions.get_mut(index) else { continue };
        if symbol.size_bytes == 0 {
            let end = next.or_else(|| object.code_end(address)).unwrap_or(address);
            symbol.size_bytes = end.0.saturating_sub(address.0);
        }
    }
}
