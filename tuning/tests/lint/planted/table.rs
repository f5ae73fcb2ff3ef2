//! The mistakes: a file with one, the line of it, and the same file without.

use MistakeKind as Is;
use tuning::State::{self, Bad, Info, Warn};
use tuning::lint::{MistakeKind, Place};

use super::Planted;

const fn planted(
    kind: MistakeKind,
    state: State,
    file: &'static str,
    line: usize,
    wrong: &'static str,
    right: &'static str,
) -> Planted {
    Planted { kind, state, file, line, wrong, right, besides: &[], at: |_| {} }
}

const TUNING: &str = "/etc/sysctl.d/99-tuning.conf";
const LIMITS: &str = "/etc/security/limits.conf";
const NGINX: &str = "/etc/systemd/system/nginx.service.d/limits.conf";
const SYSTEM: &str = "/etc/systemd/system.conf";
const DOCKER: &str = "/etc/docker/daemon.json";
const PODMAN: &str = "/etc/containers/containers.conf";

/// A line of `99-tuning.conf` below a comment.
macro_rules! sysctl {
    ($kind:ident, $state:ident, $wrong:literal, $right:literal) => {
        planted(
            Is::$kind,
            $state,
            TUNING,
            2,
            concat!("# for 1M connections\n", $wrong),
            concat!("# for 1M connections\n", $right),
        )
    };
}

fn old(place: &mut Place) {
    place.release = Some("4.9.0-18".to_owned());
}

fn middling(place: &mut Place) {
    place.release = Some("6.1.0-40".to_owned());
}

