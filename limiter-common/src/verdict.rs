//! The closed list of what can happen to a packet, with its reason.

/// Why a packet passed or was refused; index of the `REASONS` counters at [`Reason::index`].
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// The node is in bypass: nothing is metered or refused.
    Bypass = 0,
    /// The interface is not one of ours.
    NotOurs = 1,
    /// ARP.
    Arp = 2,
    /// Another `EtherType`, passed by the interface's policy.
    NonIp = 3,
    /// Not Internet: link scope, a local prefix, the same network, the node itself.
    Local = 4,
    /// Outside every network, passed by the interface's policy; down, always.
    Foreign = 5,
    /// Metered and within its limits.
    Admitted = 6,
    /// Metered and over a limit, passed because its interface or meter is observed only.
    Observed = 7,
    /// No valid IP header: nothing behind it can be trusted, so nothing may pass on its account.
    Malformed = 8,
    /// Another `EtherType`, dropped by the interface's policy.
    NonIpDropped = 9,
    /// The source is outside every network of the zone.
    Spoofed = 10,
    /// Inside a network's prefix, but no known instance.
    Unknown = 11,
    /// The network or instance has no Internet.
    Offline = 12,
    /// The instance is over its limit.
    InstanceLimit = 13,
    /// The network is over its limit.
    NetworkLimit = 14,
}

impl Reason {
    /// All, in order of their numbers.
    pub const ALL: [Self; 15] = [
        Self::Bypass,
        Self::NotOurs,
        Self::Arp,
        Self::NonIp,
        Self::Local,
        Self::Foreign,
        Self::Admitted,
        Self::Observed,
        Self::Malformed,
        Self::NonIpDropped,
        Self::Spoofed,
        Self::Unknown,
        Self::Offline,
        Self::InstanceLimit,
        Self::NetworkLimit,
    ];

    /// Elements of the `REASONS` array: both directions of each reason.
    pub const COUNTERS: u32 = Self::ALL.len() as u32 * 2;

    /// True where the packet goes on.
    #[inline(always)]
    pub const fn passes(self) -> bool {
        (self as u8) < Self::Malformed as u8
    }

    /// Place of its counter.
    #[inline(always)]
    pub const fn index(self, direction: crate::meter::Direction) -> u32 {
        self as u32 * 2 + direction as u32
    }

    /// Name in status, metrics and documentation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::NotOurs => "not_ours",
            Self::Arp => "arp",
            Self::NonIp => "non_ip",
            Self::Local => "local",
            Self::Foreign => "foreign",
            Self::Admitted => "admitted",
            Self::Observed => "observed",
            Self::Malformed => "malformed",
            Self::NonIpDropped => "non_ip_dropped",
            Self::Spoofed => "spoofed",
            Self::Unknown => "unknown",
            Self::Offline => "offline",
            Self::InstanceLimit => "instance_limit",
            Self::NetworkLimit => "network_limit",
        }
    }
}

/// Packets and bytes of one reason and direction on one CPU; element of `REASONS`.
///
/// [`Reason::Admitted`] stays at zero: the meters count it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets, a GSO packet counted once.
    pub packets: u64,
    /// Frame bytes as the hook sees them.
    pub bytes: u64,
}
