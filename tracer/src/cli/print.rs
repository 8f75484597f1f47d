//! `tracer print`: globals, statics and thread locals, read once from the process's memory. No probe, no write.

use clap::Args;

use super::exit::{DONE, Failure};
use super::options::{OutputOptions, TargetOptions, ValueOptions};
use super::target::{images, say_lacks};
use crate::kernel::thread_pointers::ThreadPointers;
use crate::plan::expression::cast::{Cast, parse_cast};
use crate::plan::expression::resolve::resolve;
use crate::plan::expression::{ExpressionError, Literal, Path, PathStep, StepKind, parse_paths};
use crate::plan::globals::{self, Global, LazyValue};
use crate::report::output::Output;
use crate::report::print::{self, Printed, Reading};
use crate::target::debug_info::{LoadedTypes, VariablePlace};
use crate::target::files::Files;
use crate::target::image::Image;
use crate::target::memory::ProcessMemory;
use crate::target::process::{Process, Thread};
use crate::target::procfs::Mapping;
use crate::target::thread_local::{self, ThreadStorage};
use crate::value::layout::TypeId;
use crate::value::place::{Location, MemoryPlace, Missing, Place};
use crate::value::redaction::Redaction;
use crate::value::walk::{self, Part, Way};
use crate::value::{Limits, Value};

const EXAMPLES: &str = "\
Examples:
  tracer print -p myapp config::LIMITS                  a static, by the end of its path
  tracer print -p myapp LIMITS.depth 'USERS[0].name'    fields, elements
  tracer print -p myapp 'QUEUE.len()' '*head'           lengths, what a pointer leads to
  tracer print -p myapp next::CALLS                     a static of a function
  tracer print -p myapp 'SESSIONS[\"ann\"].age'           what a map has for a key
  tracer print -p myapp '(0x7f3a10 as Tree).uuid'       memory that holds what you say it holds
  tracer print -p myapp SEEN                            a thread local, of all threads
  tracer print -p myapp SEEN --thread worker --json     of one thread

Paths are matched at `::` from the right, those of types too. Only pages that are in memory are read, and the program runs on meanwhile: \
each value is read twice, and one that was different each time is marked.

Exit codes: 0 done, 1 failed (nothing of that name, or several), 2 usage.";

/// Show globals, statics and thread locals as they are now, without a probe
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    target: TargetOptions,
    /// What to show: 'config::LIMITS', 'USERS[0].name', 'QUEUE.len()', '*head'
    #[arg(required = true, value_name = "EXPRESSION")]
    expressions: Vec<String>,
    /// Of a thread local, show only the threads with this number or name
    #[arg(long, value_name = "TID|NAME")]
    thread: Option<String>,
    #[command(flatten)]
    values: ValueOptions,
    #[command(flatten)]
    output: OutputOptions,
}

/// Looks at a value that keeps changing: after so many it is shown as it was last.
const LOOKS: usize = 3;

pub fn run(arguments: &Arguments) -> Result<u8, Failure> {
    arguments.output.set_up();
    let mut wanted = Vec::new();
    for text in &arguments.expressions {
        if let Some(cast) = parse_cast(text).map_err(|error| mistake(text, &error, true))? {
            wanted.push(Wanted::Memory(cast, text));
            continue;
        }
        let paths = parse_paths(text, 0).map_err(|error| mistake(text, &error, true))?;
        for (path, span) in paths {
            let path = path.ok_or_else(|| Failure::usage(format!("name what to show instead of `*`, in {text:?}")))?;
            let expression = text.get(span.start..span.end).unwrap_or(text).trim().to_owned();
            wanted.push(Wanted::Variable(path, expression, text));
        }
    }
    let process = Process::find(&arguments.target.process)?;
    let files = Files::new();
    let images = images(&process, &files, |_| true)?;
    let mut reader = Reader::new(&process, arguments)?;
    let mut shown = Vec::new();
    let globals = |wanted: &Wanted<'_>| match wanted {
        Wanted::Variable(path, ..) => globals::find(&images, &path.name),
        Wanted::Memory(..) => Ok(Vec::new()),
    };
    let found: Vec<_> = wanted.iter().map(globals).collect();
    say_lacks(&images);
    for (wanted, globals) in wanted.iter().zip(found) {
        let (path, expression, text) = match wanted {
            Wanted::Memory(cast, text) => {
                shown.push(reader.memory(&images, cast, text)?);
                continue;
            }
            Wanted::Variable(path, expression, text) => (path, expression, text),
        };
        let globals = globals.map_err(|unknown| Failure::new(unknown.to_string()))?;
        let mut of_one = Vec::new();
        for global in &globals {
            of_one.push(reader.printed(global, path, expression, text)?);
        }
        shown.extend(print::merged(of_one));
    }
    let mut output = Output::new(std::io::stdout());
    for printed in &shown {
        let lines = match arguments.output.json {
            true => print::json(printed),
            false => vec![print::text(printed, arguments.output.palette(), arguments.values.style())],
        };
        for line in lines {
            output.line(|bytes| bytes.extend_from_slice(line.trim_end().as_bytes()))?;
        }
    }
    output.flush()?;
    Ok(DONE)
}

