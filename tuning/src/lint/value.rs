//! What the files say of one setting, and what the kernel says. Data only.

use serde::Serialize;

/// A setting that some file assigns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Effective {
    /// The sysctl with dots; or unit and setting, as in `nginx.service LimitNOFILE`; or domain, kind and item of
    /// limits.conf, as in `* soft nofile`.
    pub key: String,
    /// Every assignment, in the order in which the files are read at boot.
    pub assignments: Vec<Assignment>,
    /// Which of them is in force after a boot, as an index; `None`: none of them.
    pub wins: Option<usize>,
    /// Which of them is in force after `sysctl --system`, if it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wins_with_sysctl: Option<usize>,
    /// What the kernel has now, with single spaces.
    pub live: Option<String>,
    /// What a reboot does to it.
    pub after_reboot: AfterReboot,
    /// Whom it reaches, or why it is absent.
    pub reach: Reach,
}

/// One line that assigns a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assignment {
    /// The file.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The value as written.
    pub value: String,
    /// Whether the boot reads it.
    pub at_boot: bool,
    /// Whether `sysctl --system` reads it; always false where that is no reader of the file.
    pub by_sysctl: bool,
}

/// What a reboot does to a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum AfterReboot {
    /// Nothing: the files say what the kernel has.
    Same,
    /// It sets another value.
    Changes {
        /// The value after it.
        to: String,
    },
    /// Not known.
    Unknown {
        /// Why.
        because: String,
    },
}

/// Whom a setting reaches, or why it is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Reach {
    /// The whole host.
    HostWide,
    /// This network namespace.
    OfThisNamespace,
    /// It is there, but nobody can write it from here.
    ReadOnlyHere,
    /// It is there. Whom it reaches is not known.
    Present,
    /// Processes of a unit, from its next start on.
    OfAUnit,
    /// Login sessions that begin after it.
    OfLogins,
    /// Containers that start after it.
    OfContainers,
    /// Absent: its kernel module is not loaded.
    ModuleNotLoaded {
        /// The module.
        module: String,
    },
    /// Absent: only the first network namespace has it.
    NotInThisNamespace,
    /// Absent: this kernel is older than the setting.
    KernelTooOld {
        /// The first kernel with it.
        since: String,
    },
    /// Absent: this kernel no longer has it.
    KernelTooNew {
        /// The first kernel without it.
        removed: String,
    },
    /// Absent: there is no network interface of that name.
    NoSuchInterface,
    /// Absent, though it is known: this kernel was built without it, or hides it.
    NotInThisKernel,
    /// Absent: nobody knows such a setting.
    NoSuchSetting {
        /// A known name that is like it.
        nearest: Option<String>,
    },
    /// This host does not show /proc/sys.
    NotShown,
}

impl Reach {
    /// The same as a clause: "this kernel is too old: it is there from 6.11 on".
    pub fn words(&self) -> String {
        match self {
            Reach::HostWide => "it is the whole host's".to_owned(),
            Reach::OfThisNamespace => "it is this network namespace's".to_owned(),
            Reach::ReadOnlyHere => "it is read-only from here".to_owned(),
            Reach::Present => "it is there".to_owned(),
            Reach::OfAUnit => "it is a unit's".to_owned(),
            Reach::OfLogins => "it is of login sessions".to_owned(),
            Reach::OfContainers => "it is of containers".to_owned(),
            Reach::ModuleNotLoaded { module } => {
                format!("its module is not loaded: `modprobe {module}` loads it")
            }
            Reach::NotInThisNamespace => {
                "only the host's first network namespace has it, and this is another".to_owned()
            }
            Reach::KernelTooOld { since } => format!("this kernel is too old: it is there from {since} on"),
            Reach::KernelTooNew { removed } => format!("this kernel no longer has it: it is gone since {removed}"),
            Reach::NoSuchInterface => "there is no network interface of that name".to_owned(),
            Reach::NotInThisKernel => "this kernel was built without it, or hides it".to_owned(),
            Reach::NoSuchSetting { nearest: Some(nearest) } => format!("there is no such setting; there is {nearest}"),
            Reach::NoSuchSetting { nearest: None } => "there is no such setting".to_owned(),
            Reach::NotShown => "this host does not show /proc/sys".to_owned(),
        }
    }
}

/// A file or link that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileRead {
    /// Its path.
    pub path: String,
    /// Where its links lead, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<String>,
    /// What became of it.
    pub standing: Standing,
}

/// What became of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum Standing {
    /// It was read; the place in the list is its turn.
    Read,
    /// Only `sysctl --system` and `sysctl -p` read it.
    ReadBySysctlOnly,
    /// It is a link to /dev/null, or empty, and replaces files of its name.
    Empty,
    /// Another file of its name replaces it.
    Masked {
        /// That file.
        by: String,
    },
    /// Its name does not end in .conf.
    NotRead,
    /// It could not be read.
    Trouble,
}
