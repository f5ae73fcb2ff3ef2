//! Which file is read, and which value wins.

use tuning::lint::{AfterReboot, Lint, MistakeKind, Standing};

use super::made::{KERNEL, Root, place, places, value, winner};

fn lint(files: &[(&str, &str)]) -> Lint {
    let root = Root::new(KERNEL);
    for (file, contents) in files {
        root.write(file, contents.as_bytes());
    }
    root.lint(&place())
}

const KEY: &str = "net.core.somaxconn";

#[test]
fn of_files_with_one_name_the_first_directory_is_read() {
    let places = ["etc", "run", "usr/local/lib", "usr/lib"].map(|place| format!("{place}/sysctl.d/50-a.conf"));
    for first in 0..places.len() {
        let texts: Vec<String> = (0..places.len()).map(|at| format!("{KEY} = {}\n", 5000 + at)).collect();
        let files: Vec<(&str, &str)> =
            places.iter().zip(&texts).map(|(place, text)| (place.as_str(), text.as_str())).skip(first).collect();
        let lint = lint(&files);
        assert_eq!(winner(&lint, KEY), (5000 + first).to_string());
        assert_eq!(value(&lint, KEY).assignments.len(), 1);
        let masked = lint.files.iter().filter(|file| matches!(file.standing, Standing::Masked { .. })).count();
        assert_eq!(masked, places.len() - 1 - first);
    }
}

#[test]
fn the_later_name_wins_whatever_its_directory() {
    let lint = lint(&[
        ("usr/lib/sysctl.d/90-b.conf", "net.core.somaxconn = 9000\n"),
        ("etc/sysctl.d/10-a.conf", "net/core/somaxconn = 5000\n"),
        ("etc/sysctl.d/9-c.conf", "net.core.somaxconn = 8000\n"), // "9-" sorts behind "10-" and "90"
    ]);
    let files: Vec<&str> = value(&lint, KEY).assignments.iter().map(|each| each.file.as_str()).collect();
    let expected = ["/etc/sysctl.d/10-a.conf", "/etc/sysctl.d/9-c.conf", "/usr/lib/sysctl.d/90-b.conf"];
    assert_eq!(files, expected, "- sorts before 0");
    assert_eq!(winner(&lint, KEY), "9000");
    assert_eq!(value(&lint, KEY).live.as_deref(), Some("4096"));
    assert_eq!(value(&lint, KEY).after_reboot, AfterReboot::Changes { to: "9000".to_owned() });
}

#[test]
fn a_link_to_dev_null_masks() {
    let lint = lint(&[
        ("usr/lib/sysctl.d/50-a.conf", "net.core.somaxconn = 9000\n"),
        ("etc/sysctl.d/50-a.conf", "-> /dev/null"),
    ]);
    assert!(lint.values.is_empty(), "{:?}", lint.values);
    assert_eq!(places(&lint, MistakeKind::MaskedFile), ["/usr/lib/sysctl.d/50-a.conf:0"]);
    assert!(lint.mistakes.iter().all(|mistake| mistake.state == tuning::State::Info), "{:?}", lint.mistakes);
}

#[test]
fn lib_that_links_to_usr_lib_counts_once() {
    let lint = lint(&[("usr/lib/sysctl.d/50-a.conf", "net.core.somaxconn = 4096\n"), ("lib", "-> usr/lib")]);
    assert_eq!(value(&lint, KEY).assignments.len(), 1);
    assert!(lint.mistakes.is_empty(), "{:?}", lint.mistakes);
}

#[test]
fn sysctl_conf_has_two_readers() {
    let conf = ("etc/sysctl.conf", "net.core.somaxconn = 9000\n");
    let later = ("etc/sysctl.d/99-zz.conf", "net.core.somaxconn = 5000\n");
    let link = ("etc/sysctl.d/99-sysctl.conf", "-> ../sysctl.conf");

    // Debian 13: no link. systemd does not read it, sysctl(8) reads it last.
    let alone = lint(&[conf]);
    assert_eq!((value(&alone, KEY).wins, value(&alone, KEY).wins_with_sysctl), (None, Some(0)));
    assert!(matches!(value(&alone, KEY).after_reboot, AfterReboot::Unknown { .. }));
    assert_eq!(places(&alone, MistakeKind::SysctlConfNotRead), ["/etc/sysctl.conf:1"]);
    let standing = &alone.files.iter().find(|file| file.path == "/etc/sysctl.conf").unwrap().standing;
    assert_eq!(*standing, Standing::ReadBySysctlOnly);

    let both = lint(&[conf, later]);
    assert_eq!((winner(&both, KEY), value(&both, KEY).wins_with_sysctl), ("5000", Some(1)));
    assert_eq!(places(&both, MistakeKind::ReadersDisagree), ["/etc/sysctl.conf:1"]);

    // Debian 12: the link makes it an ordinary file of that name, and only a later file disagrees.
    let linked = lint(&[conf, link]);
    assert_eq!(winner(&linked, KEY), "9000");
    assert_eq!(value(&linked, KEY).assignments.len(), 1);
    assert!(places(&linked, MistakeKind::SysctlConfNotRead).is_empty());
    assert!(places(&linked, MistakeKind::ReadersDisagree).is_empty());
    let linked_and_later = lint(&[conf, link, later]);
    assert_eq!(winner(&linked_and_later, KEY), "5000");
    assert_eq!(value(&linked_and_later, KEY).wins_with_sysctl, Some(0));
    assert_eq!(places(&linked_and_later, MistakeKind::ReadersDisagree), ["/etc/sysctl.conf:1"]);

    // Without systemd, the boot runs `sysctl --system`.
    let root = Root::new(KERNEL);
    for (file, contents) in [conf, later, link] {
        root.write(file, contents.as_bytes());
    }
    let without = root.lint(&tuning::lint::Place { has_systemd: false, ..place() });
    assert_eq!(winner(&without, KEY), "9000");
    assert_eq!(value(&without, KEY).wins_with_sysctl, None);
    assert_eq!(value(&without, KEY).assignments.len(), 2);
}

