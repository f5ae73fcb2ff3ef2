//! Files as distributions install them: nothing to complain about. Settings and layouts are theirs; comments are left
//! out.

use tuning::State;

use super::made::{KERNEL, Root, both, place};

type Files = &'static [(&'static str, &'static str)];

const PID_MAX: (&str, &str) = ("usr/lib/sysctl.d/50-pid-max.conf", "kernel.pid_max = 4194304\n");
const PROTECT: (&str, &str) = (
    "usr/lib/sysctl.d/99-protect-links.conf",
    "fs.protected_fifos = 1\nfs.protected_hardlinks = 1\nfs.protected_regular = 2\nfs.protected_symlinks = 1\n",
);
const SYSTEM_CONF: &str = "[Manager]\n#LogLevel=info\n#DefaultLimitNOFILE=1024:524288\n#DefaultTasksMax=15%\n";
const LIMITS_CONF: &str = "#<domain> <type> <item> <value>\n#* soft core 0\n#@student - maxlogins 4\n# End of file\n";
/// Units of systemd itself, of Docker and of databases, with limits as packages set them.
const UNITS: [(&str, &str); 5] = [
    ("usr/lib/systemd/system/systemd-journald.service", "[Unit]\nDescription=J\n[Service]\nLimitNOFILE=524288\n"),
    (
        "usr/lib/systemd/system/docker.service",
        "[Service]\nLimitNOFILE=infinity\nLimitNPROC=infinity\nTasksMax=infinity\n",
    ),
    (
        "usr/lib/systemd/system/containerd.service",
        "[Service]\nLimitNOFILE=infinity\nTasksMax=infinity\nLimitCORE=infinity\n",
    ),
    ("usr/lib/systemd/system/mariadb.service", "[Service]\nLimitNOFILE=32768\nTasksMax=99%\n"),
    ("usr/lib/systemd/system/user-.slice.d/10-defaults.conf", "[Slice]\nTasksMax=33%\n"),
];
const SYSTEMD_DEFAULT: &str = "kernel.sysrq = 16\nkernel.core_uses_pid = 1\nnet.ipv4.conf.default.rp_filter = 2\n\
    net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\nnet.ipv4.conf.default.accept_source_route = 0\n\
    net.ipv4.conf.*.accept_source_route = 0\n-net.ipv4.conf.all.accept_source_route\n\
    net.ipv4.conf.default.promote_secondaries = 1\nnet.ipv4.conf.*.promote_secondaries = 1\n\
    -net.ipv4.conf.all.promote_secondaries\n-net.ipv4.ping_group_range = 0 2147483647\n\
    -net.core.default_qdisc = fq_codel\nfs.protected_hardlinks = 1\nfs.protected_symlinks = 1\nfs.protected_regular = 1\n\
    fs.protected_fifos = 1\n";
const COREDUMP: (&str, &str) = (
    "usr/lib/sysctl.d/50-coredump.conf",
    "kernel.core_pattern=|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\nkernel.core_pipe_limit=16\nfs.suid_dumpable=2\n",
);

const DEBIAN_12: Files = &[
    ("etc/sysctl.conf", "#kernel.domainname = example.com\n#net.ipv4.tcp_syncookies=1\n"),
    ("etc/sysctl.d/99-sysctl.conf", "-> ../sysctl.conf"),
    ("etc/sysctl.d/README.sysctl", "Files of the form NAME.conf; run `service procps force-reload` = apply.\n"),
    ("lib", "-> usr/lib"),
    PID_MAX,
    PROTECT,
    ("etc/modules", "# modules to load at boot\n"),
    ("etc/modules-load.d/modules.conf", "-> ../modules"),
    ("etc/security/limits.conf", LIMITS_CONF),
    ("etc/systemd/system.conf", SYSTEM_CONF),
    ("etc/systemd/user.conf", SYSTEM_CONF),
    ("etc/systemd/system/sshd.service", "-> /lib/systemd/system/ssh.service"),
    ("usr/lib/systemd/system/ssh.service", "[Service]\nExecStart=/usr/sbin/sshd -D\n[Install]\nAlias=sshd.service\n"),
    ("etc/systemd/system/multi-user.target.wants/ssh.service", "-> /lib/systemd/system/ssh.service"),
];

