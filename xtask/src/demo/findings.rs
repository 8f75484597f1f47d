//! Conclusions from the tracer's JSON Lines: the fullest mailbox, the function that takes the time.
//! Pure; knows the records of the command contract, and no name of the app's.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::Value;

/// How many checks of `doctor` ended how.
pub(super) struct Checks {
    total: usize,
    /// State and name of each that is not `ok`.
    others: Vec<(String, String)>,
}

impl Checks {
    pub(super) fn read(records: &[Value]) -> Self {
        let mut checks = Self { total: 0, others: Vec::new() };
        for record in of_kind(records, "check") {
            checks.total += 1;
            if let (Some(state), Some(name)) = (text(record, "state"), text(record, "name"))
                && state != "ok"
            {
                checks.others.push((state.to_owned(), name.to_owned()));
            }
        }
        checks
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} checks are ok", self.total - self.others.len(), self.total)?;
        for (index, (state, name)) in self.others.iter().enumerate() {
            write!(f, "{} {name} ({state})", if index == 0 { "; not quite:" } else { "," })?;
        }
        Ok(())
    }
}

/// A mailbox as it was last seen.
pub(super) struct Mailbox {
    name: String,
    length: u64,
    capacity: Option<u64>,
    wait_max_ns: Option<u64>,
}

pub(super) struct Mailboxes(BTreeMap<String, Mailbox>);

impl Mailboxes {
    /// Takes the last `queue` record of each name, and the longest wait of all its records.
    pub(super) fn read(records: &[Value]) -> Self {
        let mut mailboxes: BTreeMap<String, Mailbox> = BTreeMap::new();
        for record in of_kind(records, "queue") {
            let (Some(name), Some(length)) = (text(record, "name"), number(record, "length")) else {
                continue;
            };
            let before = mailboxes.get(name).and_then(|mailbox| mailbox.wait_max_ns);
            let mailbox = Mailbox {
                name: name.to_owned(),
                length,
                capacity: number(record, "capacity"),
                wait_max_ns: number(record, "wait_max_ns").max(before),
            };
            mailboxes.insert(name.to_owned(), mailbox);
        }
        Self(mailboxes)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn fullest(&self) -> Option<&Mailbox> {
        self.0.values().max_by_key(|mailbox| mailbox.length)
    }

    /// The mailbox whose name is the actor's, written in any case.
    pub(super) fn of_actor(&self, actor: &str) -> Option<&Mailbox> {
        let folded = |name: &str| name.replace('_', "").to_lowercase();
        self.0.values().find(|mailbox| folded(&mailbox.name) == folded(actor))
    }
}

impl Mailbox {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// `6 of 64`, or the number alone if the mailbox is unbounded.
    pub(super) fn fill(&self) -> String {
        match self.capacity {
            Some(capacity) => format!("{} of {capacity}", self.length),
            None => self.length.to_string(),
        }
    }
}

impl fmt::Display for Mailboxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(fullest) = self.fullest() else {
            return f.write_str("no mailbox was seen");
        };
        write!(f, "{fullest}")?;
        if let Some(wait_ns) = fullest.wait_max_ns {
            write!(f, ", and one waited {:.1} s", Duration::from_nanos(wait_ns).as_secs_f64())?;
        }
        let others = self.0.values().filter(|mailbox| mailbox.name != fullest.name);
        for (index, mailbox) in others.enumerate() {
            write!(f, "{} {} in {}", if index == 0 { ";" } else { "," }, mailbox.length, mailbox.name)?;
        }
        Ok(())
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = if self.length == 1 { "message waits" } else { "messages wait" };
        write!(f, "{} {messages} in the mailbox of {}", self.length, self.name)?;
        match self.capacity {
            Some(capacity) => write!(f, ", which has room for {capacity}"),
            None => Ok(()),
        }
    }
}

/// What one function did in the traced calls.
pub(super) struct Function {
    path: String,
    returns: u32,
    /// Time inside the function itself, without its traced callees.
    own_ns: u64,
    /// Of `own_ns` of all functions, in percent.
    share_percent: u64,
}

/// The traced functions, the one with the most time of its own first.
pub(super) struct Functions(Vec<Function>);

impl Functions {
    /// Adds up `return` records; a call's own time is its duration without those of the calls it made.
    pub(super) fn read(records: &[Value]) -> Self {
        let parents: BTreeMap<u64, u64> = of_kind(records, "call")
            .filter_map(|record| Some((number(record, "id")?, number(record, "parent")?)))
            .collect();
        let mut inside_ns: BTreeMap<u64, u64> = BTreeMap::new();
        for record in of_kind(records, "return") {
            let (Some(id), Some(duration_ns)) = (number(record, "id"), number(record, "duration_ns")) else {
                continue;
            };
            if let Some(parent) = parents.get(&id) {
                *inside_ns.entry(*parent).or_default() += duration_ns;
            }
        }
        let mut by_path: BTreeMap<&str, (u32, u64)> = BTreeMap::new();
        for record in of_kind(records, "return") {
            let (Some(id), Some(path), Some(duration_ns)) =
                (number(record, "id"), text(record, "function"), number(record, "duration_ns"))
            else {
                continue;
            };
            let (returns, own_ns) = by_path.entry(path).or_default();
            *returns += 1;
            *own_ns += duration_ns.saturating_sub(inside_ns.get(&id).copied().unwrap_or_default());
        }
        let total_ns: u64 = by_path.values().map(|(_, own_ns)| own_ns).sum();
        let function = |(path, (returns, own_ns)): (&str, (u32, u64))| Function {
            path: path.to_owned(),
            returns,
            own_ns,
            share_percent: own_ns.saturating_mul(100).checked_div(total_ns).unwrap_or_default(),
        };
        let mut functions: Vec<_> = by_path.into_iter().map(function).collect();
        functions.sort_by_key(|function| std::cmp::Reverse(function.own_ns));
        Self(functions)
    }

