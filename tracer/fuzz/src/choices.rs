//! Reads arbitrary bytes as a stream of choices. At the end every choice is 0.

/// What is left of the input.
pub struct Choices<'i>(pub &'i [u8]);

impl<'i> Choices<'i> {
    pub fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or(0)
    }

    /// The next bytes, fewer at the end.
    pub fn bytes(&mut self, count: usize) -> &'i [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn below(&mut self, end: u8) -> u8 {
        self.byte() % end.max(1)
    }

    pub fn word(&mut self) -> u64 {
        self.bytes(8).iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
    }

    /// A number of any size, small ones more often than not.
    pub fn number(&mut self) -> u64 {
        match self.below(8) {
            0..=4 => u64::from(self.byte()),
            5 => u64::from(self.byte()) << 32,
            6 => 1 << (self.byte() & 63),
            _ => self.word(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
