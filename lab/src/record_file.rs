//! The records that this program writes, as files that a user names. Finds the file, determines its kind and its
//! schema, and says why it is not a usable record. The contents belong to whoever wrote the record.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use results::named_file;
use serde_json::Value;

use crate::experiments;
use crate::refusal::Refusal;

/// Name of a record in the directory of its run.
const RECORD: &str = "record.json";

/// The command that wrote a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `bench` with a comparison.
    Comparison,
    /// `bench` with the scenario of this name.
    Scenario(&'static str),
    /// `load`.
    Load,
    /// `load --find-knee`.
    Knee,
    /// `load --self-test`.
    SelfTest,
}

impl Kind {
    /// Determines the kind by what only records of this kind have.
    fn of(document: &Value) -> Option<Kind> {
        let has = |name: &str| document.get(name).is_some();
        let experiment = document.get("experiment").and_then(Value::as_str);
        match experiment {
            Some(_) if has("cells") => Some(Kind::Comparison),
            Some(name) => {
                experiments::find(name).filter(|found| found.wrote(document)).map(|found| Kind::Scenario(found.name()))
            }
            None if has("response_us") && has("connections") => Some(Kind::Load),
            None if has("knee") && has("probes") => Some(Kind::Knee),
            None if has("attempts") && has("stall_us") => Some(Kind::SelfTest),
            _ => None,
        }
    }

    /// The newest schema that can be read.
    fn schema_max(self) -> u32 {
        match self {
            Kind::Comparison => results::record::SCHEMA,
            Kind::Load => loadgen::record::SCHEMA,
            // The schema of these has never changed.
            Kind::Scenario(_) | Kind::Knee | Kind::SelfTest => 1,
        }
    }

    /// The command that wrote it.
    pub fn command(self) -> String {
        let words = match self {
            Kind::Comparison => "bench",
            Kind::Scenario(name) => return format!("c10m bench {name}"),
            Kind::Load => "load",
            Kind::Knee => "load --find-knee",
            Kind::SelfTest => "load --self-test",
        };
        format!("c10m {words}")
    }
}

/// A record that was read; its fields are for its kind to check.
#[derive(Debug)]
pub struct RecordFile {
    /// The file that was read.
    pub path: PathBuf,
    /// Who wrote it.
    pub kind: Kind,
    /// The contents.
    pub document: Value,
}

impl RecordFile {
    /// Reads the record of a run, given the run's directory or the file.
    ///
    /// # Errors
    /// A [`Refusal`] that names what the user named.
    pub fn open(named: &Path) -> Result<RecordFile, Refusal> {
        let path = if named.is_dir() { named.join(RECORD) } else { named.to_owned() };
        let text = named_file::text(&path, named_file::RECORD_BYTES_MAX).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Refusal::usage(format!(
                "{} is no run: it has no {RECORD}; name a directory that `c10m bench` or `c10m load --out` wrote, as in \
                 results/runs/",
                named.display()
            )),
            ErrorKind::InvalidInput => Refusal::usage(format!("{} is no record: {error}", path.display())),
            _ => Refusal::failed(format!("cannot read the record {}: {error}", path.display())),
        })?;
        let document: Value = serde_json::from_str(&text).map_err(|error| {
            Refusal::failed(format!("{} is no record, or only a part of one: {error}", path.display()))
        })?;
        let Some(kind) = Kind::of(&document) else {
            let commands = "neither a run of `c10m bench` nor one of `c10m load`";
            return Err(Refusal::usage(format!("{} is no record: it is {commands}", path.display())));
        };
        let record = RecordFile { path, kind, document };
        record.check_schema()?;
        Ok(record)
    }

    fn check_schema(&self) -> Result<(), Refusal> {
        let (path, most) = (self.path.display(), self.kind.schema_max());
        let found = self.document.get("schema");
        match found.and_then(Value::as_u64) {
            Some(schema) if (1..=u64::from(most)).contains(&schema) => Ok(()),
            Some(schema) if schema > 0 => Err(Refusal::usage(format!(
                "{path} has schema {schema} of `{}`, and c10m {} reads up to {most}: use the c10m that wrote it, or a \
                 newer one",
                self.kind.command(),
                env!("CARGO_PKG_VERSION")
            ))),
            _ => {
                let found = found.map_or("none".to_owned(), Value::to_string);
                Err(Refusal::failed(format!("{path} is damaged: its schema should be a number and is {found}")))
            }
        }
    }

    /// The directory of the run, where the other files are. Only a file with the usual name of a record tells the
    /// directory.
    ///
    /// # Errors
    /// A [`Refusal`] that names what the user named.
    pub fn directory(&self) -> Result<PathBuf, Refusal> {
        if self.path.file_name().is_none_or(|name| name != RECORD) {
            return Err(Refusal::usage(format!(
                "{} is a record without its run: name the run's directory, or the {RECORD} in it",
                self.path.display()
            )));
        }
        let parent = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        Ok(parent.unwrap_or(Path::new(".")).to_owned())
    }
}