#[test]
fn patterns_yield_to_names_and_exclusions() {
    let lint = lint(&[(
        "etc/sysctl.d/50-a.conf",
        "net.ipv4.conf.default.rp_filter = 0\nnet.ipv4.conf.*.rp_filter = 1\n-net.ipv4.conf.all.rp_filter\n",
    )]);
    assert_eq!(winner(&lint, "net.ipv4.conf.eth0.rp_filter"), "1");
    assert_eq!(winner(&lint, "net.ipv4.conf.default.rp_filter"), "0");
    assert_eq!(value(&lint, "net.ipv4.conf.all.rp_filter").wins, None);
    assert_eq!(value(&lint, "net.ipv4.conf.eth0.rp_filter").live.as_deref(), Some("2"));
}

#[test]
fn limits_d_comes_after_limits_conf_by_name() {
    let lint = lint(&[
        ("etc/security/limits.conf", "* soft nofile 1000\nroot - nofile 5\n"),
        ("etc/security/limits.d/20-b.conf", "* soft nofile 3000\n"),
        ("etc/security/limits.d/10-a.conf", "* soft nofile 2000\n* hard nofile 4000\n"),
    ]);
    assert_eq!(winner(&lint, "* soft nofile"), "3000");
    assert_eq!(winner(&lint, "* hard nofile"), "4000");
    let order: Vec<&str> = value(&lint, "* soft nofile").assignments.iter().map(|each| each.value.as_str()).collect();
    assert_eq!(order, ["1000", "2000", "3000"]);
    assert_eq!(winner(&lint, "root soft nofile"), "5");
}

#[test]
fn drop_ins_come_after_the_unit_by_name() {
    let unit = |number: u32| format!("[Service]\nLimitNOFILE={number}\n");
    let texts: Vec<String> = (0..6).map(|number| unit(1000 + number)).collect();
    let lint = lint(&[
        ("usr/lib/systemd/system/web-front.service", &texts[0]),
        ("usr/lib/systemd/system/web-front.service.d/50-b.conf", &texts[1]),
        ("etc/systemd/system/web-.service.d/60-c.conf", &texts[2]),
        ("etc/systemd/system/service.d/70-d.conf", &texts[3]),
        ("usr/lib/systemd/system/service.d/60-c.conf", &texts[4]), // the unit's own directory replaces it
        ("etc/systemd/system/other.service", &texts[5]),
    ]);
    let found = value(&lint, "web-front.service LimitNOFILE");
    let order: Vec<&str> = found.assignments.iter().map(|each| each.value.as_str()).collect();
    assert_eq!(order, ["1000", "1001", "1002", "1003"]);
    assert_eq!(winner(&lint, "web-front.service LimitNOFILE"), "1003");
    assert_eq!(winner(&lint, "other.service LimitNOFILE"), "1003");
}

#[test]
fn a_unit_in_etc_replaces_the_packages_one() {
    let lint = lint(&[
        ("usr/lib/systemd/system/a.service", "[Service]\nLimitNOFILE=1000\n"),
        ("etc/systemd/system/a.service", "[Service]\nLimitNOFILE=2000\n"),
        ("etc/systemd/system/alias.service", "-> /etc/systemd/system/a.service"),
        ("etc/systemd/system.conf", "[Manager]\nDefaultLimitNOFILE=1024:3000\n"),
        ("etc/systemd/system.conf.d/50-a.conf", "[Manager]\nDefaultLimitNOFILE=1024:4000\n"),
    ]);
    assert_eq!(value(&lint, "a.service LimitNOFILE").assignments.len(), 1);
    assert_eq!(winner(&lint, "a.service LimitNOFILE"), "2000");
    assert_eq!(winner(&lint, "system.conf DefaultLimitNOFILE"), "1024:4000");
    assert!(!lint.values.iter().any(|value| value.key.starts_with("alias")));
}
