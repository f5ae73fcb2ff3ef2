//! `c10m bench list`: for each experiment, what it asks, runs, takes and decides. Runs nothing.

use results::report::count;

use crate::experiments;
use crate::kinds::experiment::Listed;

/// Width of the text in columns.
const WIDTH: usize = 80;
/// Indentation by the width of the labels.
const INDENT: &str = "            ";

/// All experiments, as JSON or for people.
///
/// # Errors
/// When JSON cannot be made of them.
pub fn text(is_json: bool) -> anyhow::Result<String> {
    let listed: Vec<Listed> = experiments::shown().map(|experiment| experiment.listed()).collect();
    if is_json {
        return Ok(serde_json::to_string(&listed)? + "\n");
    }
    Ok(listed.iter().map(for_people).collect::<Vec<_>>().join("\n"))
}

/// The names of all experiments, in the order of the list.
pub fn names() -> Vec<&'static str> {
    experiments::shown().map(|experiment| experiment.name()).collect()
}

fn for_people(listed: &Listed) -> String {
    let mut text = wrapped(&format!("{:<12}", listed.name), listed.question);
    text += &wrapped(INDENT, listed.explanation);
    for (index, profile) in listed.profiles.iter().enumerate() {
        let default = if index == 0 && listed.profiles.len() > 1 { " (the default)" } else { "" };
        let starts = count(profile.runs as f64);
        let blocks = format!("{starts} starts in each of as many blocks as fit");
        let repeats = |repeats| format!("{starts} starts of {} s, {repeats} repeats", profile.seconds_per_run);
        let runs = profile.repeats.map_or(blocks, repeats);
        let runs = format!("{runs}, about {:.0} min{default}", profile.expected_minutes.max(1.0));
        text += &wrapped(&format!("  {:<10}", profile.profile.word()), &runs);
        // If consecutive profiles have the same text, print it only once.
        let before = index.checked_sub(1).map(|before| &listed.profiles[before]);
        if before.is_none_or(|before| before.arms != profile.arms) {
            text += &wrapped("    arms    ", &profile.arms.join("; "));
        }
        if before.is_none_or(|before| before.loads != profile.loads) {
            text += &wrapped("    loads   ", &profile.loads.join("; "));
        }
    }
    text + &wrapped("  decides   ", &listed.decision)
}

/// `text` in lines of [`WIDTH`] columns. Only the first line has the label.
fn wrapped(label: &str, text: &str) -> String {
    let options = textwrap::Options::new(WIDTH)
        .initial_indent(label)
        .subsequent_indent(INDENT)
        // Keeps rates such as 5,000/s in one piece.
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options) + "\n"
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_list_fits_a_narrow_terminal_and_hides_what_is_hidden() {
        let text = text(false).expect("text");
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        for name in ["quick", "generator", "agreement", "backends", "ladder", "c10m", "omission"] {
            assert!(text.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}");
        }
        assert!(!text.contains("smoke"));
    }

    #[test]
    fn the_json_list_has_the_same() {
        let listed: Value = serde_json::from_str(&text(true).expect("text")).expect("JSON");
        let backends = listed.as_array().expect("a list").iter().find(|entry| entry["name"] == "backends");
        let profiles = &backends.expect("there")["profiles"];
        assert_eq!((profiles[0]["profile"].as_str(), profiles[1]["profile"].as_str()), (Some("quick"), Some("full")));
        assert!(profiles[0]["expected_minutes"].as_f64() < Some(5.0), "{profiles}");
    }
}
