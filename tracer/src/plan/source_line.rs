//! The part of the probe syntax that names lines of source: `audit_log.rs:42`, `src/audit_log.rs:40-60`, `audit_log.rs`.
//! Knows no files: which lines have code is for the debug information.

/// Endings by which a word without a line is taken for a file.
const EXTENSIONS: [&str; 10] = ["rs", "c", "cc", "cpp", "cxx", "h", "hh", "hpp", "hxx", "inc"];

/// The end of a file's path, in whole components: `audit_log.rs`, `src/audit_log.rs`, or the whole path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSuffix(String);

impl FileSuffix {
    /// Whether the path, as the debug information has it, ends in these components.
    pub fn matches(&self, path: &str) -> bool {
        let wanted = self.0.strip_prefix("./").unwrap_or(&self.0);
        path.strip_suffix(wanted).is_some_and(|before| before.is_empty() || before.ends_with('/'))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lines `first..=last`, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    pub first: u64,
    pub last: u64,
}

impl Lines {
    pub const ALL: Self = Self { first: 1, last: u64::MAX };

    /// The line, if it is one.
    pub fn single(self) -> Option<u64> {
        (self.first == self.last).then_some(self.first)
    }

    pub fn contains(self, line: u64) -> bool {
        (self.first..=self.last).contains(&line)
    }
}

/// The file, its lines (`None` if they make no sense), and where in `body` they are written. `None`: it is no line.
pub(super) fn parse(body: &str) -> Option<(FileSuffix, Option<Lines>, usize)> {
    if is_file(body) {
        return Some((FileSuffix(body.to_owned()), Some(Lines::ALL), 0));
    }
    let at = body.rfind(':')?;
    let (file, lines) = (body.get(..at)?, body.get(at + 1..)?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
    if !is_number(first) || !is_number(last) || file.is_empty() || file.ends_with([':', '\\']) {
        return None;
    }
    let lines = Lines { first: first.parse().unwrap_or(0), last: last.parse().unwrap_or(0) };
    let lines = (0 < lines.first && lines.first <= lines.last).then_some(lines);
    Some((FileSuffix(file.to_owned()), lines, at + 1))
}

fn is_file(body: &str) -> bool {
    let Some((stem, extension)) = body.rsplit_once('.') else { return false };
    !stem.is_empty() && !body.contains([':', '*', '<', ' ']) && EXTENSIONS.contains(&extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_holds_whole_components() {
        let matches = |suffix: &str, path| FileSuffix(suffix.to_owned()).matches(path);
        assert!(matches("log.rs", "/home/app/src/log.rs") && matches("src/log.rs", "/home/app/src/log.rs"));
        assert!(matches("log.rs", "log.rs") && matches("./src/log.rs", "src/log.rs"));
        assert!(matches("/home/log.rs", "/home/log.rs") && !matches("/app/log.rs", "/home/app/log.rs"));
        assert!(!matches("log.rs", "/home/app/src/audit_log.rs") && !matches("rc/log.rs", "/src/log.rs"));
    }

    #[test]
    fn lines_follow_the_file() {
        let parsed =
            |text| parse(text).map(|(file, lines, at)| (file.0, lines.map(|lines| (lines.first, lines.last)), at));
        let file = |name: &str| name.to_owned();
        assert_eq!(parsed("a.rs:42"), Some((file("a.rs"), Some((42, 42)), 5)));
        assert_eq!(parsed("src/a.c:40-60"), Some((file("src/a.c"), Some((40, 60)), 8)));
        assert_eq!(parsed("src/a.rs"), Some((file("src/a.rs"), Some((1, u64::MAX)), 0)));
        assert_eq!(parsed("parser.y:7"), Some((file("parser.y"), Some((7, 7)), 9)));
        assert_eq!(parsed("a.rs:0"), Some((file("a.rs"), None, 5)));
        assert_eq!(parsed("a.rs:9-3"), Some((file("a.rs"), None, 5)));
        assert_eq!(parsed("a.rs:99999999999999999999999"), Some((file("a.rs"), None, 5)));
        for function in ["Store::save", "store::*", "a::7b", "::42", "foo.part.0", "a.rs::b", "*.rs", ".rs"] {
            assert_eq!(parsed(function), None, "{function}");
        }
    }
}
