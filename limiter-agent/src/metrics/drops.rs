//! Drops of `fq`, which are alarms: packets that were counted as passed.

use std::collections::HashMap;

use crate::netlink::Qdisc;

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Towards the Internet.
    Uplink,
    /// Towards instances.
    Instance,
}

impl Side {
    /// Both, in the order of their numbers.
    pub(super) const ALL: [Self; 2] = [Self::Uplink, Self::Instance];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Uplink => "uplink",
            Self::Instance => "instance",
        }
    }
}

/// Drops of `fq` by side, summed so that they never go back: devices come and go, and the kernel's
/// counters are of 32 bits.
#[derive(Debug, Default)]
pub(super) struct Drops {
    /// So far, by side.
    pub(super) packets: [u64; 2],
    seen: HashMap<(u32, u32, u32), u32>,
}

impl Drops {
    /// Reads every fq there is now.
    pub(super) fn note(&mut self, fq: &[(Side, &Qdisc)]) {
        let mut seen = HashMap::with_capacity(fq.len());
        for (side, qdisc) in fq {
            let place = (qdisc.ifindex, qdisc.parent, qdisc.handle);
            let now = qdisc.statistics.dropped_packets;
            let before = self.seen.get(&place).copied().unwrap_or(0);
            let more = now.wrapping_sub(before);
            // Going back by little is a new qdisc in the old one's place, not 2^32 drops.
            let more = if now < before && more > u32::MAX / 2 { now } else { more };
            self.packets[*side as usize] += u64::from(more);
            seen.insert(place, now);
        }
        self.seen = seen;
    }
}

/// Packets that wait on a side now.
pub(super) fn queued(fq: &[(Side, &Qdisc)], side: Side) -> u64 {
    let queued = fq.iter().filter(|(of, _)| *of == side);
    queued.map(|(_, qdisc)| u64::from(qdisc.statistics.queued_packets)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Statistics;

    fn fq(ifindex: u32, dropped_packets: u32) -> Qdisc {
        Qdisc {
            ifindex,
            handle: 1,
            parent: 0,
            kind: "fq".into(),
            options: vec![],
            statistics: Statistics { dropped_packets, ..Statistics::default() },
        }
    }

    #[test]
    fn drops_never_go_back() {
        let mut drops = Drops::default();
        let mut after = |counters: &[(Side, u32, u32)]| {
            let qdiscs: Vec<(Side, Qdisc)> =
                counters.iter().map(|&(side, ifindex, count)| (side, fq(ifindex, count))).collect();
            drops.note(&qdiscs.iter().map(|(side, qdisc)| (*side, qdisc)).collect::<Vec<_>>());
            drops.packets
        };
        let (up, own) = (Side::Uplink, Side::Instance);
        assert_eq!(after(&[(up, 1, 5), (own, 2, 3)]), [5, 3]);
        assert_eq!(after(&[(up, 1, 7), (own, 2, 3), (own, 3, 1)]), [7, 4]);
        assert_eq!(after(&[(up, 1, 7)]), [7, 4], "devices that are gone");
        assert_eq!(after(&[(up, 1, 2)]), [9, 4], "a new qdisc in the same place");
        assert_eq!(after(&[(up, 1, u32::MAX)]), [9 + u64::from(u32::MAX) - 2, 4]);
        assert_eq!(
            after(&[(up, 1, 0)]),
            [9 + u64::from(u32::MAX) - 1, 4],
            "the counter of 32 bits begins anew"
        );
    }
}
