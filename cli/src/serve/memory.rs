//! How much memory the buffers of each reactor may use: the requested amount, or a default that fits the control
//! group.

use host::Bound;
use server::{BUFFER_MEMORY_LEN_MIN, Options};

/// By default, buffers get the control group's memory divided by this. Sockets, connections and the program itself
/// need the rest.
const PART: u64 = 4;
/// The control group's memory divided by this. A request for as much gets a warning. The default never takes more,
/// even if each reactor has only the minimum it needs.
const RISK_PART: u64 = 2;

/// The limit of one reactor, and a note.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) bytes: u64,
    pub(super) note: Option<String>,
}

/// Parses a value of `--buffer-memory`.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let bytes = crate::size::size(text)?;
    let least = BUFFER_MEMORY_LEN_MIN as u64;
    if bytes < least {
        return Err(format!("a reactor needs at least {} for buffers", tuning::bytes(least)));
    }
    usize::try_from(bytes).map(|_| bytes).map_err(|_| "more than an address has room for".into())
}

/// What was `asked` for. Otherwise the default, or less if the `group` has less.
///
/// # Errors
/// What to do when there is not enough memory for so many reactors.
pub(super) fn choose(asked: Option<u64>, group: Option<Bound>, reactors: usize) -> Result<Choice, String> {
    let Some(Bound::At(group)) = group else {
        return Ok(Choice { bytes: asked.unwrap_or(Options::BUFFER_MEMORY as u64), note: None });
    };
    let reactors = reactors.max(1) as u64;
    if let Some(bytes) = asked {
        let all = bytes.saturating_mul(reactors);
        let note = (all >= group / RISK_PART).then(|| {
            format!(
                "buffers may take {} in each of {reactors} reactors, together {} of the control group's {}: under load the kernel may end this process",
                tuning::bytes(bytes),
                tuning::bytes(all),
                tuning::bytes(group)
            )
        });
        return Ok(Choice { bytes, note });
    }
    let (least, default) = (BUFFER_MEMORY_LEN_MIN as u64, Options::BUFFER_MEMORY as u64);
    if least.saturating_mul(reactors) > group / RISK_PART {
        let fits = group / RISK_PART / least;
        let fewer = if fits > 1 { format!("use --reactors {fits}, ") } else { String::new() };
        return Err(format!(
            "{reactors} reactor{} at least {} {}for buffers, and half of the control group's {} is {}; {fewer}give the group more memory, or set --buffer-memory",
            if reactors == 1 { " needs" } else { "s need" },
            tuning::bytes(least),
            if reactors == 1 { "" } else { "each " },
            tuning::bytes(group),
            tuning::bytes(group / RISK_PART),
        ));
    }
    let bytes = (group / PART / reactors).clamp(least, default);
    let note = (bytes < default).then(|| {
        let part = if bytes.saturating_mul(reactors) > group / PART { "more than a quarter" } else { "a quarter" };
        format!(
            "buffers may take {} in each reactor instead of {}, together {part} of the control group's {}; --buffer-memory sets it",
            tuning::bytes(bytes),
            tuning::bytes(default),
            tuning::bytes(group)
        )
    });
    Ok(Choice { bytes, note })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn the_default_is_a_quarter_of_the_group_at_most() {
        let check = |group: Option<Bound>, reactors: usize, mib: u64, is_said: bool| {
            let choice = choose(None, group, reactors).unwrap();
            assert_eq!((choice.bytes, choice.note.is_some()), (mib * MIB, is_said), "{group:?} {reactors}");
        };
        check(None, 2, 256, false);
        check(Some(Bound::Unlimited), 2, 256, false);
        check(Some(Bound::At(4096 * MIB)), 2, 256, false);
        check(Some(Bound::At(4096 * MIB)), 4, 256, false);
        check(Some(Bound::At(4096 * MIB)), 8, 128, true);
        check(Some(Bound::At(64 * MIB)), 1, 16, true);
        check(Some(Bound::At(64 * MIB)), 4, 4, true);
        // The least that a reactor needs, up to half of the group.
        check(Some(Bound::At(64 * MIB)), 5, 4, true);
        check(Some(Bound::At(64 * MIB)), 8, 4, true);
        let note = choose(None, Some(Bound::At(64 * MIB)), 2).unwrap().note.unwrap();
        assert!(["8.0 MiB", "256.0 MiB", "64.0 MiB"].iter().all(|word| note.contains(word)), "{note}");
    }

    #[test]
    fn the_least_of_each_reactor_may_be_more_than_a_quarter() {
        let note = |reactors| choose(None, Some(Bound::At(64 * MIB)), reactors).unwrap().note.unwrap();
        assert!(note(4).contains("together a quarter of"), "{}", note(4));
        assert!(note(5).contains("4.0 MiB in each reactor") && note(5).contains("more than a quarter"), "{}", note(5));
    }

    #[test]
    fn too_many_reactors_for_the_group_are_refused_with_a_number_that_fits() {
        let refusal = |mib, reactors| choose(None, Some(Bound::At(mib * MIB)), reactors).unwrap_err();
        let many = refusal(64, 9);
        assert!(many.contains("--reactors 8") && many.contains("--buffer-memory"), "{many}");
        // If at most one reactor fits, fewer reactors are no solution, or not worth the advice.
        for (mib, reactors) in [(1, 1), (8, 2)] {
            let small = refusal(mib, reactors);
            assert!(!small.contains("--reactors") && small.contains("more memory"), "{small}");
        }
    }

    #[test]
    fn what_is_asked_for_holds_and_a_risk_is_said_from_half_of_the_group_on() {
        let asked = |mib: u64, group, reactors| choose(Some(mib * MIB), group, reactors).unwrap();
        let group = Some(Bound::At(64 * MIB));
        assert_eq!(asked(32, None, 2), Choice { bytes: 32 * MIB, note: None });
        assert_eq!(asked(15, group, 2), Choice { bytes: 15 * MIB, note: None });
        for (mib, reactors) in [(16, 2), (32, 3)] {
            let risky = asked(mib, group, reactors);
            assert_eq!((risky.bytes, risky.note.is_some()), (mib * MIB, true));
        }
    }

    #[test]
    fn less_than_a_reactor_needs_is_no_size() {
        assert_eq!(parse("4MiB"), Ok(4 * MIB));
        assert!(parse("4194303").unwrap_err().contains("at least 4.0 MiB"));
        assert!(parse("lots").is_err());
    }
}
