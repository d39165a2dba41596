//! What the kernel must have, each with the release that brought it and a probe.

use super::{attach, bpffs};

/// A kernel feature.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Feature {
    /// Name, as `doctor` shows it.
    pub name: &'static str,
    /// First release that has it, as (major, minor).
    pub since: (u32, u32),
    /// What it is for, and what happens without it.
    pub purpose: &'static str,
    /// The limiter does not run without it.
    pub required: bool,
    /// What the operator can do.
    pub remedy: &'static str,
    #[serde(skip)]
    probe: fn() -> bool,
}

impl Feature {
    /// Asks the kernel.
    pub fn is_there(&self) -> bool {
        (self.probe)()
    }
}

/// Every feature the data plane uses, the required ones first.
pub const FEATURES: &[Feature] = &[
    Feature {
        name: "bpffs",
        since: (4, 4),
        purpose: "keeps the maps while the agent is away",
        required: true,
        remedy: "mount -t bpf bpf /sys/fs/bpf (the agent does so where it may)",
        probe: bpffs::is_mounted,
    },
    Feature {
        name: "bpf jit",
        since: (4, 16),
        purpose: "runs the programs at full speed",
        required: false,
        remedy: "sysctl -w net.core.bpf_jit_enable=1",
        probe: jit_is_on,
    },
    Feature {
        name: "delivery time",
        since: (5, 18),
        purpose: "shaping: bpf_skb_set_tstamp and __sk_buff.tstamp_type",
        required: true,
        remedy: "run Linux 6.1 or later",
        probe: kernel_is_new_enough,
    },
    Feature {
        name: "tcx",
        since: (6, 6),
        purpose: "hooks without a qdisc; without it the agent uses clsact filters",
        required: false,
        remedy: "run Linux 6.6 or later, or leave it: clsact does the same",
        probe: attach::has_tcx,
    },
];

/// Release of the running kernel, as (major, minor).
pub fn kernel_release() -> Option<(u32, u32)> {
    let name = rustix::system::uname();
    let mut numbers = name.release().to_str().ok()?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Oldest kernel on which everything here works.
pub const KERNEL_FLOOR: (u32, u32) = (6, 1);

fn kernel_is_new_enough() -> bool {
    kernel_release().is_some_and(|release| release >= KERNEL_FLOOR)
}

fn jit_is_on() -> bool {
    // Kernels built with the JIT always on hide the switch, and so do network namespaces.
    !std::fs::read_to_string("/proc/sys/net/core/bpf_jit_enable").is_ok_and(|value| value.trim() == "0")
}
