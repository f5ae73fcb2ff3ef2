//! What the records and reports of all scenarios share: the head of the record, and the end of the report.

use results::report::{Block, Figure, fact, host_table};
use results::shell;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Schema version of the records.
pub(crate) const SCHEMA: u32 = 1;

/// The origin of a record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) schema: u32,
    pub(crate) experiment: String,
    /// Absent when the scenario has only one profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<String>,
    pub(crate) question: String,
    pub(crate) started_at: String,
    pub(crate) duration_s: f64,
    pub(crate) command: Vec<String>,
    pub(crate) version: String,
    pub(crate) commit: String,
    pub(crate) host: Value,
    pub(crate) seed: u64,
    /// Whether the fault was left out that the scenario is about.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) without_fault: bool,
}

impl Head {
    /// The origin in words, without a full stop.
    pub(crate) fn words(&self) -> String {
        let fact = |pointer: &str| fact(&self.host, pointer);
        format!(
            "{} (c10m {}, commit {}), started {}, {:.0} s in all. Host: Linux {}, {}, {} processors",
            code(&self.command),
            self.version,
            self.commit,
            self.started_at,
            self.duration_s,
            fact("/kernel/release"),
            fact("/cpu/model"),
            fact("/cpu/online_count"),
        )
    }
}

/// Formats a command for a sentence.
pub(crate) fn code(command: &[String]) -> String {
    format!("`{}`", shell::line(command).replace('`', "'"))
}

pub(crate) fn heading(text: &str) -> Block {
    Block::Heading(text.to_owned())
}

/// A drawing whose caption is also its text for readers who cannot see it. `None` when there is too little to draw.
pub(crate) fn figure(svg: Option<String>, name: &str, caption: &str) -> Option<Block> {
    svg.map(|svg| {
        Block::Figure(Figure {
            name: format!("{name}.svg"),
            alt: caption.to_owned(),
            caption: format!("{caption} Drawn by `c10m report`."),
            svg,
        })
    })
}

/// The end of a report: the lists that are not empty, the host, the notes.
pub(crate) fn tail(lists: [(&str, &[String]); 2], head: &Head, notes: &[String]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for (title, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
        blocks.extend([heading(title), Block::List(items.to_vec())]);
    }
    blocks.extend([heading("Notes and limits"), Block::List(notes.to_vec())]);
    let host = vec![Block::Table(host_table(&head.host))];
    blocks.push(Block::PageOnly { summary: "The host and its settings".to_owned(), blocks: host });
    blocks
}

/// The text of a file.
pub(crate) fn text(files: &[(String, String)], name: &str) -> Option<String> {
    files.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
}
