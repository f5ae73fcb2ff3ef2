//! All mistakes the linter knows, one row each, and what they are found in. A row is a kind, where it is documented, and
//! a function that finds it.

mod buffers;
mod congestion;
mod containers;
mod files;
mod found;
mod keys;
mod limits;
mod open_files;
mod order;
mod ports;
mod switches;
mod syntax;
mod tcp;
mod units;

use super::mistake::{Mistake, MistakeKind};
use super::subject::Subject;
use super::value::Effective;
use found::Found;

/// A kind of mistake and how to find it.
struct Check {
    kind: MistakeKind,
    source: &'static str,
    find: fn(&Subject<'_>, &[Effective]) -> Vec<Found>,
}

const fn check(kind: MistakeKind, source: &'static str, find: fn(&Subject<'_>, &[Effective]) -> Vec<Found>) -> Check {
    Check { kind, source, find }
}

/// In the order of [`MistakeKind`]. Switches, whose mistake is a single value, are in `switches`; what keeps a file from
/// being read is in `files`.
#[rustfmt::skip]
const CHECKS: &[Check] = &[
    check(MistakeKind::FileWithoutConf, "sysctl.d(5), limits.conf(5), systemd.unit(5)", order::file_without_conf),
    check(MistakeKind::MaskedFile, "sysctl.d(5), systemd.unit(5)", order::masked_file),
    check(MistakeKind::SysctlConfNotRead, "sysctl.d(5), sysctl(8)", order::sysctl_conf_not_read),
    check(MistakeKind::ReadersDisagree, "sysctl.d(5), sysctl(8)", order::readers_disagree),
    check(MistakeKind::TwiceInAFile, "sysctl.d(5)", order::twice_in_a_file),
    check(MistakeKind::TwoFiles, "sysctl.d(5)", order::two_files),
    check(MistakeKind::LiveDiffers, "sysctl.d(5), proc_sys(5)", order::live_differs),
    check(MistakeKind::CommandInFile, "sysctl.d(5)", syntax::command_in_file),
    check(MistakeKind::NoAssignment, "sysctl.d(5)", syntax::no_assignment),
    check(MistakeKind::NumberWithUnit, "linux kernel/sysctl.c proc_get_long", syntax::number_with_unit),
    check(MistakeKind::QuotedValue, "linux kernel/sysctl.c proc_get_long", syntax::quoted_value),
    check(MistakeKind::CommentBehindValue, "sysctl.d(5)", syntax::comment_behind_value),
    check(MistakeKind::OctalNumber, "linux kernel/sysctl.c proc_get_long", syntax::octal_number),
    check(MistakeKind::NumberCount, "kernel docs networking/ip-sysctl.rst", syntax::number_count),
    check(MistakeKind::OutOfRange, "kernel docs admin-guide/sysctl, networking/ip-sysctl.rst", syntax::out_of_range),
    check(MistakeKind::NotUnderstood, "sysctl.d(5), systemd.syntax(7)", syntax::not_understood),
    check(MistakeKind::RemovedKey, "kernel docs networking/ip-sysctl.rst", keys::removed),
    check(MistakeKind::KeyOfNewerKernel, "kernel docs networking/ip-sysctl.rst", keys::of_newer_kernel),
    check(MistakeKind::MisspeltKey, "sysctl.d(5)", keys::misspelt),
    check(MistakeKind::UnknownKey, "sysctl.d(5)", keys::unknown),
    check(MistakeKind::ObsoleteKey, "kernel docs networking/ip-sysctl.rst", keys::obsolete),
    check(MistakeKind::KeyBeforeModule, "sysctl.d(5)", keys::before_module),
    check(MistakeKind::TcpMemInBytes, "kernel docs networking/ip-sysctl.rst, tcp_mem", buffers::tcp_mem_in_bytes),
    check(MistakeKind::BufferOrder, "kernel docs networking/ip-sysctl.rst, tcp_rmem", buffers::order),
    check(MistakeKind::BufferMaxTiny, "kernel docs networking/ip-sysctl.rst, tcp_rmem", buffers::max_tiny),
    check(MistakeKind::BufferMaxLowered, "linux net/ipv4/tcp.c tcp_init", buffers::max_lowered),
    check(MistakeKind::CoreBufferForAutotuning, "tcp(7), socket(7)", buffers::core_for_autotuning),
    check(MistakeKind::ReuseWithoutTimestamps, "linux net/ipv4/tcp_ipv4.c tcp_twsk_unique", tcp::reuse_without_timestamps),
    check(MistakeKind::FinTimeout, "tcp(7); linux include/net/tcp.h TCP_TIMEWAIT_LEN", tcp::fin_timeout),
    check(MistakeKind::TimeWaitBucketsLowered, "kernel docs networking/ip-sysctl.rst, tcp_max_tw_buckets", tcp::time_wait_buckets_lowered),
    check(MistakeKind::SynBacklogUnderCookies, "linux net/ipv4/tcp_input.c tcp_conn_request", tcp::syn_backlog_under_cookies),
    check(MistakeKind::SomaxconnLowered, "listen(2)", tcp::somaxconn_lowered),
    check(MistakeKind::SomaxconnTooLarge, "linux include/net/sock.h sk_max_ack_backlog", tcp::somaxconn_too_large),
    check(MistakeKind::PortRangeReversed, "kernel docs networking/ip-sysctl.rst, ip_local_port_range", ports::reversed),
    check(MistakeKind::PortRangePrivileged, "linux net/ipv4/sysctl_net_ipv4.c ipv4_local_port_range", ports::privileged),
    check(MistakeKind::PortRangeParity, "kernel docs networking/ip-sysctl.rst, ip_local_port_range", ports::parity),
    check(MistakeKind::PortRangeOverListeners, "kernel docs networking/ip-sysctl.rst, ip_local_reserved_ports", ports::over_listeners),
    check(MistakeKind::PortRangeUnreserved, "kernel docs networking/ip-sysctl.rst, ip_local_reserved_ports", ports::unreserved),
    check(MistakeKind::BbrWithoutFq, "linux net/ipv4/tcp_bbr.c", congestion::bbr_without_fq),
    check(MistakeKind::CongestionControlUnavailable, "kernel docs networking/ip-sysctl.rst, tcp_congestion_control", congestion::unavailable),
    check(MistakeKind::QdiscOfNewDevices, "kernel docs admin-guide/sysctl/net.rst, default_qdisc", congestion::qdisc_of_new_devices),
    check(MistakeKind::ConntrackWithoutBuckets, "kernel docs networking/nf_conntrack-sysctl.rst", congestion::conntrack_without_buckets),
    check(MistakeKind::NrOpenBelowLimit, "setrlimit(2); kernel docs admin-guide/sysctl/fs.rst, nr_open", open_files::nr_open_below_limit),
    check(MistakeKind::FileMaxLowered, "kernel docs admin-guide/sysctl/fs.rst, file-max", open_files::file_max_lowered),
    check(MistakeKind::FileMaxBelowLimit, "kernel docs admin-guide/sysctl/fs.rst, file-max", open_files::file_max_below_limit),
    check(MistakeKind::LoginLimitAboveNrOpen, "setrlimit(2); pam_limits(8)", open_files::login_limit_above_nr_open),
    check(MistakeKind::UnitLimitAboveNrOpen, "setrlimit(2); systemd.exec(5)", open_files::unit_limit_above_nr_open),
    check(MistakeKind::NofileUnlimited, "Linux-PAM 1.5.2, pam_limits.c; setrlimit(2)", limits::nofile_unlimited),
    check(MistakeKind::LimitsForService, "pam_limits(8), systemd.exec(5)", limits::for_service),
    check(MistakeKind::LimitsNotForServices, "pam_limits(8), systemd.exec(5)", limits::not_for_services),
    check(MistakeKind::RootNotCovered, "limits.conf(5)", limits::root_not_covered),
    check(MistakeKind::SoftAboveHard, "setrlimit(2), limits.conf(5), systemd.exec(5)", limits::soft_above_hard),
    check(MistakeKind::LimitsSyntax, "limits.conf(5)", limits::syntax),
    check(MistakeKind::LimitsNumberCut, "Linux-PAM, pam_limits.c process_limit", limits::number_cut),
    check(MistakeKind::WrongSection, "systemd.exec(5), systemd-system.conf(5)", units::wrong_section),
    check(MistakeKind::MisspeltSetting, "systemd.exec(5), systemd.syntax(7)", units::misspelt),
    check(MistakeKind::UnitLimitSyntax, "systemd.exec(5), systemd.resource-control(5)", units::limit_syntax),
    check(MistakeKind::LimitInfinity, "systemd.exec(5)", units::infinity),
    check(MistakeKind::DefaultSoftLimitRaised, "systemd.exec(5), select(2)", units::default_soft_limit_raised),
    check(MistakeKind::TasksMaxBelowProcesses, "systemd.resource-control(5), systemd.exec(5)", units::tasks_max_below_processes),
    check(MistakeKind::HostWideInContainer, "runc libcontainer/configs/validate; network_namespaces(7)", containers::host_wide),
    check(MistakeKind::DockerSysctls, "dockerd(8)", containers::docker_sysctls),
    check(MistakeKind::ContainerLimitSyntax, "dockerd(8), containers.conf(5), podman-systemd.unit(5)", containers::limit_syntax),
];

/// All mistakes, by file and line.
pub(super) fn all(subject: &Subject<'_>, values: &[Effective]) -> Vec<Mistake> {
    let mut mistakes: Vec<Mistake> = files::troubles(subject);
    for check in CHECKS {
        mistakes.extend((check.find)(subject, values).into_iter().map(|found| found.mistake(check.kind, check.source)));
    }
    mistakes.extend(switches::all(subject));
    mistakes.sort_by(|one, other| {
        (&one.file, one.line, other.state, one.id, &one.says).cmp(&(
            &other.file,
            other.line,
            one.state,
            other.id,
            &other.says,
        ))
    });
    mistakes.dedup();
    mistakes
}
