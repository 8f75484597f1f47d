//! The unwinder against real programs and recorded stacks.