    pub(super) fn busiest(&self) -> Option<&Function> {
        self.0.first()
    }

    /// One line for each function.
    pub(super) fn table(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|Function { path, returns, own_ns, share_percent }| {
            format!("{:>10.3} ms {share_percent:>3} % {returns:>4} calls  {path}", milliseconds(*own_ns))
        })
    }
}

impl Function {
    /// The pattern for everything beside and below the function: `module::*`.
    pub(super) fn module_pattern(&self) -> String {
        format!("{}::*", self.module())
    }

    /// `module::function`, and how long a call takes.
    pub(super) fn name_and_mean(&self) -> String {
        format!("{}, {:.1} ms per call", self.path, self.mean_ms())
    }

    fn mean_ms(&self) -> f64 {
        milliseconds(self.own_ns.checked_div(u64::from(self.returns)).unwrap_or_default())
    }

    /// The module's own name, which is the actor's in a service where each actor has a module.
    pub(super) fn actor(&self) -> String {
        self.module().to_owned()
    }

    /// The innermost part of the path that is a module by Rust's naming: `audit_log` of `app::audit_log::AuditLog::f`.
    fn module(&self) -> &str {
        let is_module = |part: &&str| part.starts_with(|first: char| first.is_lowercase());
        self.path.rsplit("::").skip(1).find(is_module).unwrap_or(&self.path)
    }
}

impl fmt::Display for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, share_percent, .. } = self;
        write!(f, "{share_percent} % of the time goes to {path} itself, {:.1} ms per call", self.mean_ms())
    }
}

fn milliseconds(duration_ns: u64) -> f64 {
    Duration::from_nanos(duration_ns).as_secs_f64() * 1e3
}

fn of_kind<'a>(records: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    records.iter().filter(move |record| text(record, "kind") == Some(kind))
}

fn text<'a>(record: &'a Value, key: &str) -> Option<&'a str> {
    record.get(key).and_then(Value::as_str)
}

fn number(record: &Value, key: &str) -> Option<u64> {
    record.get(key).and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fullest_mailbox_is_judged_by_its_last_sample() {
        let mailboxes = Mailboxes::read(&[
            json!({"kind": "queue", "name": "TreeRegistration", "length": 3, "capacity": 64, "wait_max_ns": 650_000_000}),
            json!({"kind": "queue", "name": "AuditLog", "length": 9, "capacity": 32}),
            json!({"kind": "queue", "name": "TreeRegistration", "length": 11, "capacity": 64}),
            json!({"kind": "queue", "name": "AuditLog", "length": 0, "capacity": 32}),
            json!({"kind": "stopped", "reason": "time"}),
        ]);
        let fullest = mailboxes.fullest().unwrap().to_string();
        assert_eq!(fullest, "11 messages wait in the mailbox of TreeRegistration, which has room for 64");
        let other = mailboxes.of_actor("audit_log").unwrap().to_string();
        assert_eq!(other, "0 messages wait in the mailbox of AuditLog, which has room for 32");
        assert!(mailboxes.of_actor("store").is_none());
        assert_eq!(mailboxes.fullest().unwrap().fill(), "11 of 64");
        assert_eq!(mailboxes.to_string(), format!("{fullest}, and one waited 0.7 s; 0 in AuditLog"));
    }

    #[test]
    fn checks_that_are_not_ok_are_named() {
        let good = json!({"kind": "check", "name": "BTF", "state": "ok"});
        let limited = json!({"kind": "check", "name": "debug information", "state": "limited"});
        assert_eq!(Checks::read(std::slice::from_ref(&good)).to_string(), "1 of 1 checks are ok");
        let text = Checks::read(&[good, limited]).to_string();
        assert_eq!(text, "1 of 2 checks are ok; not quite: debug information (limited)");
    }

    #[test]
    fn own_time_leaves_out_the_callees() {
        let functions = Functions::read(&[
            json!({"kind": "call", "id": 1, "parent": null, "function": "app::log::Log::handle"}),
            json!({"kind": "call", "id": 2, "parent": 1, "function": "app::log::waste"}),
            json!({"kind": "return", "id": 2, "function": "app::log::waste", "duration_ns": 80_000_000}),
            json!({"kind": "return", "id": 1, "function": "app::log::Log::handle", "duration_ns": 100_000_000}),
            json!({"kind": "call", "id": 3, "parent": null, "function": "app::log::waste"}),
            json!({"kind": "return", "id": 3, "function": "app::log::waste", "duration_ns": 60_000_000}),
        ]);
        let busiest = functions.busiest().unwrap();
        let sentence = "87 % of the time goes to app::log::waste itself, 70.0 ms per call";
        assert_eq!(busiest.to_string(), sentence);
        assert_eq!(busiest.module_pattern(), "log::*");
        let table: Vec<_> = functions.table().collect();
        assert_eq!(table[1], "    20.000 ms  12 %    1 calls  app::log::Log::handle");
    }

    #[test]
    fn a_method_belongs_to_the_module_of_its_type() {
        let records = [json!({"kind": "return", "id": 1, "function": "app::audit_log::AuditLog::f", "duration_ns": 1})];
        assert_eq!(Functions::read(&records).busiest().unwrap().actor(), "audit_log");
    }

    #[test]
    fn records_without_the_expected_fields_count_for_nothing() {
        let records = [json!({"kind": "return"}), json!({"kind": "queue", "name": 1}), json!(3)];
        assert!(Functions::read(&records).busiest().is_none());
        assert!(Mailboxes::read(&records).fullest().is_none());
    }
}
