//! What a change comes to, as a page and as JSON.

use std::path::PathBuf;

use comfy_table::{Cell, Color};
use serde::Serialize;
use tuning::change::{ByHand, Refusal, SettingChange, Standing};

use crate::tune::layout::{new_table, shown, wrapped};

/// What a change comes to, as shown and as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) what: String,
    /// Whether it was written.
    pub(super) written: bool,
    /// A change that was interrupted, and undone first.
    pub(super) recovered: Option<String>,
    pub(super) settings: Vec<SettingChange>,
    pub(super) files: Vec<ShownFile>,
    /// What keeps it from being written.
    pub(super) refusals: Vec<Refusal>,
    /// What was left out because it cannot be set here.
    pub(super) left_out: Vec<Refusal>,
    pub(super) by_hand: Vec<ByHand>,
    /// Lines of files that are read later, so that a boot ends with their values.
    pub(super) overridden: Vec<Overridden>,
}

/// A line of a file that is read after the one that is written.
#[derive(Debug, Serialize)]
pub(super) struct Overridden {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: usize,
    pub(super) value: String,
}

#[derive(Debug, Serialize)]
pub(super) struct ShownFile {
    pub(super) path: PathBuf,
    pub(super) state: FileState,
    pub(super) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FileState {
    New,
    Changes,
    Same,
}

pub(super) fn render(shown: &Shown, width: u16) -> String {
    let wide: usize = width.into();
    let mut text = headline(shown, wide);
    if !shown.settings.is_empty() {
        text.push_str(&table(&shown.settings, width));
        text.push('\n');
    }
    for file in &shown.files {
        let state = match file.state {
            FileState::New => "new",
            FileState::Changes => "changes",
            FileState::Same => "as it is",
        };
        text.push_str(&format!("file   {}: {state}\n", file.path.display()));
    }
    let lists = [("refused", &shown.refusals), ("left out", &shown.left_out)];
    for (word, refusals) in lists {
        for refusal in refusals {
            text.push_str(&wrapped(&format!("{word}: {}: {}", refusal.name, refusal.why), "  ", wide));
        }
    }
    for each in &shown.overridden {
        let line =
            format!("WARNING: {}:{} is read later and sets {} = {}", each.file, each.line, each.name, each.value);
        text.push_str(&wrapped(&line, "  ", wide));
    }
    if !shown.by_hand.is_empty() {
        text.push_str("\nNot settings of sysctl(8), so by hand (`c10m tune explain NAME`):\n");
        for each in &shown.by_hand {
            let value = each.value.as_ref().map(|value| format!(" = {value}")).unwrap_or_default();
            text.push_str(&wrapped(&format!("  {}{value}: {}", each.name, each.because), "    ", wide));
        }
    }
    text
}

fn headline(shown: &Shown, width: usize) -> String {
    let changes = shown.settings.iter().filter(|each| each.standing == Standing::Changes).count();
    let files = shown.files.iter().filter(|file| file.state != FileState::Same).count();
    let verb = match (shown.refusals.is_empty(), shown.written) {
        (false, _) => "refused, nothing was written",
        (true, true) => "written",
        (true, false) => "a dry run, nothing was written",
    };
    let count = format!(
        "{}: {} of {} settings and {} {} differ; {verb}.",
        shown.what,
        changes,
        shown.settings.len(),
        files,
        if files == 1 { "file" } else { "files" },
    );
    let mut text = wrapped(&count, "", width);
    if let Some(what) = &shown.recovered {
        let done = if shown.written { "was undone first" } else { "will be undone first" };
        text.push_str(&wrapped(&format!("An earlier change was interrupted ({what}) and {done}."), "", width));
    }
    text
}

fn table(settings: &[SettingChange], width: u16) -> String {
    let mut table = new_table(width, ["", "setting", "is", "becomes"]);
    for each in settings {
        let (word, color, becomes) = match each.standing {
            Standing::Same => ("same", Color::Green, "–".to_owned()),
            Standing::Enough => ("enough", Color::Green, format!("– (wanted {})", each.wanted)),
            Standing::Changes => ("change", Color::Yellow, each.after.clone()),
        };
        let now = each.before.split_whitespace().collect::<Vec<_>>().join(" ");
        table.add_row([Cell::new(word).fg(color), Cell::new(&each.name), Cell::new(shown(&now)), Cell::new(becomes)]);
    }
    table.trim_fmt() + "\n"
}
