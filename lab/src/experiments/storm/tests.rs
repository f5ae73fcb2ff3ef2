//! What the table of the experiment promises.

use super::SCENARIO;
use super::scenes::{self, Scene, foretold};
use crate::kinds::scenario::plan::Scenario;
use crate::session::request::Profile;

/// The longest that somebody waits for an answer, in seconds, with the repeats and seconds that are usual.
#[test]
fn the_profiles_are_as_short_as_they_should_be() {
    for (profile, most_s) in [(Profile::Quick, 90.0), (Profile::Full, 40.0 * 60.0)] {
        let (repeats, seconds) = SCENARIO.about.length.usual();
        let cases = SCENARIO.cases(profile);
        let whole = |case| SCENARIO.seconds(case, seconds).whole * f64::from(SCENARIO.repeats(case, repeats));
        let all_s: f64 = cases.iter().map(whole).sum();
        assert!(all_s > most_s / 4.0 && all_s < most_s, "{profile:?}: {all_s} s");
    }
}

/// A policy is foretold at both sizes, so both scenes must have it; and no two arms have one name.
#[test]
fn policies_are_measured_at_both_sizes() {
    let arms = scenes::arms(Profile::Full);
    let names = |scene: &Scene| -> Vec<&str> {
        let own = arms.iter().filter(|arm| arm.group == scene.title);
        own.map(|arm| arm.name.split(',').next().unwrap_or_default()).collect()
    };
    let [small, large] = foretold().map(names);
    let slow = super::arms::SLOW_JITTER.split(',').next().unwrap_or_default();
    assert!(large.len() > 5 && large.iter().all(|name| small.contains(name) || *name == slow), "{small:?} {large:?}");
    let mut all: Vec<&str> = arms.iter().map(|arm| arm.name).collect();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

/// nft(8) has keywords where names are expected, `all` among them.
#[test]
fn the_firewall_understands_its_rules() {
    for rules in [super::faults::DROP, &super::faults::lose()] {
        let output = match std::process::Command::new("nft").args(["--check", rules]).output() {
            Ok(output) => output,
            Err(error) if std::env::var_os("CI").is_some() => panic!("CI must be able to test it: nft: {error}"),
            Err(error) => return eprintln!("skipped, nft cannot be run: {error}"),
        };
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || said.contains("Operation not permitted"), "{said}");
    }
}

/// 64,512 ports of each address, half of which are taken first; an address for each 20,000 clients.
#[test]
fn ports_are_those_of_one_parity() {
    assert_eq!([1_000, 10_000, 20_001, 100_000].map(scenes::ports), [32_256, 32_256, 64_512, 161_280]);
}