/// All, in the order of the kinds.
#[rustfmt::skip]
pub(super) const TABLE: &[Planted] = &[
    sysctl!(CommandInFile, Bad, "sysctl -w net.core.somaxconn=65535", "net.core.somaxconn=65535"),
    sysctl!(NoAssignment, Bad, "net.core.somaxconn 65535", "net.core.somaxconn = 65535"),
    sysctl!(NoAssignment, Bad, "vm.swappiness: 10", "vm.swappiness=10"),
    sysctl!(NotUnderstood, Bad, "net core somaxconn = 65535", "net.core.somaxconn = 65535"),
    sysctl!(NumberWithUnit, Bad, "net.core.somaxconn = 65,535", "net.core.somaxconn = 65535"),
    sysctl!(NumberWithUnit, Bad, "net.core.rmem_max = 16M", "net.core.rmem_max = 16777216"),
    sysctl!(NumberWithUnit, Bad, "net.ipv4.tcp_rmem = 4096,87380,16777216", "net.ipv4.tcp_rmem = 4096 87380 16777216"),
    sysctl!(NumberWithUnit, Bad, "net.ipv4.ip_local_port_range = 1024-65535", "net.ipv4.ip_local_port_range = 1024 65535"),
    sysctl!(QuotedValue, Bad, "net.ipv4.tcp_rmem = \"4096 131072 33554432\"", "net.ipv4.tcp_rmem = 4096 131072 33554432"),
    sysctl!(QuotedValue, Bad, "net.ipv4.tcp_congestion_control = \"bbr\"", "net.ipv4.tcp_congestion_control = bbr"),
    sysctl!(CommentBehindValue, Info, "net.core.somaxconn = 65535 # was 128", "net.core.somaxconn = 65535"),
    sysctl!(CommentBehindValue, Bad, "net.ipv4.tcp_congestion_control = bbr # Google", "net.ipv4.tcp_congestion_control = bbr"),
    sysctl!(CommentBehindValue, Bad, "net.core.somaxconn = 65535# was 128", "net.core.somaxconn = 65535"),
    sysctl!(OctalNumber, Warn, "net.core.somaxconn = 010000", "net.core.somaxconn = 10000"),
    sysctl!(NumberCount, Warn, "net.ipv4.tcp_rmem = 33554432", "net.ipv4.tcp_rmem = 4096 131072 33554432"),
    sysctl!(NumberCount, Warn, "net.ipv4.tcp_wmem = 1 2 3 4194304", "net.ipv4.tcp_wmem = 4096 16384 4194304"),
    sysctl!(OutOfRange, Bad, "vm.swappiness = 1000", "vm.swappiness = 10"),
    sysctl!(OutOfRange, Bad, "net.ipv4.ip_local_port_range = 1024 70000", "net.ipv4.ip_local_port_range = 1024 65535"),
    sysctl!(OutOfRange, Bad, "net.core.somaxconn = -1", "net.core.somaxconn = 65535"),
    sysctl!(RemovedKey, Warn, "net.ipv4.tcp_tw_recycle = 1", "net.ipv4.tcp_tw_reuse = 1"),
    Planted { at: middling, ..sysctl!(KeyOfNewerKernel, Warn, "net.ipv4.tcp_plb_enabled = 1", "net.ipv4.tcp_sack = 1") },
    sysctl!(MisspeltKey, Warn, "net.core.somaxcon = 65535", "net.core.somaxconn = 65535"),
    sysctl!(MisspeltKey, Warn, "net.ipv4.somaxconn = 65535", "net.core.somaxconn = 65535"),
    sysctl!(MisspeltKey, Warn, "net.ipv4.tcp_fin_timout = 60", "net.ipv4.tcp_fin_timeout = 60"),
    sysctl!(UnknownKey, Info, "net.ipv4.route.max_size = 1", "-net.ipv4.route.max_size = 1"),
    sysctl!(ObsoleteKey, Info, "net.ipv4.tcp_fack = 1", "net.ipv4.tcp_sack = 1"),
    sysctl!(TcpMemInBytes, Warn, "net.ipv4.tcp_mem = 786432000 1048576000 1572864000", "net.ipv4.tcp_mem = 190000 254000 380000"),
    sysctl!(BufferOrder, Warn, "net.ipv4.tcp_rmem = 4096 33554432 131072", "net.ipv4.tcp_rmem = 4096 131072 33554432"),
    sysctl!(BufferOrder, Warn, "net.ipv4.tcp_wmem = 65536 16384 4194304", "net.ipv4.tcp_wmem = 4096 16384 4194304"),
    sysctl!(BufferMaxTiny, Warn, "net.ipv4.tcp_rmem = 1024 4096 16384", "net.ipv4.tcp_rmem = 4096 131072 33554432"),
    sysctl!(BufferMaxLowered, Warn, "net.ipv4.tcp_rmem = 4096 131072 16777216", "net.ipv4.tcp_rmem = 4096 131072 67108864"),
    Planted { at: middling, ..sysctl!(BufferMaxLowered, Warn, "net.ipv4.tcp_rmem = 4096 87380 4194304", "net.ipv4.tcp_rmem = 4096 131072 16777216") },
    sysctl!(CoreBufferForAutotuning, Info, "net.core.rmem_max = 134217728", "net.core.rmem_max = 134217728\nnet.ipv4.tcp_rmem = 4096 131072 134217728"),
    sysctl!(CoreBufferForAutotuning, Info, "net.core.wmem_max = 134217728", "net.core.wmem_max = 4194304"),
    sysctl!(AutotuningOff, Warn, "net.ipv4.tcp_moderate_rcvbuf = 0", "net.ipv4.tcp_moderate_rcvbuf = 1"),
    sysctl!(WindowScalingOff, Warn, "net.ipv4.tcp_window_scaling=0", "net.ipv4.tcp_window_scaling=1"),
    sysctl!(SackOff, Warn, "net.ipv4.tcp_sack = 0", "net.ipv4.tcp_sack = 1"),
    sysctl!(TimestampsOff, Warn, "net.ipv4.tcp_timestamps = 0", "net.ipv4.tcp_timestamps = 1"),
    sysctl!(ReuseWithoutTimestamps, Warn, "net.ipv4.tcp_tw_reuse = 1\nnet.ipv4.tcp_timestamps = 0", "net.ipv4.tcp_tw_reuse = 1\nnet.ipv4.tcp_timestamps = 1"),
    sysctl!(FinTimeout, Info, "net.ipv4.tcp_fin_timeout = 15", "net.ipv4.tcp_fin_timeout = 60"),
    sysctl!(TimeWaitBucketsLowered, Warn, "net.ipv4.tcp_max_tw_buckets = 5000", "net.ipv4.tcp_max_tw_buckets = 2000000"),
    sysctl!(SynCookiesOff, Warn, "net.ipv4.tcp_syncookies = 0", "net.ipv4.tcp_syncookies = 1"),
    sysctl!(SynCookiesAlways, Warn, "net.ipv4.tcp_syncookies = 2", "net.ipv4.tcp_syncookies = 1"),
    sysctl!(SynBacklogUnderCookies, Info, "net.ipv4.tcp_max_syn_backlog = 262144", "net.ipv4.tcp_max_syn_backlog = 262144\nnet.ipv4.tcp_syncookies = 0"),
    sysctl!(SomaxconnLowered, Warn, "net.core.somaxconn = 1024", "net.core.somaxconn = 65535"),
    Planted { at: old, ..sysctl!(SomaxconnTooLarge, Bad, "net.core.somaxconn = 262144", "net.core.somaxconn = 65535") },
    sysctl!(AbortOnOverflow, Warn, "net.ipv4.tcp_abort_on_overflow = 1", "net.ipv4.tcp_abort_on_overflow = 0"),
    sysctl!(PortRangeReversed, Bad, "net.ipv4.ip_local_port_range = 65535 1024", "net.ipv4.ip_local_port_range = 1024 65535"),
    sysctl!(PortRangePrivileged, Bad, "net.ipv4.ip_local_port_range = 500 65535", "net.ipv4.ip_local_port_range = 1024 65535"),
    sysctl!(PortRangeParity, Info, "net.ipv4.ip_local_port_range = 10000 65000", "net.ipv4.ip_local_port_range = 10000 65001"),
    Planted { at: |place| place.listening = vec![22, 8080, 40_000], ..sysctl!(PortRangeOverListeners, Warn, "net.ipv4.ip_local_port_range = 1024 65535", "net.ipv4.ip_local_port_range = 1024 65535\nnet.ipv4.ip_local_reserved_ports = 8000-8100") },
    sysctl!(PortRangeUnreserved, Info, "net.ipv4.ip_local_port_range = 1024 65535", "net.ipv4.ip_local_port_range = 10000 65535"),
    Planted { at: old, ..sysctl!(BbrWithoutFq, Warn, "net.ipv4.tcp_congestion_control = bbr", "net.ipv4.tcp_congestion_control = bbr\nnet.core.default_qdisc = fq") },
    sysctl!(CongestionControlUnavailable, Warn, "net.ipv4.tcp_congestion_control = hybla", "net.ipv4.tcp_congestion_control = bbr"),
    Planted { besides: &[("usr/lib/modules/6.18.5/modules.dep", "kernel/net/ipv4/tcp_vegas.ko.zst:\n")], ..sysctl!(CongestionControlUnavailable, Warn, "net.ipv4.tcp_congestion_control = hybla", "net.ipv4.tcp_congestion_control = vegas") },
    sysctl!(QdiscOfNewDevices, Info, "net.core.default_qdisc = fq", "net.core.default_qdisc = fq_codel"),
    Planted { besides: &[("proc/sys/net/netfilter/nf_conntrack_buckets", "65536\n"), ("proc/sys/net/netfilter/nf_conntrack_max", "65536\n")], ..sysctl!(ConntrackWithoutBuckets, Info, "net.netfilter.nf_conntrack_max = 2097152", "net.netfilter.nf_conntrack_max = 2097152\nnet.netfilter.nf_conntrack_buckets = 1048576") },
    sysctl!(KeyBeforeModule, Warn, "net.netfilter.nf_conntrack_max = 1048576", "net.core.somaxconn = 65535"),
    Planted { besides: &[("etc/modules-load.d/bridge.conf", "br-netfilter\n")], ..sysctl!(KeyBeforeModule, Warn, "net.netfilter.nf_conntrack_max = 1048576", "net.bridge.bridge-nf-call-iptables = 0") },
    Planted { besides: &[("proc/sys/net/netfilter/nf_conntrack_max", "65536\n"), ("usr/lib/modules/6.18.5/modules.builtin", "kernel/net/bridge/br_netfilter.ko\n")], ..sysctl!(KeyBeforeModule, Info, "net.netfilter.nf_conntrack_max = 1048576", "net.bridge.bridge-nf-call-iptables = 0") },
    Planted { besides: &[(NGINX, "[Service]\nLimitNOFILE=1000000\n")], ..sysctl!(NrOpenBelowLimit, Bad, "fs.nr_open = 65536", "fs.nr_open = 2000000") },
    Planted { besides: &[(LIMITS, "* hard nofile 1000000\n")], ..sysctl!(NrOpenBelowLimit, Bad, "fs.nr_open = 999999", "fs.nr_open = 1000000") },
    sysctl!(FileMaxLowered, Warn, "fs.file-max = 65535", "fs.file-max = 12000500"),
    Planted { besides: &[(NGINX, "[Service]\nLimitNOFILE=1000000\n")], ..sysctl!(FileMaxBelowLimit, Warn, "fs.file-max = 500000", "fs.file-max = 12000500") },
    sysctl!(TwiceInAFile, Warn, "net.core.somaxconn = 65535\nnet/core/somaxconn = 8192", "net.core.somaxconn = 65535").line(3),
    Planted { besides: &[("etc/sysctl.d/10-first.conf", "net.core.somaxconn = 8192\n")], ..planted(Is::TwoFiles, Info, "/etc/sysctl.d/10-first.conf", 1, "net.core.somaxconn = 8192", "net.core.somaxconn = 65535") }.and(&[(TUNING, "net.core.somaxconn = 65535\n")]),
    sysctl!(LiveDiffers, Warn, "net.ipv4.tcp_sack = 0", "net.ipv4.tcp_sack = 1"),
    planted(Is::SysctlConfNotRead, Warn, "/etc/sysctl.conf", 2, "# mine\nnet.core.somaxconn = 65535", "# mine\n"),
    Planted { besides: &[("etc/sysctl.d/99-sysctl.conf", "-> ../sysctl.conf"), ("etc/sysctl.d/99-zz.conf", "net.core.somaxconn = 8192\n")], ..planted(Is::ReadersDisagree, Warn, "/etc/sysctl.conf", 1, "net.core.somaxconn = 65535", "net.core.somaxconn = 8192") },
    planted(Is::FileWithoutConf, Warn, "/etc/sysctl.d/tuning", 2, "# mine\nnet.core.somaxconn = 65535", "# mine"),
    planted(Is::FileWithoutConf, Warn, "/etc/security/limits.d/nofile", 1, "* soft nofile 65536", ""),
    planted(Is::FileWithoutConf, Warn, "/etc/systemd/system/nginx.service.d/override", 1, "LimitNOFILE=65536", ""),
    Planted { besides: &[("etc/sysctl.d/50-pid-max.conf", "-> /dev/null")], ..planted(Is::MaskedFile, Info, "/usr/lib/sysctl.d/50-pid-max.conf", 0, "kernel.pid_max = 4194304", "") },
    planted(Is::NotUtf8, Warn, TUNING, 0, "\u{1}latin-1\u{1}", ""),
    planted(Is::DanglingLink, Warn, TUNING, 0, "-> /srv/none.conf", "-> /dev/null"),
    planted(Is::LinkLoop, Warn, TUNING, 0, "-> 99-tuning.conf", "-> /dev/null"),
    planted(Is::NotAFile, Warn, TUNING, 0, "-> /etc", "-> /dev/null"),
    planted(Is::TooLarge, Warn, TUNING, 0, "\u{1}large\u{1}", ""),
    planted(Is::LimitsSyntax, Bad, LIMITS, 2, "# all\n* soft nofile = 65535", "# all\n* soft nofile 65535"),
    planted(Is::LimitsSyntax, Bad, LIMITS, 1, "ulimit -n 65535", "root - nofile 65535"),
    planted(Is::LimitsSyntax, Bad, LIMITS, 1, "* soft nofiles 65535", "* soft nofile 65535"),
    planted(Is::LimitsNumberCut, Bad, LIMITS, 1, "* - nofile 65,535", "* - nofile 65535"),
    planted(Is::LimitsNumberCut, Bad, LIMITS, 1, "* - nofile 64k", "* - nofile 65536"),
    planted(Is::LoginLimitAboveNrOpen, Bad, LIMITS, 1, "* hard nofile 2000000", "* hard nofile 1048576"),
    planted(Is::NofileUnlimited, Warn, LIMITS, 1, "* - nofile unlimited", "* - nofile 1048576"),
    Planted { besides: &[("etc/passwd", "nginx:x:99:99::/:/bin/false\n")], ..planted(Is::LimitsForService, Warn, LIMITS, 1, "nginx soft nofile 65536", "alice soft nofile 65536") },
    Planted { besides: &[("usr/lib/systemd/system/shop.service", "[Service]\nUser=shop\n")], ..planted(Is::LimitsForService, Warn, LIMITS, 1, "shop - nofile 65536", "alice - nofile 65536") },
    planted(Is::LimitsNotForServices, Info, LIMITS, 1, "* - nofile 65536", "alice - nofile 65536"),
    planted(Is::RootNotCovered, Info, LIMITS, 1, "* - nofile 65536", "* - nofile 65536\nroot - nofile 65536"),
    planted(Is::SoftAboveHard, Warn, LIMITS, 1, "* soft nofile 65536\n* hard nofile 4096", "* soft nofile 4096\n* hard nofile 65536"),
    planted(Is::SoftAboveHard, Bad, NGINX, 2, "[Service]\nLimitNOFILE=65536:1024", "[Service]\nLimitNOFILE=1024:65536"),
    planted(Is::SoftAboveHard, Bad, DOCKER, 1, "{\"default-ulimits\": {\"nofile\": {\"Name\": \"nofile\", \"Hard\": 1024, \"Soft\": 65536}}}", "{\"default-ulimits\": {\"nofile\": {\"Name\": \"nofile\", \"Hard\": 65536, \"Soft\": 1024}}}"),
    planted(Is::WrongSection, Bad, NGINX, 2, "[Unit]\nLimitNOFILE=65536", "[Service]\nLimitNOFILE=65536"),
    planted(Is::WrongSection, Bad, NGINX, 1, "LimitNOFILE=65536", "[Service]\nLimitNOFILE=65536"),
    planted(Is::WrongSection, Bad, NGINX, 2, "[Install]\nTasksMax=1000", "[Service]\nTasksMax=1000"),
    planted(Is::WrongSection, Bad, NGINX, 2, "[Service]\nDefaultLimitNOFILE=65536", "[Service]\nLimitNOFILE=65536"),
    planted(Is::MisspeltSetting, Bad, NGINX, 2, "[Service]\nLimitNoFile=65536", "[Service]\nLimitNOFILE=65536"),
    planted(Is::MisspeltSetting, Bad, NGINX, 2, "[Service]\nLimitNOFILES=65536", "[Service]\nLimitNOFILE=65536"),
    planted(Is::MisspeltSetting, Bad, SYSTEM, 2, "[Manager]\nDefaultLimitNofile=1024:65536", "[Manager]\nDefaultLimitNOFILE=1024:65536"),
    planted(Is::UnitLimitSyntax, Bad, NGINX, 2, "[Service]\nLimitNOFILE=65,536", "[Service]\nLimitNOFILE=65536"),
    planted(Is::UnitLimitSyntax, Bad, NGINX, 2, "[Service]\nLimitNOFILE=64K", "[Service]\nLimitNOFILE=1024:65536"),
    planted(Is::UnitLimitSyntax, Bad, NGINX, 2, "[Service]\nLimitNOFILE=unlimited", "[Service]\nLimitNOFILE=infinity"),
    planted(Is::UnitLimitSyntax, Bad, NGINX, 2, "[Service]\nTasksMax=unlimited", "[Service]\nTasksMax=33%"),
    planted(Is::LimitInfinity, Info, NGINX, 2, "[Service]\nLimitNOFILE=infinity", "[Service]\nLimitNOFILE=1048576"),
    planted(Is::UnitLimitAboveNrOpen, Warn, NGINX, 2, "[Service]\nLimitNOFILE=20000500", "[Service]\nLimitNOFILE=1000000"),
    planted(Is::DefaultSoftLimitRaised, Warn, SYSTEM, 2, "[Manager]\nDefaultLimitNOFILE=65536", "[Manager]\nDefaultLimitNOFILE=1024:65536"),
    planted(Is::TasksMaxBelowProcesses, Info, NGINX, 2, "[Service]\nTasksMax=512\nLimitNPROC=65536", "[Service]\nTasksMax=65536\nLimitNPROC=65536"),
    planted(Is::NotUnderstood, Warn, NGINX, 2, "[Service]\nLimitNOFILE 65536", "[Service]\nLimitNOFILE=65536"),
    planted(Is::DockerSysctls, Bad, DOCKER, 2, "{\n\"default-sysctls\": {\"net.core.somaxconn\": \"65535\"}}", "{\n\"default-ulimits\": {}}"),
    planted(Is::NotUnderstood, Bad, DOCKER, 0, "{\"default-ulimits\": {},}", "{\"default-ulimits\": {}}"),
    planted(Is::ContainerLimitSyntax, Bad, PODMAN, 2, "[containers]\ndefault_ulimits = [\"nofile=64k:64k\"]", "[containers]\ndefault_ulimits = [\"nofile=65536:65536\"]"),
    planted(Is::HostWideInContainer, Bad, PODMAN, 2, "[containers]\ndefault_sysctls = [\"net.core.netdev_max_backlog=5000\"]", "[containers]\ndefault_sysctls = [\"net.core.somaxconn=5000\"]"),
    planted(Is::HostWideInContainer, Bad, "/etc/containers/systemd/web.container", 3, "[Container]\nImage=web\nSysctl=fs.file-max=1000000", "[Container]\nImage=web\nSysctl=net.core.somaxconn=5000 kernel.msgmax=65536"),
    planted(Is::HostWideInContainer, Bad, "/etc/containers/systemd/web.container", 3, "[Container]\nImage=web\nSysctl=vm.max_map_count=262144", "[Container]\nImage=web\nUlimit=nofile=1024:65536"),
];
