//! A mistake: what is wrong in a line or a file, and its kinds. Data only.

use serde::{Serialize, Serializer};

use crate::State;

/// Something wrong, or worth knowing, in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mistake {
    /// Its kind.
    pub id: MistakeKind,
    /// How much attention it deserves: `Bad` is refused or breaks something, `Warn` hurts or has no effect, `Info` is
    /// advice.
    pub state: State,
    /// The file.
    pub file: String,
    /// The line, counted from 1; `None`: the whole file.
    pub line: Option<usize>,
    /// The line's text.
    pub text: String,
    /// What is wrong, and what is true.
    pub says: String,
    /// What to write instead, or a command.
    pub mend: String,
    /// Where that is documented.
    pub source: String,
}

macro_rules! kinds {
    ($($(#[$text:meta])* $kind:ident = $name:literal,)*) => {
        /// Kinds of mistakes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MistakeKind {
            $($(#[$text])* $kind,)*
        }

        impl MistakeKind {
            /// All, in the order of help and documents.
            pub const ALL: &[MistakeKind] = &[$(MistakeKind::$kind),*];

            /// Its name in JSON.
            pub fn name(self) -> &'static str {
                match self {
                    $(MistakeKind::$kind => $name,)*
                }
            }
        }
    };
}

kinds! {
    /// The system refuses this user to read the file.
    Unreadable = "unreadable",
    /// The file has bytes that are no UTF-8.
    NotUtf8 = "not-utf-8",
    /// The file is too large for a configuration.
    TooLarge = "too-large",
    /// The link leads nowhere.
    DanglingLink = "dangling-link",
    /// The links lead in a circle.
    LinkLoop = "link-loop",
    /// A directory or a device is where a file should be.
    NotAFile = "not-a-file",
    /// No reader of the file understands the line.
    NotUnderstood = "not-understood",
    /// The name does not end in .conf, so nothing reads the file.
    FileWithoutConf = "file-without-conf",
    /// A file of the same name in another directory replaces it.
    MaskedFile = "masked-file",
    /// systemd does not read /etc/sysctl.conf here.
    SysctlConfNotRead = "sysctl-conf-not-read",
    /// systemd at boot and `sysctl --system` set different values.
    ReadersDisagree = "readers-disagree",
    /// One file sets a key twice.
    TwiceInAFile = "twice-in-a-file",
    /// Two files set a key to different values.
    TwoFiles = "two-files",
    /// The kernel has another value than the files.
    LiveDiffers = "live-differs",
    /// A shell command in a configuration file.
    CommandInFile = "command-in-file",
    /// A line without `=`.
    NoAssignment = "no-assignment",
    /// A number with a unit or with separators.
    NumberWithUnit = "number-with-unit",
    /// A number in quotes.
    QuotedValue = "quoted-value",
    /// A comment behind a value.
    CommentBehindValue = "comment-behind-value",
    /// A number with a leading zero, which the kernel reads as octal.
    OctalNumber = "octal-number",
    /// Too few or too many numbers.
    NumberCount = "number-count",
    /// A number that the kernel refuses.
    OutOfRange = "out-of-range",
    /// A key that the kernel no longer has.
    RemovedKey = "removed-key",
    /// A key that this kernel does not have yet.
    KeyOfNewerKernel = "key-of-newer-kernel",
    /// A key that is like a known one.
    MisspeltKey = "misspelt-key",
    /// A key that this kernel does not have.
    UnknownKey = "unknown-key",
    /// A key that does nothing.
    ObsoleteKey = "obsolete-key",
    /// A key of a module that is loaded after the files are read.
    KeyBeforeModule = "key-before-module",
    /// tcp_mem in bytes instead of pages.
    TcpMemInBytes = "tcp-mem-in-bytes",
    /// Minimum, default and maximum of a buffer in the wrong order.
    BufferOrder = "buffer-order",
    /// A maximum of a buffer of a few KiB.
    BufferMaxTiny = "buffer-max-tiny",
    /// A maximum of a buffer below the kernel's own.
    BufferMaxLowered = "buffer-max-lowered",
    /// rmem_max or wmem_max raised for autotuning, which does not read them.
    CoreBufferForAutotuning = "core-buffer-for-autotuning",
    /// tcp_moderate_rcvbuf=0.
    AutotuningOff = "autotuning-off",
    /// tcp_window_scaling=0.
    WindowScalingOff = "window-scaling-off",
    /// tcp_sack=0.
    SackOff = "sack-off",
    /// tcp_timestamps=0.
    TimestampsOff = "timestamps-off",
    /// tcp_tw_reuse needs tcp_timestamps.
    ReuseWithoutTimestamps = "reuse-without-timestamps",
    /// tcp_fin_timeout lowered, which does not shorten TIME_WAIT.
    FinTimeout = "fin-timeout",
    /// tcp_max_tw_buckets lowered.
    TimeWaitBucketsLowered = "time-wait-buckets-lowered",
    /// tcp_syncookies=0.
    SynCookiesOff = "syn-cookies-off",
    /// tcp_syncookies=2.
    SynCookiesAlways = "syn-cookies-always",
    /// tcp_max_syn_backlog raised, which nothing reads with SYN cookies.
    SynBacklogUnderCookies = "syn-backlog-under-cookies",
    /// somaxconn below the kernel's own.
    SomaxconnLowered = "somaxconn-lowered",
    /// somaxconn above 65535 on a kernel that keeps 16 bits.
    SomaxconnTooLarge = "somaxconn-too-large",
    /// tcp_abort_on_overflow=1.
    AbortOnOverflow = "abort-on-overflow",
    /// ip_local_port_range with the last port first.
    PortRangeReversed = "port-range-reversed",
    /// ip_local_port_range below the first unprivileged port.
    PortRangePrivileged = "port-range-privileged",
    /// ip_local_port_range with both ends odd, or both even.
    PortRangeParity = "port-range-parity",
    /// ip_local_port_range over ports that programs listen on.
    PortRangeOverListeners = "port-range-over-listeners",
    /// ip_local_port_range over the ports of services, none reserved.
    PortRangeUnreserved = "port-range-unreserved",
    /// bbr without fq on a kernel that needs it.
    BbrWithoutFq = "bbr-without-fq",
    /// A congestion control that the kernel does not have.
    CongestionControlUnavailable = "congestion-control-unavailable",
    /// default_qdisc leaves the devices that exist as they are.
    QdiscOfNewDevices = "qdisc-of-new-devices",
    /// nf_conntrack_max raised far above the buckets.
    ConntrackWithoutBuckets = "conntrack-without-buckets",
    /// fs.nr_open below a limit on open files.
    NrOpenBelowLimit = "nr-open-below-limit",
    /// fs.file-max below the kernel's own.
    FileMaxLowered = "file-max-lowered",
    /// fs.file-max below a limit on open files.
    FileMaxBelowLimit = "file-max-below-limit",
    /// A limit of logins above fs.nr_open.
    LoginLimitAboveNrOpen = "login-limit-above-nr-open",
    /// A limit of a unit or a container above fs.nr_open.
    UnitLimitAboveNrOpen = "unit-limit-above-nr-open",
    /// `unlimited` open files for logins.
    NofileUnlimited = "nofile-unlimited",
    /// A login limit for the user of a service.
    LimitsForService = "limits-for-service",
    /// Login limits do not reach services.
    LimitsNotForServices = "limits-not-for-services",
    /// `*` does not cover root.
    RootNotCovered = "root-not-covered",
    /// A soft limit above the hard one.
    SoftAboveHard = "soft-above-hard",
    /// A line of limits.conf that pam_limits does not understand.
    LimitsSyntax = "limits-syntax",
    /// A number of limits.conf that pam_limits reads as a smaller one.
    LimitsNumberCut = "limits-number-cut",
    /// A setting of a unit in a section that does not have it.
    WrongSection = "wrong-section",
    /// A setting of a unit with a wrong name.
    MisspeltSetting = "misspelt-setting",
    /// A value of a unit's limit that systemd does not understand.
    UnitLimitSyntax = "unit-limit-syntax",
    /// LimitNOFILE=infinity.
    LimitInfinity = "limit-infinity",
    /// A default soft limit above 1024 for all services.
    DefaultSoftLimitRaised = "default-soft-limit-raised",
    /// TasksMax= below the number of threads that one process is allowed.
    TasksMaxBelowProcesses = "tasks-max-below-processes",
    /// A setting of the whole host in a container's settings.
    HostWideInContainer = "host-wide-in-container",
    /// daemon.json has a key for sysctls, which dockerd does not know.
    DockerSysctls = "docker-sysctls",
    /// A limit of a container that its runtime refuses.
    ContainerLimitSyntax = "container-limit-syntax",
}

impl Serialize for MistakeKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
