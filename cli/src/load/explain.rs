//! What to read first when a run went wrong, and what each kind of error means.

use std::io::{self, Write};

use loadgen::error_meaning;
use loadgen::record::{LikelyCause, Record, State};
use tuning::thousands;

use super::headline;
use super::layout::paragraph;

/// The likely cause if a run completed nothing, and how many of the requested requests were not sent.
pub(super) fn first(output: &mut impl Write, record: &Record, width: usize) -> io::Result<()> {
    if let Some(cause) = &record.likely_cause {
        likely(output, cause, width)?;
    }
    if let Some(text) = short_of(record) {
        paragraph(output, &text, width, "", "  ")?;
    }
    Ok(())
}

/// The cause, and the beginning of the first bad reply.
pub(super) fn likely(output: &mut impl Write, cause: &LikelyCause, width: usize) -> io::Result<()> {
    paragraph(output, &format!("nothing went well: {}", cause.text), width, "", "  ")?;
    let Some(sample) = &cause.sample else { return Ok(()) };
    paragraph(output, &format!("the first bad reply begins: {sample}"), width, "  ", "    ")
}

/// How many of the requested requests were sent, if not all.
fn short_of(record: &Record) -> Option<String> {
    let asked = record.requests.asked.filter(|&asked| record.requests.sent < asked)?;
    let why = match record.duration_planned_us {
        _ if record.interrupted => "the run was interrupted",
        Some(_) => "--duration was over",
        None => "no connection was open for as long as one connect may take (--connect-timeout)",
    };
    Some(format!("sent {} of the {} requests asked for: {why}", thousands(record.requests.sent), thousands(asked)))
}

/// One line for each kind of error, and a note about requests that were sent again.
pub(super) fn errors(output: &mut impl Write, record: &Record, width: usize) -> io::Result<()> {
    for (what, errors) in [("requests", &record.requests.errors), ("connections", &record.connections.errors)] {
        for (name, count) in errors {
            // A record of another version may have error names unknown here.
            let meaning = error_meaning(name).map_or(String::new(), |meaning| format!(" ({meaning})"));
            paragraph(output, &format!("{what} lost to {name}: {count}{meaning}"), width, "", "  ")?;
        }
    }
    if record.requests.resent > 0 {
        paragraph(output, &resent(record), width, "", "  ")?;
    }
    Ok(())
}

/// How many requests were sent again, why, and how to avoid it.
fn resent(record: &Record) -> String {
    let requests = record.requests.completed_whole_run / record.connections.closed.max(1);
    // If the generator closes connections too, their number says nothing about the server.
    let when = match record.requests_per_connection {
        None => format!(" after about {} requests", thousands(requests.max(1))),
        Some(_) => String::new(),
    };
    format!(
        "requests were sent again {} times, because the server announced the end of a connection with an earlier \
         reply. They are no failures, but they cost a connect: it ends connections{when} (keepalive_requests of \
         nginx, MaxKeepAliveRequests of Apache); raise that, or lower --pipeline",
        thousands(record.requests.resent),
    )
}

/// The checks worth reading. Those that follow from the likely cause are only counted. Without a window, V13 says no
/// more than the verdict does.
pub(super) fn verdict(output: &mut impl Write, record: &Record, width: usize) -> io::Result<()> {
    writeln!(output, "{}", headline::verdict(record))?;
    if !headline::is_nothing(record) {
        paragraph(output, &headline::parts(record), width, "  ", "     ")?;
    }
    if let Some(line) = headline::unjudged(record) {
        paragraph(output, &line, width, "  ", "     ")?;
    }
    let is_news = |id: &str| id != "V13" || !headline::is_nothing(record);
    let objections = record.verdict.checks.iter().filter(|check| check.state > State::Valid && is_news(&check.id));
    let (following, others): (Vec<_>, Vec<_>) = objections.partition(|check| check.follows);
    for check in others {
        let found = format!("{} {} {}: {}", check.state.name(), check.id, check.title, check.value);
        paragraph(output, &found, width, "  ", "     ")?;
        paragraph(output, &check.why, width, "     ", "     ")?;
    }
    if !following.is_empty() {
        let ids: Vec<&str> = following.iter().map(|check| check.id.as_str()).collect();
        paragraph(
            output,
            &format!("{} follow from the first line (--json has them)", ids.join(", ")),
            width,
            "  ",
            "     ",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::sample;
    use loadgen::record::CauseKind;

    fn text(record: &Record) -> String {
        let mut bytes = Vec::new();
        first(&mut bytes, record, 80).expect("a Vec");
        errors(&mut bytes, record, 80).expect("a Vec");
        verdict(&mut bytes, record, 80).expect("a Vec");
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn the_cause_comes_first_and_what_follows_is_not_listed() {
        let mut record = sample::record(None);
        let check = |record: &mut Record, id: &str, follows: bool| {
            let check = record.verdict.checks.iter_mut().find(|check| check.id == id).expect("a check");
            (check.state, check.follows, check.why) = (State::Invalid, follows, format!("reason of {id}"));
        };
        check(&mut record, "V8", true);
        check(&mut record, "V10", false);
        record.likely_cause = Some(LikelyCause {
            kind: CauseKind::Tls,
            text: "this looks like TLS".into(),
            sample: Some("\\x15\\x03".into()),
        });
        let shown = text(&record);
        assert!(
            shown.starts_with("nothing went well: this looks like TLS\n  the first bad reply begins: \\x15\\x03\n"),
            "{shown}"
        );
        assert!(shown.contains("reason of V10") && !shown.contains("reason of V8"), "{shown}");
        assert!(shown.contains("V8 follow from"), "{shown}");
    }

    #[test]
    fn errors_are_explained_and_repeats_are_none() {
        let mut record = sample::record(None);
        record.requests.errors = [("status_405".to_owned(), 7), ("timeout".to_owned(), 1)].into();
        record.connections.errors = [("ECONNREFUSED".to_owned(), 2)].into();
        (record.requests.resent, record.requests.completed_whole_run, record.connections.closed) = (1234, 1000, 10);
        let shown = text(&record);
        for part in [
            "requests lost to status_405: 7 (the path does not permit this --method)",
            "requests lost to timeout: 1 (no reply within --timeout)",
            "connections lost to ECONNREFUSED: 2 (nobody listens there)",
            "requests were sent again 1,234 times",
            "about 100 requests",
        ] {
            assert!(shown.replace("\n  ", " ").contains(part), "{part:?} is not in\n{shown}");
        }
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        record.requests_per_connection = Some(7);
        assert!(!resent(&record).contains("after about"), "closes of both sides say nothing of one");
    }

    #[test]
    fn fewer_requests_than_asked_for_are_said() {
        let mut record = sample::record(None);
        record.requests.sent = 37;
        for (asked, interrupted, planned, part) in [
            (None, false, None, ""),
            (Some(37), false, None, ""),
            (Some(1000), true, None, "sent 37 of the 1,000 requests asked for: the run was interrupted"),
            (Some(1000), false, Some(0), "--duration was over"),
            (Some(1000), false, None, "no connection was open"),
        ] {
            (record.requests.asked, record.interrupted, record.duration_planned_us) = (asked, interrupted, planned);
            let found = short_of(&record).unwrap_or_default();
            assert!(found.contains(part) && found.is_empty() == part.is_empty(), "{found:?}: {part:?}");
        }
    }
}