/// What one expression asks for, and the argument that it is in.
enum Wanted<'a> {
    Variable(Path, String, &'a String),
    Memory(Cast, &'a String),
}

/// What is wrong with an expression, with a pointer to the word.
fn mistake(text: &str, error: &ExpressionError, is_usage: bool) -> Failure {
    let before = text.get(..error.span.start).map_or(0, |before| before.chars().count());
    let word = text.get(error.span.start..error.span.end).map_or(1, |word| word.chars().count().max(1));
    let message = format!("{error}\n  {text}\n  {}{}", " ".repeat(before), "^".repeat(word));
    if is_usage { Failure::usage(message) } else { Failure::new(message) }
}

/// Reads values of one process.
struct Reader<'p> {
    process: &'p Process,
    memory: ProcessMemory<'p>,
    limits: Limits,
    redaction: Redaction,
    thread: Option<&'p str>,
    is_musl: bool,
    /// Made when the first thread local is asked for.
    pointers: Option<ThreadPointers>,
}

/// The way from a variable to what is shown, and what tells whether it is there.
struct Plan {
    types: LoadedTypes,
    way: Way,
    lazy: Option<LazyValue>,
    type_name: String,
}

impl<'p> Reader<'p> {
    fn new(process: &'p Process, arguments: &'p Arguments) -> Result<Self, Failure> {
        let memory = ProcessMemory::open(process)?;
        let paths = process.mappings()?.into_iter().filter_map(|mapping| mapping.path);
        let is_musl = paths.into_iter().any(|path| path.to_string_lossy().contains("/ld-musl-"));
        let (limits, redaction) = (arguments.values.limits(), arguments.values.redaction());
        Ok(Self { process, memory, limits, redaction, thread: arguments.thread.as_deref(), is_musl, pointers: None })
    }

    fn printed(
        &mut self,
        global: &Global<'_, '_>,
        path: &Path,
        expression: &str,
        text: &str,
    ) -> Result<Printed, Failure> {
        let plan = self.plan(global, path, text)?;
        let unread = |missing| vec![Reading { thread: None, value: Value::Unreadable(missing), is_changing: false }];
        let readings = match global.variable.place {
            _ if self.is_masked(path) => unread(Missing::Redacted),
            VariablePlace::Address(address) => {
                vec![self.reading(&plan, None, global.image.bias.runtime(address).0)]
            }
            VariablePlace::ThreadLocal(offset) => self.thread_locals(&plan, global.image, offset)?,
            VariablePlace::None => unread(Missing::OptimizedOut),
        };
        let declared = global.variable.declared.as_ref().map(|source| format!("{}:{}", source.file, source.line));
        Ok(Printed {
            expression: expression.to_owned(),
            variable: global.variable.name.clone(),
            declared,
            type_name: plan.type_name,
            is_one_of_several: false,
            readings,
        })
    }

    /// Whether the variable, or a field on the way, goes by a name that must not be read.
    fn is_masked(&self, path: &Path) -> bool {
        let own = path.name.rsplit("::").next().unwrap_or(&path.name);
        let is_masked_step = |step: &PathStep| match &step.kind {
            StepKind::Field(name) | StepKind::Index(Literal::Text(name)) => self.redaction.masks(name),
            _ => false,
        };
        self.redaction.masks(own) || path.steps.iter().any(is_masked_step)
    }

