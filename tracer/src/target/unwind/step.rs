//! One step up the stack: from a frame's registers and the rules at its address to its caller's registers.
//! Knows no objects and no names.

use gimli::{
    CfaRule, EvaluationResult, Expression, FrameDescriptionEntry, Location, RegisterRule, UnwindSection, Value, X86_64,
};

use super::table::{Bytes, Follow};
use crate::value::backtrace::{End, Picture, REGISTERS};

/// More than any compiler's expression takes; a lying file is cut here.
const ITERATIONS_MAX: u32 = 1000;

/// The rows that are kept by a function's callees, and so are unchanged where no rule says otherwise.
const KEPT: [usize; 6] = [3, 6, 12, 13, 14, 15];

const RSP: usize = 7;
const RIP: usize = 16;

/// The registers of one frame, by DWARF number; `None` where nothing is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registers(pub(super) [Option<u64>; REGISTERS]);

impl Registers {
    pub(super) fn pc(&self) -> Option<u64> {
        self.0[RIP]
    }

    fn get(&self, register: gimli::Register) -> Result<u64, End> {
        let value = self.0.get(usize::from(register.0)).copied().flatten();
        value.ok_or(End::Unsupported)
    }
}

/// The caller.
pub(super) struct Caller {
    pub(super) registers: Registers,
    /// The frame was built by the kernel for a signal handler: the caller was interrupted and not called.
    pub(super) is_interrupted: bool,
}

/// What is known of the callee.
pub(super) struct Step<'s> {
    pub(super) picture: &'s Picture,
    pub(super) registers: &'s Registers,
}

impl Follow for Step<'_> {
    type Output = Result<Caller, End>;

    fn follow<'d, S: UnwindSection<Bytes<'d>>>(
        &mut self,
        section: &S,
        entry: &FrameDescriptionEntry<Bytes<'d>>,
        row: &gimli::UnwindTableRow<usize>,
    ) -> Self::Output {
        let encoding = entry.cie().encoding();
        let cfa = match row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                self.registers.get(*register)?.wrapping_add(*offset as u64)
            }
            CfaRule::Expression(expression) => {
                self.evaluate(expression.get(section).map_err(|_| End::Damaged)?, encoding, None)?
            }
        };
        let is_interrupted = entry.is_signal_trampoline();
        // The stack grows down: a caller's frame lies above. Only a handler can run on another stack than its caller.
        if !is_interrupted && self.registers.0[RSP].is_none_or(|stack_pointer| cfa <= stack_pointer) {
            return Err(End::Damaged);
        }
        let mut caller = Registers([None; REGISTERS]);
        for number in KEPT {
            caller.0[number] = self.registers.0[number];
        }
        caller.0[RSP] = Some(cfa);
        let return_address = entry.cie().return_address_register();
        for (number, value) in caller.0.iter_mut().enumerate() {
            let register = gimli::Register(number as u16);
            let Some(rule) = row.register(register) else { continue };
            let recovered = self.recover(section, rule, register, cfa, encoding);
            match recovered {
                Ok(recovered) => *value = recovered,
                Err(end) if register == return_address => return Err(end),
                // A register that cannot be recovered ends the walk only if something depends on it.
                Err(_) => *value = None,
            }
        }
        let pc = match row.register(return_address) {
            None | Some(RegisterRule::Undefined) => return Err(End::Outermost),
            Some(_) => caller.0.get(usize::from(return_address.0)).copied().flatten(),
        };
        caller.0[RIP] = pc;
        match pc {
            Some(0) => Err(End::Outermost),
            Some(_) => Ok(Caller { registers: caller, is_interrupted }),
            None => Err(End::Unsupported),
        }
    }
}

impl Step<'_> {
    fn recover<'d, S: UnwindSection<Bytes<'d>>>(
        &self,
        section: &S,
        rule: RegisterRule<usize>,
        register: gimli::Register,
        cfa: u64,
        encoding: gimli::Encoding,
    ) -> Result<Option<u64>, End> {
        let evaluate = |expression: gimli::UnwindExpression<usize>| {
            self.evaluate(expression.get(section).map_err(|_| End::Damaged)?, encoding, Some(cfa))
        };
        Ok(match rule {
            RegisterRule::Undefined => None,
            RegisterRule::SameValue => self.registers.get(register).ok(),
            RegisterRule::Offset(offset) => Some(self.picture.word(cfa.wrapping_add(offset as u64))?),
            RegisterRule::ValOffset(offset) => Some(cfa.wrapping_add(offset as u64)),
            RegisterRule::Register(other) => self.registers.get(other).ok(),
            RegisterRule::Expression(expression) => Some(self.picture.word(evaluate(expression)?)?),
            RegisterRule::ValExpression(expression) => Some(evaluate(expression)?),
            RegisterRule::Constant(value) => Some(value),
            _ => return Err(End::Unsupported),
        })
    }

    fn evaluate(
        &self,
        expression: Expression<Bytes<'_>>,
        encoding: gimli::Encoding,
        initial: Option<u64>,
    ) -> Result<u64, End> {
        let damaged = |_| End::Damaged;
        let mut evaluation = expression.evaluation(encoding);
        evaluation.set_max_iterations(ITERATIONS_MAX);
        if let Some(initial) = initial {
            evaluation.set_initial_value(initial);
        }
        let mut result = evaluation.evaluate().map_err(damaged)?;
        loop {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let bytes = self.picture.read(address, usize::from(size))?;
                    let value = bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
                    evaluation.resume_with_memory(Value::Generic(value)).map_err(damaged)?
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = self.registers.get(register)?;
                    evaluation.resume_with_register(Value::Generic(value)).map_err(damaged)?
                }
                _ => return Err(End::Unsupported),
            };
        }
        match evaluation.as_result() {
            [gimli::Piece { location: Location::Address { address }, .. }] => Ok(*address),
            _ => Err(End::Damaged),
        }
    }
}

/// Whether `register` is among those that pictures bring.
const _: () = assert!(X86_64::RA.0 as usize == RIP && X86_64::RSP.0 as usize == RSP);
