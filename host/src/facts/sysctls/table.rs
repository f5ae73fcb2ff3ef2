//! The sysctls that matter for very many connections, each with its default and the place in the kernel that sets it.
//! Values are those of Linux 6.18. If a release since 5.4 had another value, a function of `defaults` computes it.

use super::default::Default;
use super::defaults::{self, Host};

/// A sysctl and its default.
pub(super) struct Setting {
    pub(super) name: &'static str,
    pub(super) rule: Rule,
    /// A file of the kernel, and the function or variable in it.
    pub(super) source: &'static str,
}

/// What the kernel sets by itself.
pub(super) enum Rule {
    /// The same on every host, as `/proc/sys` prints it, with single spaces.
    Is(&'static str),
    /// Depends on the host.
    Computed(fn(&Host) -> Default),
}

const fn is(name: &'static str, value: &'static str, source: &'static str) -> Setting {
    Setting { name, rule: Rule::Is(value), source }
}

const fn computed(name: &'static str, compute: fn(&Host) -> Default, source: &'static str) -> Setting {
    Setting { name, rule: Rule::Computed(compute), source }
}

pub(super) const SETTINGS: &[Setting] = &[
    // Files, tasks and memory.
    is("fs.nr_open", "1048576", "fs/file.c, sysctl_nr_open"),
    computed("fs.file-max", defaults::file_max, "fs/file_table.c, files_maxfiles_init"),
    computed("fs.epoll.max_user_watches", defaults::epoll_watches, "fs/eventpoll.c, eventpoll_init"),
    computed("kernel.threads-max", defaults::threads_max, "kernel/fork.c, set_max_threads"),
    computed("kernel.pid_max", defaults::pid_max, "kernel/pid.c, pid_idr_init"),
    is("kernel.io_uring_disabled", "0", "io_uring/io_uring.c, sysctl_io_uring_disabled"),
    is("kernel.io_uring_group", "-1", "io_uring/io_uring.c, sysctl_io_uring_group"),
    computed("kernel.numa_balancing", defaults::numa_balancing, "mm/mempolicy.c, check_numabalancing_enable"),
    is("kernel.timer_migration", "1", "kernel/time/timer.c, sysctl_timer_migration"),
    is("kernel.sched_autogroup_enabled", "1", "kernel/sched/autogroup.c, sysctl_sched_autogroup_enabled"),
    is("kernel.sched_cfs_bandwidth_slice_us", "5000", "kernel/sched/fair.c, sysctl_sched_cfs_bandwidth_slice"),
    is("kernel.sched_rt_runtime_us", "950000", "kernel/sched/rt.c, sysctl_sched_rt_runtime"),
    is("vm.max_map_count", "65530", "mm/util.c, DEFAULT_MAX_MAP_COUNT"),
    is("vm.swappiness", "60", "mm/vmscan.c, vm_swappiness"),
    is("vm.overcommit_memory", "0", "mm/util.c, sysctl_overcommit_memory"),
    is("vm.overcommit_ratio", "50", "mm/util.c, sysctl_overcommit_ratio"),
    computed(
        "vm.min_free_kbytes",
        defaults::min_free_kbytes,
        "mm/page_alloc.c, calculate_min_free_kbytes; mm/khugepaged.c, set_recommended_min_free_kbytes",
    ),
    is("vm.watermark_scale_factor", "10", "mm/page_alloc.c, watermark_scale_factor"),
    is("vm.zone_reclaim_mode", "0", "mm/vmscan.c, node_reclaim_mode"),
    is("vm.vfs_cache_pressure", "100", "fs/dcache.c, sysctl_vfs_cache_pressure"),
    is("vm.stat_interval", "1", "mm/vmstat.c, sysctl_stat_interval"),
    is("vm.nr_hugepages", "0", "mm/hugetlb.c, nr_hugepages"),
    // Queues and buffers below TCP.
    is("net.core.somaxconn", "4096", "include/linux/socket.h, SOMAXCONN"),
    is("net.core.netdev_max_backlog", "1000", "net/core/hotdata.c, max_backlog"),
    is("net.core.netdev_budget", "300", "net/core/hotdata.c, netdev_budget"),
    computed("net.core.netdev_budget_usecs", defaults::budget_usecs, "net/core/hotdata.c, netdev_budget_usecs"),
    is("net.core.dev_weight", "64", "net/core/hotdata.c, weight_p"),
    is("net.core.dev_weight_rx_bias", "1", "net/core/hotdata.c, dev_weight_rx_bias"),
    is("net.core.dev_weight_tx_bias", "1", "net/core/hotdata.c, dev_weight_tx_bias"),
    is("net.core.busy_read", "0", "net/core/sock.c, sysctl_net_busy_read"),
    is("net.core.busy_poll", "0", "net/core/sock.c, sysctl_net_busy_poll"),
    computed(
        "net.core.default_qdisc",
        defaults::qdisc,
        "net/sched/sch_generic.c, default_qdisc_ops; net/sched/Kconfig, DEFAULT_NET_SCH",
    ),
    is("net.core.rmem_default", "212992", "include/net/sock.h, SK_RMEM_DEFAULT"),
    is("net.core.wmem_default", "212992", "include/net/sock.h, SK_WMEM_DEFAULT"),
    computed("net.core.rmem_max", defaults::socket_buffer_max, "net/core/sock.c, sysctl_rmem_max"),
    computed("net.core.wmem_max", defaults::socket_buffer_max, "net/core/sock.c, sysctl_wmem_max"),
    computed("net.core.optmem_max", defaults::ancillary_max, "net/core/net_namespace.c, sysctl_optmem_max"),
    is("net.core.rps_sock_flow_entries", "0", "net/core/sysctl_net_core.c, rps_sock_flow_sysctl"),
    is("net.core.flow_limit_table_len", "4096", "net/core/dev.c, netdev_flow_limit_table_len"),
    is("net.core.gro_normal_batch", "8", "net/core/hotdata.c, gro_normal_batch"),
    is("net.core.high_order_alloc_disable", "0", "net/core/sock.c, net_high_order_alloc_disable_key"),
    computed("net.core.mem_pcpu_rsv", defaults::reserved_pages, "include/net/sock.h, SK_MEMORY_PCPU_RESERVE"),
    computed("net.core.skb_defer_max", defaults::deferred_max, "net/core/hotdata.c, sysctl_skb_defer_max"),
    is("net.core.netdev_tstamp_prequeue", "1", "net/core/hotdata.c, tstamp_prequeue"),
    is("net.core.txrehash", "1", "net/core/net_namespace.c, sysctl_txrehash"),
    // Ports, neighbours and forwarding.
    is("net.ipv4.ip_local_port_range", "32768 60999", "net/ipv4/af_inet.c, inet_init_net"),
    is("net.ipv4.ip_local_reserved_ports", "", "net/ipv4/sysctl_net_ipv4.c, ipv4_sysctl_init_net"),
    is("net.ipv4.ip_unprivileged_port_start", "1024", "net/ipv4/af_inet.c, inet_init_net"),
    is("net.ipv4.ip_nonlocal_bind", "0", "net/ipv4/sysctl_net_ipv4.c, ip_nonlocal_bind"),
    is("net.ipv4.ip_autobind_reuse", "0", "net/ipv4/sysctl_net_ipv4.c, ip_autobind_reuse"),
    is("net.ipv4.ip_early_demux", "1", "net/ipv4/af_inet.c, inet_init_net"),
    is("net.ipv4.ip_forward", "0", "net/ipv4/devinet.c, ipv4_devconf"),
    is("net.ipv4.neigh.default.gc_thresh1", "128", "net/ipv4/arp.c, arp_tbl"),
    is("net.ipv4.neigh.default.gc_thresh2", "512", "net/ipv4/arp.c, arp_tbl"),
    is("net.ipv4.neigh.default.gc_thresh3", "1024", "net/ipv4/arp.c, arp_tbl"),
    // TCP: accepting and closing.
    computed("net.ipv4.tcp_max_syn_backlog", defaults::syn_backlog, "net/ipv4/tcp_ipv4.c, tcp_set_hashinfo"),
    is("net.ipv4.tcp_syncookies", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_abort_on_overflow", "0", "net/ipv4/sysctl_net_ipv4.c, tcp_abort_on_overflow"),
    is("net.ipv4.tcp_synack_retries", "5", "include/net/tcp.h, TCP_SYNACK_RETRIES"),
    is("net.ipv4.tcp_syn_retries", "6", "include/net/tcp.h, TCP_SYN_RETRIES"),
    is("net.ipv4.tcp_syn_linear_timeouts", "4", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_fastopen", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_migrate_req", "0", "net/ipv4/sysctl_net_ipv4.c, tcp_migrate_req"),
    is("net.ipv4.tcp_tw_reuse", "2", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_tw_reuse_delay", "1000", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_fin_timeout", "60", "include/net/tcp.h, TCP_FIN_TIMEOUT"),
    computed("net.ipv4.tcp_max_tw_buckets", defaults::half_the_buckets, "net/ipv4/tcp_ipv4.c, tcp_set_hashinfo"),
    computed("net.ipv4.tcp_max_orphans", defaults::half_the_buckets, "net/ipv4/tcp.c, tcp_init"),
    is("net.ipv4.tcp_orphan_retries", "0", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    computed("net.ipv4.tcp_ehash_entries", defaults::hash_entries, "net/ipv4/tcp.c, tcp_init"),
    is("net.ipv4.tcp_child_ehash_entries", "0", "net/ipv4/sysctl_net_ipv4.c, tcp_child_ehash_entries"),
    // TCP: memory, timers and congestion.
    computed("net.ipv4.tcp_mem", defaults::tcp_mem, "net/ipv4/tcp.c, tcp_init_mem"),
    computed("net.ipv4.tcp_rmem", defaults::tcp_rmem, "net/ipv4/tcp.c, tcp_init"),
    computed("net.ipv4.tcp_wmem", defaults::tcp_wmem, "net/ipv4/tcp.c, tcp_init"),
    is("net.ipv4.tcp_moderate_rcvbuf", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_shrink_window", "0", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_window_scaling", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_timestamps", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_sack", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_dsack", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_recovery", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_early_retrans", "3", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_ecn", "2", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_mtu_probing", "0", "net/ipv4/sysctl_net_ipv4.c, tcp_mtu_probing"),
    is("net.ipv4.tcp_rto_min_us", "200000", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_rto_max_ms", "120000", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_retries1", "3", "include/net/tcp.h, TCP_RETR1"),
    is("net.ipv4.tcp_retries2", "15", "include/net/tcp.h, TCP_RETR2"),
    is("net.ipv4.tcp_keepalive_time", "7200", "include/net/tcp.h, TCP_KEEPALIVE_TIME"),
    is("net.ipv4.tcp_keepalive_intvl", "75", "include/net/tcp.h, TCP_KEEPALIVE_INTVL"),
    is("net.ipv4.tcp_keepalive_probes", "9", "include/net/tcp.h, TCP_KEEPALIVE_PROBES"),
    is("net.ipv4.tcp_slow_start_after_idle", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_no_metrics_save", "0", "net/ipv4/sysctl_net_ipv4.c, tcp_no_metrics_save"),
    is("net.ipv4.tcp_notsent_lowat", "4294967295", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_autocorking", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    computed("net.ipv4.tcp_limit_output_bytes", defaults::limit_output, "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_min_tso_segs", "2", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_tso_win_divisor", "3", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_pingpong_thresh", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_backlog_ack_defer", "1", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_comp_sack_nr", "44", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    is("net.ipv4.tcp_comp_sack_delay_ns", "1000000", "net/ipv4/tcp_ipv4.c, tcp_sk_init"),
    computed("net.ipv4.tcp_congestion_control", defaults::congestion_control, "net/ipv4/Kconfig, DEFAULT_TCP_CONG"),
    // Connection tracking.
    computed(
        "net.netfilter.nf_conntrack_max",
        defaults::conntrack_max,
        "net/netfilter/nf_conntrack_core.c, nf_conntrack_init_start",
    ),
    is(
        "net.netfilter.nf_conntrack_tcp_timeout_established",
        "432000",
        "net/netfilter/nf_conntrack_proto_tcp.c, tcp_timeouts",
    ),
];
