//! Numbers as sets of flags: which enumerators of C's kind a value is made of. Knows nothing of bytes.

/// `A | B` for a value that is made of enumerators of one bit each, what is left over as a number behind them.
pub(super) fn flags(value: i128, enumerators: &[(String, i128)]) -> Option<String> {
    let mut rest = value;
    let mut names: Vec<String> = Vec::new();
    for (name, flag) in enumerators.iter().filter(|(_, flag)| *flag > 0 && flag.count_ones() == 1) {
        if rest & flag != 0 {
            rest &= !flag;
            names.push(name.clone());
        }
    }
    // An enumerator of several bits says that this is a list of numbers and no set of flags.
    let is_set = enumerators.iter().all(|(_, flag)| *flag >= 0 && flag.count_ones() <= 1);
    if !is_set || names.is_empty() || value <= 0 {
        return None;
    }
    if rest != 0 {
        names.push(format!("{rest:#x}"));
    }
    Some(names.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sets_of_flags_are_taken_apart() {
        let named =
            |names: &[(&str, i128)]| names.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect::<Vec<_>>();
        let set = named(&[("NONE", 0), ("READ", 1), ("WRITE", 2), ("RUN", 8)]);
        for (value, text) in [(9, Some("READ | RUN")), (0x12, Some("WRITE | 0x10")), (0x10, None), (-1, None)] {
            assert_eq!(flags(value, &set).as_deref(), text);
        }
        assert_eq!(flags(6, &named(&[("ONE", 1), ("TWO", 2), ("THREE", 3)])), None, "a list of numbers");
        assert_eq!(flags(3, &named(&[("BAD", -1), ("ONE", 1)])), None);
    }
}