    /// What is at an address, as the type that it is said to have.
    fn memory(&self, images: &[Image<'_>], cast: &Cast, text: &str) -> Result<Printed, Failure> {
        let mut types = self.types(&cast.path);
        let wrong = |what: String| {
            let before = text.get(..cast.type_span.start).map_or(0, |before| before.chars().count());
            let word = "^".repeat(cast.type_name.chars().count());
            Failure::new(format!("{what}\n  {text}\n  {}{word}", " ".repeat(before)))
        };
        let ty = globals::named_type(images, &cast.type_name, &mut types).map_err(|error| wrong(error.to_string()))?;
        let way = resolve(&types.types, ty, &cast.path).map_err(|error| mistake(text, &error, false))?;
        let type_name = shown_type(&types, &way);
        let plan = Plan { types, way, lazy: None, type_name };
        let readings = match self.is_masked(&cast.path) {
            true => vec![Reading { thread: None, value: Value::Unreadable(Missing::Redacted), is_changing: false }],
            false if !self.is_mapped(cast.address)? => {
                vec![Reading { thread: None, value: Value::Unreadable(Missing::NotMapped), is_changing: false }]
            }
            false => vec![self.reading(&plan, None, cast.address)],
        };
        Ok(Printed {
            expression: text.trim().to_owned(),
            variable: format!("{:#x}", cast.address),
            declared: None,
            type_name: plan.type_name,
            is_one_of_several: false,
            readings,
        })
    }

    fn is_mapped(&self, address: u64) -> Result<bool, Failure> {
        let holds = |mapping: &Mapping| (mapping.start.0..mapping.end.0).contains(&address);
        Ok(self.process.mappings()?.iter().any(holds))
    }

    /// Types to be loaded for a path: what it follows is not what the limits let a value follow.
    fn types(&self, path: &Path) -> LoadedTypes {
        let pointers = (self.limits.pointers_max as usize).saturating_add(path.steps.len());
        let mut types = LoadedTypes::with_pointer_depth(u8::try_from(pointers).unwrap_or(u8::MAX));
        types.types.redaction = self.redaction.clone();
        types
    }

    fn plan(&self, global: &Global<'_, '_>, path: &Path, text: &str) -> Result<Plan, Failure> {
        let name = &global.variable.name;
        let mut types = self.types(path);
        let debug_info = global.image.debug_info().map_err(|error| Failure::new(error.to_string()))?;
        let ty = debug_info.variable_type(&global.variable, &mut types);
        let ty = ty.ok_or_else(|| Failure::new(format!("the debug information gives {name} no type")))?;
        let lazy = LazyValue::of(&types.types, ty);
        let root = lazy.map_or(ty, |lazy| lazy.value.1);
        let way = resolve(&types.types, root, path).map_err(|error| mistake(text, &error, false))?;
        let type_name = shown_type(&types, &way);
        Ok(Plan { types, way, lazy, type_name })
    }

    fn thread_locals(&mut self, plan: &Plan, image: &Image<'_>, offset: u64) -> Result<Vec<Reading>, Failure> {
        let storage = ThreadStorage::of(image, &self.memory, self.is_musl).ok_or_else(|| {
            Failure::new(format!("nothing in memory tells where {} keeps its thread locals", image.object.name()))
        })?;
        let offset = thread_local::offset_in_block(&image.object, offset).ok_or_else(|| {
            Failure::new("the debug information puts the variable outside of its object's thread-local storage")
        })?;
        let threads = self.threads()?;
        if self.pointers.is_none() {
            self.pointers = Some(ThreadPointers::new()?);
        }
        let mut readings = Vec::new();
        for thread in threads {
            let pointer = self.pointers.as_ref().and_then(|pointers| pointers.of(thread.tid));
            let label = Some((thread.tid, thread.comm));
            let block = pointer.map(|pointer| storage.block(pointer, &self.memory));
            let missing = match block {
                Some(Ok(Some(block))) => {
                    readings.push(self.reading(plan, label, block.wrapping_add(offset)));
                    continue;
                }
                Some(Ok(None)) => Missing::NotInitialised,
                Some(Err(missing)) => missing,
                // Gone since the list was read, or not far enough to have any storage.
                None => Missing::NotResident,
            };
            readings.push(Reading { thread: label, value: Value::Unreadable(missing), is_changing: false });
        }
        Ok(readings)
    }

    fn threads(&self) -> Result<Vec<Thread>, Failure> {
        let all = self.process.threads()?;
        let Some(wanted) = self.thread else { return Ok(all) };
        let is_wanted = |thread: &Thread| thread.comm == wanted || wanted.parse() == Ok(thread.tid);
        let (found, others): (Vec<_>, Vec<_>) = all.into_iter().partition(is_wanted);
        if found.is_empty() {
            let mut names: Vec<String> = others.into_iter().map(|thread| thread.comm).collect();
            names.sort();
            names.dedup();
            return Err(Failure::new(format!("no thread is called {wanted:?}; there is {}", names.join(", "))));
        }
        Ok(found)
    }

    /// The value at an address, the same at two looks or marked.
    fn reading(&self, plan: &Plan, thread: Option<(u32, String)>, address: u64) -> Reading {
        let mut value = self.value(plan, address);
        for _ in 1..LOOKS {
            let again = self.value(plan, address);
            if is_same(&value, &again) {
                return Reading { thread, value, is_changing: false };
            }
            value = again;
        }
        Reading { thread, value, is_changing: true }
    }

    fn value(&self, plan: &Plan, address: u64) -> Value {
        let Some(lazy) = plan.lazy else { return self.read(plan, &plan.way, address) };
        let at = |(offset, _): (u64, TypeId)| address.wrapping_add(offset);
        match lazy.missing(&self.read(plan, &Way::whole(lazy.state.1), at(lazy.state))) {
            Some(missing) => Value::Unreadable(missing),
            None => self.read(plan, &plan.way, at(lazy.value)),
        }
    }

    fn read(&self, plan: &Plan, way: &Way, address: u64) -> Value {
        let place = MemoryPlace { base: None, index: None, displacement: address as i64, indirect: None };
        // The whole is in memory, so its size does not matter.
        let location = Location::whole(u64::MAX, Place::Memory(place));
        let value = walk::read(&plan.types.types, way, &location, &self.memory, &self.limits);
        value.unwrap_or(Value::Unreadable(Missing::NotThere))
    }
}

fn shown_type(types: &LoadedTypes, way: &Way) -> String {
    match way.part {
        Part::Value { ty, .. } => types.types.get(ty).name.clone(),
        Part::Length(_) | Part::Bytes(_) | Part::Text(_) => "usize".to_owned(),
    }
}

/// NaN is the same as itself here.
fn is_same(one: &Value, other: &Value) -> bool {
    one == other || one.to_string() == other.to_string()
}