/// No sysctl.conf any more; linux-sysctl-defaults has what systemd's file has elsewhere.
const DEBIAN_13: Files = &[
    (
        "usr/lib/sysctl.d/50-default.conf",
        "kernel.sysrq = 0x01b6\nkernel.core_uses_pid = 1\n-net.ipv4.ping_group_range = 0 2147483647\n\
         -net.core.default_qdisc = fq_codel\nfs.protected_hardlinks = 1\nfs.protected_symlinks = 1\n\
         fs.protected_regular = 2\nfs.protected_fifos = 1\n",
    ),
    PID_MAX,
    ("lib", "-> usr/lib"),
    ("etc/sysctl.d/README.sysctl", "See sysctl.d(5).\n"),
    ("etc/security/limits.conf", LIMITS_CONF),
    ("usr/lib/systemd/system.conf", SYSTEM_CONF),
];

const UBUNTU_24_04: Files = &[
    ("etc/sysctl.conf", "#net.ipv4.ip_forward=1\n"),
    ("etc/sysctl.d/10-bufferbloat.conf", "net.core.default_qdisc = fq_codel\n"),
    ("etc/sysctl.d/10-console-messages.conf", "kernel.printk = 4 4 1 7\n"),
    (
        "etc/sysctl.d/10-ipv6-privacy.conf",
        "net.ipv6.conf.all.use_tempaddr = 2\nnet.ipv6.conf.default.use_tempaddr = 2\n",
    ),
    ("etc/sysctl.d/10-kernel-hardening.conf", "kernel.kptr_restrict = 1\n"),
    ("etc/sysctl.d/10-magic-sysrq.conf", "kernel.sysrq = 176\n"),
    ("etc/sysctl.d/10-map-count.conf", "vm.max_map_count = 1048576\n"),
    ("etc/sysctl.d/10-network-security.conf", "net.ipv4.conf.default.rp_filter=2\nnet.ipv4.conf.all.rp_filter=2\n"),
    ("etc/sysctl.d/10-ptrace.conf", "kernel.yama.ptrace_scope = 1\n"),
    ("etc/sysctl.d/10-zeropage.conf", "vm.mmap_min_addr = 65536\n"),
    ("etc/sysctl.d/99-sysctl.conf", "-> ../sysctl.conf"),
    ("etc/sysctl.d/README.sysctl", "See sysctl.d(5).\n"),
    ("usr/lib/sysctl.d/10-apparmor.conf", "kernel.apparmor_restrict_unprivileged_userns = 1\n"),
    PID_MAX,
    PROTECT,
    ("lib", "-> usr/lib"),
    ("etc/security/limits.conf", LIMITS_CONF),
    ("etc/systemd/system.conf", SYSTEM_CONF),
    ("usr/lib/systemd/system/systemd-resolved.service", "[Service]\nType=notify\n"),
    ("etc/systemd/system/dbus-org.freedesktop.resolve1.service", "-> /usr/lib/systemd/system/systemd-resolved.service"),
];

const FEDORA: Files = &[
    ("etc/sysctl.conf", "# sysctl settings are defined through files in /usr/lib/sysctl.d/\n"),
    ("etc/sysctl.d/99-sysctl.conf", "-> ../sysctl.conf"),
    ("usr/lib/sysctl.d/README", "Files in this directory: name = value.\n"),
    ("usr/lib/sysctl.d/10-default-yama-scope.conf", "kernel.yama.ptrace_scope = 0\n"),
    ("usr/lib/sysctl.d/10-map-count.conf", "vm.max_map_count=1048576\n"),
    COREDUMP,
    ("usr/lib/sysctl.d/50-default.conf", SYSTEMD_DEFAULT),
    ("usr/lib/sysctl.d/50-libkcapi-optmem_max.conf", "net.core.optmem_max = 81920\n"),
    PID_MAX,
    ("usr/lib/sysctl.d/50-redhat.conf", "kernel.kptr_restrict = 1\nnet.ipv4.conf.all.rp_filter = 1\n"),
    ("lib", "-> usr/lib"),
    ("etc/security/limits.conf", LIMITS_CONF),
    ("usr/lib/systemd/system.conf", SYSTEM_CONF),
    ("usr/lib/systemd/user.conf", SYSTEM_CONF),
    ("usr/lib/systemd/system/service.d/10-timeout-abort.conf", "[Service]\nTimeoutStopFailureMode=abort\n"),
    (
        "usr/share/containers/containers.conf",
        "[containers]\n#default_ulimits = [ \"nofile=1280:2560\" ]\ndefault_sysctls = [\n  \"net.ipv4.ping_group_range=0 0\",\n]\n",
    ),
];

