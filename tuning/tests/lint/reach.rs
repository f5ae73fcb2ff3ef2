//! Whom a setting reaches, and why it is absent.

use host::Namespace;
use tuning::lint::{AfterReboot, Place, Reach};

use super::made::{KERNEL, Root, place, value};

fn reach(line: &str, place: &Place) -> Reach {
    let root = Root::new(KERNEL);
    root.write("etc/sysctl.d/50-a.conf", line.as_bytes());
    let lint = root.lint(place);
    value(&lint, line.split(' ').next().unwrap()).reach.clone()
}

#[test]
fn present_settings_reach_a_host_or_a_namespace() {
    let child = Place { namespace: Namespace::Own, ..place() };
    for (line, first, own) in [
        ("net.core.somaxconn = 1", Reach::OfThisNamespace, Reach::OfThisNamespace),
        ("net.core.rmem_max = 1", Reach::HostWide, Reach::ReadOnlyHere),
        ("fs.nr_open = 1", Reach::HostWide, Reach::HostWide),
        ("vm.swappiness = 1", Reach::HostWide, Reach::HostWide),
        ("net.ipv4.ip_forward = 1", Reach::Present, Reach::Present),
    ] {
        assert_eq!(reach(line, &place()), first, "{line}");
        assert_eq!(reach(line, &child), own, "{line}");
    }
}

#[test]
fn absence_has_a_reason() {
    let child = Place { namespace: Namespace::Own, ..place() };
    let old = Place { release: Some("5.15.0-100".to_owned()), ..place() };
    let since = || Reach::KernelTooOld { since: "6.6".to_owned() };
    let removed = || Reach::KernelTooNew { removed: "4.12".to_owned() };
    let module = || Reach::ModuleNotLoaded { module: "br_netfilter".to_owned() };
    for (line, place, expected) in [
        ("net.ipv4.tcp_tw_recycle = 1", place(), removed()),
        ("kernel.io_uring_disabled = 1", old.clone(), since()),
        ("kernel.io_uring_disabled = 1", place(), Reach::NotInThisKernel),
        ("net.bridge.bridge-nf-call-iptables = 1", place(), module()),
        ("net.ipv4.conf.eth7.rp_filter = 1", place(), Reach::NoSuchInterface),
        (
            "net.core.netdev_max_backlogs = 1",
            place(),
            Reach::NoSuchSetting { nearest: Some("net.core.netdev_max_backlog".to_owned()) },
        ),
        ("net.completely.other = 1", place(), Reach::NoSuchSetting { nearest: None }),
    ] {
        assert_eq!(reach(line, &place), expected, "{line}");
    }
    // In the namespace of a container the kernel hides the file.
    let kernel: Vec<(&str, &str)> = KERNEL.iter().copied().filter(|(path, _)| !path.contains("netdev_max")).collect();
    let root = Root::new(&kernel);
    root.write("etc/sysctl.d/50-a.conf", b"net.core.netdev_max_backlog = 5000\n");
    assert_eq!(value(&root.lint(&child), "net.core.netdev_max_backlog").reach, Reach::NotInThisNamespace);
    assert_eq!(value(&root.lint(&place()), "net.core.netdev_max_backlog").reach, Reach::NotInThisKernel);
    // A root without /proc/sys says nothing of the kernel.
    let bare = Root::new(&[("etc/sysctl.d/50-a.conf", "net.core.somaxcon = 1\n")]);
    let lint = bare.lint(&place());
    assert_eq!(value(&lint, "net.core.somaxcon").reach, Reach::NotShown);
    assert!(lint.mistakes.is_empty(), "{:?}", lint.mistakes);
}

#[test]
fn a_reboot_changes_what_differs() {
    let root = Root::new(KERNEL);
    root.write(
        "etc/sysctl.d/50-a.conf",
        b"net.core.somaxconn = 4096\nnet.ipv4.tcp_rmem = 4096 131072 33554432\nvm.swappiness = 0x3c\nfs.nr_open = 5\n\
          net.ipv4.tcp_wmem = a b c\nnet.ipv4.ip_local_port_range = 500 65535\nnet.ipv4.tcp_tw_reuse = 9\n\
          net.ipv4.tcp_congestion_control = hybla\nnet.netfilter.nf_conntrack_max = 5\n",
    );
    let lint = root.lint(&place());
    for (key, expected) in [
        ("net.core.somaxconn", Some(AfterReboot::Same)),
        ("net.ipv4.tcp_rmem", Some(AfterReboot::Same)),
        ("vm.swappiness", Some(AfterReboot::Same)),
        ("fs.nr_open", Some(AfterReboot::Changes { to: "5".to_owned() })),
        ("net.ipv4.tcp_wmem", None),
        ("net.ipv4.ip_local_port_range", None),
        ("net.ipv4.tcp_tw_reuse", None),
        ("net.ipv4.tcp_congestion_control", None),
        ("net.netfilter.nf_conntrack_max", None),
    ] {
        let after = &value(&lint, key).after_reboot;
        match expected {
            Some(expected) => assert_eq!(*after, expected, "{key}"),
            None => assert!(matches!(after, AfterReboot::Unknown { .. }), "{key}: {after:?}"),
        }
    }
    let inside = root.lint(&Place { is_container: true, has_systemd: false, ..place() });
    assert!(matches!(value(&inside, "fs.nr_open").after_reboot, AfterReboot::Unknown { .. }));
}
