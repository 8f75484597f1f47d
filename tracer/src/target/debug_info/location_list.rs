//! Which entry of a location list holds at an instruction: by its address, and by its view where several states share
//! that address. Does not know what an entry says.

use gimli::{DebugAddrIndex, Expression, Range, RawLocListEntry, Reader as _};

use super::unit::{Attribute, Die, Slice, View};

/// Longer lists than any compiler writes; a lying file is cut here.
const LIST_ENTRIES_MAX: usize = 4096;

/// What a list says of one address.
pub(super) enum Found<'a> {
    Expression(Expression<Slice<'a>>),
    /// No entry holds there.
    Nothing,
    /// The list cannot be read.
    Damaged,
}

/// The entry of the list `value`, an attribute of `die`, that holds before the instruction at `address` has run: in the
/// state number `state` of those that share the address, the first being 0; without a number, in the last.
///
/// GCC numbers the states at one address ("views") and gives each its own entry, an empty range for all but the
/// last. Without regard to them a parameter reads as what the function's first statements make of it.
pub(super) fn find<'a>(
    view: &View<'a>,
    unit: usize,
    die: &Die<'a>,
    value: Attribute<'a>,
    address: u64,
    state: Option<u64>,
) -> Found<'a> {
    let Some(parsed) = view.unit(unit) else { return Found::Damaged };
    let Ok(Some(mut list)) = view.dwarf(unit).attr_locations(parsed, value) else { return Found::Damaged };
    let mut views = views(view, unit, die);
    let indexed = |index| view.dwarf(unit).address(parsed, index).ok();
    let mut base = parsed.low_pc;
    for _ in 0..LIST_ENTRIES_MAX {
        let raw = match list.next_raw() {
            Ok(Some(raw)) => raw,
            Ok(None) => return Found::Nothing,
            Err(_) => return Found::Damaged,
        };
        let changes_base = match raw {
            RawLocListEntry::BaseAddress { addr } => Some(Ok(addr)),
            RawLocListEntry::BaseAddressx { addr } => Some(view.dwarf(unit).address(parsed, addr)),
            _ => None,
        };
        let states = if changes_base.is_none() { views.next_pair() } else { None };
        match (changes_base, empty_at(&raw, base, address, indexed)) {
            (Some(Ok(addr)), _) => base = addr,
            (Some(Err(_)), _) => return Found::Damaged,
            (None, Some(data))
                if states.zip(state).is_some_and(|((first, end), state)| first <= state && state < end) =>
            {
                return Found::Expression(data);
            }
            (None, _) => {}
        }
        // A base address too: the list keeps it for the entries that follow.
        match list.convert_raw(raw) {
            Ok(Some(item)) if holds(item.range, address, states.zip(state)) => return Found::Expression(item.data),
            Ok(_) => {}
            Err(_) => return Found::Damaged,
        }
    }
    Found::Damaged
}

/// Whether the range holds the address; where both its states and the one asked for are known, that one.
fn holds(range: Range, address: u64, states: Option<((u64, u64), u64)>) -> bool {
    match states {
        Some(((first, end), state)) => (range.begin, first) <= (address, state) && (address, state) < (range.end, end),
        None => range.begin <= address && address < range.end,
    }
}

/// The expression of an entry whose range is empty and lies at `address`.
fn empty_at<'a>(
    raw: &RawLocListEntry<Slice<'a>>,
    base: u64,
    address: u64,
    indexed: impl Fn(DebugAddrIndex) -> Option<u64>,
) -> Option<Expression<Slice<'a>>> {
    let (begin, data) = match raw {
        RawLocListEntry::AddressOrOffsetPair { begin, end, data }
        | RawLocListEntry::OffsetPair { begin, end, data }
            if begin == end =>
        {
            (base.wrapping_add(*begin), data)
        }
        RawLocListEntry::StartEnd { begin, end, data } if begin == end => (*begin, data),
        RawLocListEntry::StartLength { begin, length: 0, data } => (*begin, data),
        RawLocListEntry::StartxLength { begin, length: 0, data } => (indexed(*begin)?, data),
        RawLocListEntry::StartxEndx { begin, end, data } if begin == end => (indexed(*begin)?, data),
        _ => return None,
    };
    (begin == address).then_some(*data)
}

/// The views of a list's entries, in their order: `DW_AT_GNU_locviews` leads to pairs of ULEB128 numbers.
struct Views<'a>(Option<Slice<'a>>);

fn views<'a>(view: &View<'a>, unit: usize, die: &Die<'a>) -> Views<'a> {
    let start = match die.attr_value(gimli::DW_AT_GNU_locviews) {
        Some(Attribute::SecOffset(offset)) => Some(offset),
        Some(other) => other.udata_value().and_then(|offset| usize::try_from(offset).ok()),
        None => None,
    };
    // In split DWARF 5 GCC counts them from behind the section's header.
    let base = match view.unit(unit) {
        Some(parsed) if parsed.encoding().version >= 5 && view.is_split(unit) => parsed.loclists_base.0,
        _ => 0,
    };
    let section = view.locations(unit);
    Views(start.and_then(|start| {
        let mut bytes = section;
        bytes.skip(base.checked_add(start)?).ok()?;
        Some(bytes)
    }))
}

impl Views<'_> {
    /// The views in which the next entry's range begins and ends; `None` if the compiler does not number them.
    fn next_pair(&mut self) -> Option<(u64, u64)> {
        let bytes = self.0.as_mut()?;
        Some((bytes.read_uleb128().ok()?, bytes.read_uleb128().ok()?))
    }
}