const RHEL_9: Files = &[
    ("etc/sysctl.conf", "# See sysctl.d(5)\n"),
    ("etc/sysctl.d/99-sysctl.conf", "-> ../sysctl.conf"),
    ("usr/lib/sysctl.d/README", "Files in this directory: name = value.\n"),
    ("usr/lib/sysctl.d/10-default-yama-scope.conf", "kernel.yama.ptrace_scope = 0\n"),
    COREDUMP,
    ("usr/lib/sysctl.d/50-default.conf", SYSTEMD_DEFAULT),
    ("usr/lib/sysctl.d/50-libkcapi-optmem_max.conf", "net.core.optmem_max = 81920\n"),
    PID_MAX,
    (
        "usr/lib/sysctl.d/50-redhat.conf",
        "kernel.kptr_restrict = 1\nnet.ipv4.conf.default.rp_filter = 1\nnet.ipv4.conf.*.rp_filter = 1\n\
         net.ipv4.conf.all.rp_filter = 1\n",
    ),
    ("lib", "-> usr/lib"),
    ("etc/security/limits.conf", LIMITS_CONF),
    ("etc/systemd/system.conf", SYSTEM_CONF),
    ("etc/systemd/user.conf", SYSTEM_CONF),
];

#[test]
fn stock_files_are_no_mistake() {
    for (name, files) in [
        ("Debian 12", DEBIAN_12),
        ("Debian 13", DEBIAN_13),
        ("Ubuntu 24.04", UBUNTU_24_04),
        ("Fedora", FEDORA),
        ("RHEL 9", RHEL_9),
    ] {
        let root = Root::new(KERNEL);
        for (file, contents) in files.iter().chain(&UNITS) {
            root.write(file, contents.as_bytes());
        }
        let new = place();
        let old = tuning::lint::Place { release: Some("5.14.0-503.el9.x86_64".to_owned()), ..place() };
        for knowledge in both() {
            let lint = root.lint_by(&knowledge, if name == "RHEL 9" { &old } else { &new });
            assert!(!lint.files.is_empty() && !lint.values.is_empty(), "{name}");
            let loud: Vec<_> = lint.mistakes.iter().filter(|mistake| mistake.state > State::Info).collect();
            assert!(loud.is_empty(), "{name}: {loud:#?}");
            // What is left tells that a package's file and the kernel differ, which Fedora's does with its own other file.
            let advice: Vec<_> = lint.mistakes.iter().filter(|mistake| mistake.id.name() != "live-differs").collect();
            assert!(advice.is_empty(), "{name}: {advice:#?}");
        }
    }
}

/// The files of the machine that runs the tests, whatever they say.
#[test]
fn real_files_are_read() {
    let facts = host::Facts::of_this_host();
    let place = tuning::lint::Place::of(&facts, host::namespace(), false, true, host::listening_ports());
    let lint = tuning::lint::Lint::of(std::path::Path::new("/"), &super::made::knowledge(), &place);
    assert!(lint.files.iter().all(|file| file.path.starts_with('/')));
    let json = serde_json::to_value(&lint).unwrap();
    assert!(json["files"].is_array() && json["values"].is_array() && json["mistakes"].is_array());
    for mistake in &lint.mistakes {
        assert!(mistake.state <= State::Bad && !mistake.says.is_empty());
        println!("{:?} {} {}:{:?} {}", mistake.state, mistake.id.name(), mistake.file, mistake.line, mistake.says);
    }
}
