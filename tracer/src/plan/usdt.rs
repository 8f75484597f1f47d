//! One site of a USDT probe → its attach point and typed arguments; and the sites that feed the mailbox counters.

use tracer_ebpf::abi::mailbox::MailboxEvent;
use tracer_ebpf::abi::plan::Plan;

use super::assembler::Assembler;
use super::builder::{NewPoint, PlanBuilder};
use super::capture::compile;
use super::capture_plan::CapturePlan;
use super::description::{Description, DescriptionKind, Parameter, ResultDescription};
use super::function::Shortfall;
use super::probe_plan::Program;
use super::site::{self, Position};
use crate::target::address::LinkAddress;
use crate::target::image::Image;
use crate::target::operand::Operand;
use crate::target::usdt::UsdtProbe;
use crate::value::Limits;
use crate::value::layout::{PointerKind, Shape, Type};
use crate::value::place::Location;

/// The longest x86-64 instruction.
const INSTRUCTION_BYTES_MAX: u64 = 15;

/// The provider of the mailbox probes (docs/mailbox-probes.md).
pub const MAILBOX_PROVIDER: &str = "mailbox";

/// Arguments that every mailbox probe has: id, name, length, capacity.
const MAILBOX_ARGUMENTS_MIN: usize = 4;
const MAILBOX_ARGUMENTS_MAX: usize = 6;

impl PlanBuilder {
    /// Adds a USDT site, which emits a record with its arguments.
    pub fn usdt(&mut self, image: &Image<'_>, probe: &UsdtProbe, limits: &Limits) -> Option<Shortfall> {
        let arguments: Vec<Parameter> = probe
            .arguments
            .iter()
            .enumerate()
            .map(|(index, operand)| {
                let (shape, name) = operand_type(operand);
                let shape = self.untyped(operand, shape);
                let size_bytes = u64::from(operand.size_bytes);
                let ty = self.types.types.add(Type { name, size_bytes, shape });
                let location = Location::whole(size_bytes, operand.place(image.bias));
                Parameter::whole(format!("arg{index}"), ty, location)
            })
            .collect();
        let name = format!("{}:{}", probe.provider, probe.name);
        let result = ResultDescription::Nothing;
        let mut description = Description::new(name, DescriptionKind::Usdt, arguments, result);
        let filtered = match self.filtered(&mut description, Some("a USDT probe has no end")) {
            Ok(filtered) => filtered,
            Err(shortfall) => return Some(shortfall),
        };
        let plan = compile(&self.types.types, &description.wanted_at_entry(), limits).plan;
        self.describe(description);
        self.usdt_site(image, probe, Program::Entry, filtered.entry(plan))
    }

    /// Notes give no types: a word may be a number or a string's address.
    fn untyped(&mut self, operand: &Operand, shape: Shape) -> Shape {
        if operand.size_bytes != 8 || operand.float {
            return shape;
        }
        let signed = operand.signed;
        let character = Type { name: "char".into(), size_bytes: 1, shape: Shape::CChar { signed: true } };
        let target = Some(self.types.types.add(character));
        Shape::Pointer { target, kind: PointerKind::Untyped { signed } }
    }

    /// Adds a site of a mailbox probe, which feeds the kernel's counters and emits nothing.
    pub fn mailbox(&mut self, image: &Image<'_>, probe: &UsdtProbe) -> Option<Shortfall> {
        let event = mailbox_event(&probe.name)?;
        let refused = |why: &str| Some(Shortfall::NotProbed(format!("mailbox:{}: {why}", probe.name)));
        if probe.arguments.len() < MAILBOX_ARGUMENTS_MIN {
            return refused("it has fewer than 4 arguments, so it is not the mailbox probe of docs/mailbox-probes.md");
        }
        let mut assembler = Assembler::with_results(MAILBOX_ARGUMENTS_MAX);
        for (slot, operand) in probe.arguments.iter().enumerate().take(MAILBOX_ARGUMENTS_MAX) {
            let place = operand.place(image.bias);
            if assembler.load_to_slot(&place, operand.size_bytes, operand.signed, slot as u8).is_err() {
                return refused("its arguments are where BPF cannot read them");
            }
        }
        let head = Plan { mailbox_event: event as u32, ..Plan::EMPTY };
        let plan = CapturePlan { head, ops: assembler.finish() };
        let name = format!("{}:{}", probe.provider, probe.name);
        let (kind, result) = (DescriptionKind::Usdt, ResultDescription::Nothing);
        self.describe(Description::new(name, kind, Vec::new(), result));
        self.usdt_site(image, probe, Program::Mailbox, plan)
    }

    fn usdt_site(
        &mut self,
        image: &Image<'_>,
        probe: &UsdtProbe,
        program: Program,
        plan: CapturePlan,
    ) -> Option<Shortfall> {
        let code = code_at(image, probe.address).unwrap_or_default();
        let site = match site::inspect(code, probe.address, Position::Inside) {
            Ok(site) => site,
            Err(refusal) => return Some(Shortfall::NotProbed(refusal.to_string())),
        };
        let semaphore = match probe.semaphore {
            Some(semaphore) if semaphore.offset.is_none() => {
                return Some(Shortfall::NotProbed("its semaphore is not in a writable part of the file".into()));
            }
            semaphore => semaphore.and_then(|semaphore| semaphore.offset),
        };
        let Some(offset) = image.object.file_offset(probe.address) else {
            return Some(Shortfall::NotProbed(format!("{} is not in the file's code", probe.address)));
        };
        let object = self.object(image.object.attach_path());
        self.point(NewPoint { object, offset, program, semaphore, cost: site.class.into(), plan });
        None
    }
}

/// The bytes of the instruction at `address`, and what follows it.
fn code_at<'data>(image: &Image<'data>, address: LinkAddress) -> Option<&'data [u8]> {
    let end = image.object.code_end(address)?;
    image.object.bytes_at(address, INSTRUCTION_BYTES_MAX.min(end.0.saturating_sub(address.0)))
}

/// Shape and name of the type that an operand declares.
pub fn operand_type(operand: &Operand) -> (Shape, String) {
    let bits = u32::from(operand.size_bytes) * 8;
    if operand.float {
        return (Shape::Float, format!("f{bits}"));
    }
    let prefix = if operand.signed { 'i' } else { 'u' };
    (Shape::Integer { signed: operand.signed }, format!("{prefix}{bits}"))
}

fn mailbox_event(name: &str) -> Option<MailboxEvent> {
    Some(match name {
        "open" => MailboxEvent::Open,
        "send" => MailboxEvent::Send,
        "receive" => MailboxEvent::Receive,
        "handled" => MailboxEvent::Handled,
        "close" => MailboxEvent::Close,
        "level" => MailboxEvent::Level,
        _ => return None,
    })
}
