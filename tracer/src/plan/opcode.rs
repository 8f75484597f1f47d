//! The parts of an instruction that Linux's uprobe code looks at: its prefixes, opcode map and opcode byte.
//! Knows nothing of what is allowed; `site` judges.

/// Which table an opcode byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Map {
    /// No escape byte.
    One,
    /// After `0f`.
    Two,
    /// After `0f 38` or `0f 3a`.
    Three,
    /// VEX (`c4`, `c5`): the kernel looks at the opcode byte as if it were of map one.
    Vex,
    /// EVEX (`62`), XOP (`8f`) or REX2 (`d5`), which kernels treat differently from each other.
    Newer,
}

/// An instruction's head. Prefixes that change nothing here (`66` apart) are only skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opcode {
    pub(super) map: Map,
    pub(super) byte: u8,
    /// The byte after the opcode, if there is one: ModRM where the opcode has one.
    pub(super) next: Option<u8>,
    /// A `es`, `cs`, `ss`, `ds` or `lock` prefix, the last one of several.
    pub(super) bad_prefix: Option<u8>,
    pub(super) operand_size_prefix: bool,
    /// The REX byte, 0 without one.
    pub(super) rex: u8,
}

impl Opcode {
    /// Reads the head of the 64-bit-mode instruction at the start of `bytes`; `None` if they end before the opcode.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.iter().copied();
        let mut head =
            Opcode { map: Map::One, byte: 0, next: None, bad_prefix: None, operand_size_prefix: false, rex: 0 };
        let mut byte = rest.next()?;
        loop {
            match byte {
                0x26 | 0x2e | 0x36 | 0x3e | 0xf0 => head.bad_prefix = Some(byte),
                0x66 => head.operand_size_prefix = true,
                0x64 | 0x65 | 0x67 | 0xf2 | 0xf3 => {}
                _ => break,
            }
            byte = rest.next()?;
        }
        if byte & 0xf0 == 0x40 {
            head.rex = byte;
            byte = rest.next()?;
        }
        match byte {
            0x0f => {
                head.map = Map::Two;
                byte = rest.next()?;
                if matches!(byte, 0x38 | 0x3a) {
                    head.map = Map::Three;
                    byte = rest.next()?;
                }
            }
            0xc5 => {
                head.map = Map::Vex;
                byte = rest.nth(1)?;
            }
            0xc4 => {
                head.map = Map::Vex;
                byte = rest.nth(2)?;
            }
            0x62 | 0xd5 => head.map = Map::Newer,
            _ => {}
        }
        head.byte = byte;
        head.next = rest.next();
        // `8f /0` is pop; any other register field makes it the XOP prefix.
        if head.map == Map::One && byte == 0x8f && head.next.is_some_and(|modrm| modrm & 0x38 != 0) {
            head.map = Map::Newer;
        }
        Some(head)
    }

    /// A `nop` of any length that encodes no register exchange.
    pub(super) fn is_nop(&self) -> bool {
        match self.map {
            Map::One => self.byte == 0x90 && self.rex & 1 == 0,
            Map::Two => self.byte == 0x1f && self.register_field() == Some(0),
            _ => false,
        }
    }

    /// The register field of the ModRM byte, which selects the instruction in an opcode group.
    pub(super) fn register_field(&self) -> Option<u8> {
        self.next.map(|modrm| (modrm >> 3) & 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let head = |bytes: &[u8]| Opcode::parse(bytes).map(|o| (o.map, o.byte));
        assert_eq!(head(&[0x55]), Some((Map::One, 0x55)));
        assert_eq!(head(&[0x41, 0x57]), Some((Map::One, 0x57)));
        assert_eq!(head(&[0x66, 0x0f, 0x1f, 0x44, 0, 0]), Some((Map::Two, 0x1f)));
        assert_eq!(head(&[0x66, 0x0f, 0x38, 0x17, 0xc0]), Some((Map::Three, 0x17)));
        assert_eq!(head(&[0xc5, 0xf8, 0x77]), Some((Map::Vex, 0x77)));
        assert_eq!(head(&[0xc4, 0xe2, 0x7d, 0x18, 0xc0]), Some((Map::Vex, 0x18)));
        assert_eq!(head(&[0x8f, 0xc0]), Some((Map::One, 0x8f)));
        assert_eq!(head(&[0x8f, 0xe9, 0x78]), Some((Map::Newer, 0x8f)));
        assert_eq!(head(&[0x66, 0x66]), None);
        assert_eq!(Opcode::parse(&[0xf0, 0x48, 0xff, 0x07]).and_then(|o| o.bad_prefix), Some(0xf0));
    }
}
