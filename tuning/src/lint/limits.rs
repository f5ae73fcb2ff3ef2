//! Reads /etc/security/limits.conf and limits.d as pam_limits does (limits.conf(5); Linux-PAM,
//! modules/pam_limits/pam_limits.c, `parse_config_file` and `process_limit`): the file first, then the directory by
//! name. A later line beats an earlier one of the same domain; a user's line beats a group's, and that beats `*`.

use super::files::Files;
use super::line::Line;
use super::order;
use super::tree::Tree;

const FILE: &str = "/etc/security/limits.conf";
/// The second one is for distributions that build Linux-PAM with a vendor's directory.
const DIRECTORIES: [&str; 2] = ["/etc/security/limits.d", "/usr/etc/security/limits.d"];

/// Items that pam_limits knows.
const ITEMS: [&str; 20] = [
    "cpu",
    "fsize",
    "data",
    "stack",
    "core",
    "rss",
    "nproc",
    "nofile",
    "memlock",
    "as",
    "locks",
    "sigpending",
    "msgqueue",
    "nice",
    "rtprio",
    "rttime",
    "maxlogins",
    "maxsyslogins",
    "priority",
    "nonewprivs",
];
/// Items whose numbers are signed, so that -1 is a number.
const SIGNED: [&str; 2] = ["nice", "priority"];

/// A line that pam_limits takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) at: Line,
    pub(crate) domain: String,
    pub(crate) bound: Bound,
    pub(crate) item: String,
    pub(crate) written: String,
    pub(crate) value: Value,
}

/// Which limit a line sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bound {
    Soft,
    Hard,
    Both,
}

impl Bound {
    pub(crate) fn has_soft(self) -> bool {
        self != Bound::Hard
    }

    pub(crate) fn has_hard(self) -> bool {
        self != Bound::Soft
    }
}

/// What pam_limits makes of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    Unlimited,
    Number(u64),
    /// The digits at its beginning; the rest is lost.
    Cut(u64),
    /// A signed number, of no interest here.
    Other,
}

impl Value {
    pub(crate) fn number(self) -> Option<u64> {
        match self {
            Value::Number(number) | Value::Cut(number) => Some(number),
            Value::Unlimited | Value::Other => None,
        }
    }
}

/// A line that pam_limits skips, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Skipped {
    pub(crate) at: Line,
    pub(crate) why: &'static str,
}

/// The lines in their order.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) lines: Vec<Limit>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Limits {
    /// Those of open files.
    pub(crate) fn nofile(&self) -> impl Iterator<Item = &Limit> {
        self.lines.iter().filter(|limit| limit.item == "nofile")
    }
}

pub(crate) fn read(tree: &Tree<'_>, files: &mut Files) -> Limits {
    let mut limits = Limits::default();
    if let Some(text) = files.single(tree, FILE) {
        limits.add(FILE, &text);
    }
    let listing = order::listing(tree, &DIRECTORIES.map(str::to_owned), ".conf");
    for file in files.add(listing) {
        if let Some(text) = files.text(tree, &file) {
            limits.add(&file, &text);
        }
    }
    limits
}

impl Limits {
    fn add(&mut self, file: &str, text: &str) {
        for (index, line) in text.lines().enumerate() {
            match parse(Line::new(file, index, line)) {
                Some(Ok(limit)) => self.lines.push(limit),
                Some(Err(skipped)) => self.skipped.push(skipped),
                None => {}
            }
        }
    }
}

fn parse(at: Line) -> Option<Result<Limit, Skipped>> {
    let text = at.text.split('#').next().unwrap_or_default().trim().to_owned();
    if text.is_empty() {
        return None;
    }
    let skipped = |at, why| Some(Err(Skipped { at, why }));
    let mut words = text.split_whitespace();
    let (domain, kind, item) = match (words.next(), words.next(), words.next()) {
        (Some(domain), Some(kind), Some(item)) => (domain, kind.to_lowercase(), item.to_lowercase()),
        // `user -` switches all limits off for a user.
        (Some(_), Some(kind), None) if kind.starts_with('-') => return None,
        _ => return skipped(at, "a line has a domain, a type, an item and a value"),
    };
    // The value is the rest of the line, blanks included.
    let written = words.collect::<Vec<_>>().join(" ");
    let bound = match kind.as_str() {
        "soft" => Bound::Soft,
        "hard" => Bound::Hard,
        "-" => Bound::Both,
        _ if matches!(item.as_str(), "maxlogins" | "maxsyslogins" | "nonewprivs") => Bound::Both,
        _ => return skipped(at, "the type is soft, hard or -"),
    };
    if !ITEMS.contains(&item.as_str()) {
        return skipped(at, "there is no such item; the one for open files is nofile");
    }
    if written.is_empty() {
        return skipped(at, "the value is missing");
    }
    let Some(value) = value(&item, &written.to_lowercase()) else {
        return skipped(at, "the value is not a number; no = stands before it");
    };
    Some(Ok(Limit { domain: domain.to_owned(), bound, item, written, value, at }))
}

/// As `strtoull` reads it, which stops at the first character that is no digit.
fn value(item: &str, written: &str) -> Option<Value> {
    if SIGNED.contains(&item) {
        return written
            .trim_start_matches(['-', '+'])
            .starts_with(|sign: char| sign.is_ascii_digit())
            .then_some(Value::Other);
    }
    if matches!(written, "-1" | "-" | "unlimited" | "infinity") {
        return Some(Value::Unlimited);
    }
    let digits = written.trim_start_matches('+');
    let end = digits.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(digits.len());
    let number = match digits[..end].parse() {
        Ok(number) => number,
        Err(_) if end > 0 => u64::MAX, // ERANGE
        // `-5` becomes a number near the largest one.
        Err(_) if written.starts_with('-') && written[1..].starts_with(|sign: char| sign.is_ascii_digit()) => u64::MAX,
        Err(_) => return None,
    };
    Some(if end == digits.len() { Value::Number(number) } else { Value::Cut(number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_pam_limits_reads_them() {
        let line = |text: &str| parse(Line::new("/etc/security/limits.conf", 0, text));
        for (text, domain, bound, value) in [
            ("* soft nofile 65535", "*", Bound::Soft, Value::Number(65_535)),
            ("@web\t-\tnofile\t1024 # comment", "@web", Bound::Both, Value::Number(1024)),
            ("root HARD NOFILE unlimited", "root", Bound::Hard, Value::Unlimited),
            ("* - nofile 65,535", "*", Bound::Both, Value::Cut(65)),
            ("* - nofile 64k", "*", Bound::Both, Value::Cut(64)),
            ("* - nofile 1024 2048", "*", Bound::Both, Value::Cut(1024)),
            ("* - nofile -1", "*", Bound::Both, Value::Unlimited),
        ] {
            let Some(Ok(limit)) = line(text) else { panic!("{text}") };
            assert_eq!((limit.domain.as_str(), limit.bound, limit.value), (domain, bound, value), "{text}");
        }
        for text in ["", "# x", "  ", "bob -"] {
            assert_eq!(line(text), None, "{text}");
        }
        for text in [
            "* soft nofile = 65535",
            "* soft nofile=65535",
            "* soft nofiles 65535",
            "* both nofile 65535",
            "* soft nofile",
            "ulimit -n 65535",
            "bob",
        ] {
            assert!(matches!(line(text), Some(Err(_))), "{text}");
        }
    }
}
