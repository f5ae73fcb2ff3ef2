//! Where a line stands. Data only.

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) file: String,
    /// Counted from 1; `None`: the whole file.
    pub(crate) number: Option<usize>,
    pub(crate) text: String,
}

impl Line {
    /// A whole file.
    pub(crate) fn file(file: &str) -> Line {
        Line { file: file.to_owned(), number: None, text: String::new() }
    }

    pub(crate) fn new(file: &str, index: usize, text: &str) -> Line {
        Line { file: file.to_owned(), number: Some(index + 1), text: text.to_owned() }
    }

    /// Whether the file belongs to whoever runs the host, not to a package.
    pub(crate) fn is_of_admin(&self) -> bool {
        is_of_admin(&self.file)
    }
}

/// Packages write to /usr/lib and /lib; /etc, /run and /usr/local are for whoever runs the host (file-hierarchy(7)).
pub(crate) fn is_of_admin(file: &str) -> bool {
    !(file.starts_with("/usr/lib/") || file.starts_with("/lib/"))
}
