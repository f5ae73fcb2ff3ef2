//! How much memory the buffers of each reactor may take: what was asked for, or a default that fits the control group.

use server::{BUFFER_MEMORY_LEN_MIN, Options};
use tuning::Bound;

/// One of so many parts of the control group's memory is for buffers by default; sockets, connections and the program
/// itself need the rest.
const PART: u64 = 4;

/// The limit of one reactor, and what has to be said of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) bytes: u64,
    pub(super) note: Option<String>,
}

/// A value of `--buffer-memory`.
pub(super) fn parse(text: &str) -> Result<u64, String> {
    let bytes = crate::size::size(text)?;
    let least = BUFFER_MEMORY_LEN_MIN as u64;
    if bytes < least {
        return Err(format!("a reactor needs at least {} for buffers", tuning::bytes(least)));
    }
    usize::try_from(bytes).map(|_| bytes).map_err(|_| "more than an address has room for".into())
}

/// What was `asked` for, or the default, which is less where the `group` has less.
///
/// # Errors
/// What to do where so many reactors have no room at all.
pub(super) fn choose(asked: Option<u64>, group: Option<Bound>, reactors: usize) -> Result<Choice, String> {
    let Some(Bound::At(group)) = group else {
        return Ok(Choice { bytes: asked.unwrap_or(Options::BUFFER_MEMORY as u64), note: None });
    };
    let reactors = reactors.max(1) as u64;
    if let Some(bytes) = asked {
        let note = (bytes.saturating_mul(reactors) > group).then(|| {
            format!(
                "--buffer-memory {} for each of {reactors} reactors is more than the {} of the control group: under load the kernel may end this process",
                tuning::bytes(bytes),
                tuning::bytes(group)
            )
        });
        return Ok(Choice { bytes, note });
    }
    let share = group / PART / reactors;
    let least = BUFFER_MEMORY_LEN_MIN as u64;
    if share < least {
        return Err(format!(
            "{reactors} reactors need at least {} each for buffers, and a quarter of the control group's {} is {} for all; use --reactors {}, give the group more memory, or set --buffer-memory",
            tuning::bytes(least),
            tuning::bytes(group),
            tuning::bytes(group / PART),
            (group / PART / least).max(1)
        ));
    }
    let default = Options::BUFFER_MEMORY as u64;
    let note = (share < default).then(|| {
        format!(
            "buffers may take {} in each reactor instead of {}, together a quarter of the control group's {}; --buffer-memory sets it",
            tuning::bytes(share),
            tuning::bytes(default),
            tuning::bytes(group)
        )
    });
    Ok(Choice { bytes: share.min(default), note })
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
        let note = choose(None, Some(Bound::At(64 * MIB)), 2).unwrap().note.unwrap();
        assert!(["8.0 MiB", "256.0 MiB", "64.0 MiB"].iter().all(|word| note.contains(word)), "{note}");
    }

    #[test]
    fn too_many_reactors_for_the_group_are_refused_with_a_number_that_fits() {
        let refusal = choose(None, Some(Bound::At(64 * MIB)), 5).unwrap_err();
        assert!(refusal.contains("--reactors 4") && refusal.contains("--buffer-memory"), "{refusal}");
        assert!(choose(None, Some(Bound::At(MIB)), 1).unwrap_err().contains("--reactors 1"));
    }

    #[test]
    fn what_is_asked_for_holds_and_a_risk_is_said() {
        let asked = Some(32 * MIB);
        assert_eq!(choose(asked, None, 2), Ok(Choice { bytes: 32 * MIB, note: None }));
        assert_eq!(choose(asked, Some(Bound::At(64 * MIB)), 2), Ok(Choice { bytes: 32 * MIB, note: None }));
        let risky = choose(asked, Some(Bound::At(64 * MIB)), 3).unwrap();
        assert_eq!((risky.bytes, risky.note.is_some()), (32 * MIB, true));
    }

    #[test]
    fn less_than_a_reactor_needs_is_no_size() {
        assert_eq!(parse("4MiB"), Ok(4 * MIB));
        assert!(parse("4194303").unwrap_err().contains("at least 4.0 MiB"));
        assert!(parse("lots").is_err());
    }
}
