//! The options of fq that we set, as the kernel writes them.

use std::fmt;

use super::super::wire::{attribute, put, u32_at};

const TCA_FQ_PLIMIT: u16 = 1;
const TCA_FQ_FLOW_PLIMIT: u16 = 2;
const TCA_FQ_BUCKETS_LOG: u16 = 8;
const TCA_FQ_ORPHAN_MASK: u16 = 10;
const TCA_FQ_HORIZON: u16 = 14;

/// The options of fq that delayed packets depend on; all others stay as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FqOptions {
    /// Most packets it holds: of the qdisc before Linux 6.7, of each of its three bands since.
    pub limit_packets: u32,
    /// Most packets of one flow.
    pub flow_limit_packets: u32,
    /// Search trees for flows, as a power of two, 1..=18; 8 bytes of memory each.
    pub buckets_log: u32,
    /// Bits of the packet hash that tell forwarded flows apart.
    pub orphan_mask: u32,
    /// A packet that is to leave later than this is dropped, microseconds.
    pub horizon_us: u32,
}

impl FqOptions {
    /// Zero buckets are refused; only a kernel without fq gives another reason.
    pub(in super::super) const REFUSED_BY_EVERY_KERNEL: Self =
        Self { limit_packets: 0, flow_limit_packets: 0, buckets_log: 0, orphan_mask: 0, horizon_us: 0 };

    /// Reads them from a qdisc's options; `None` where one is missing.
    pub fn parse(options: &[u8]) -> Option<Self> {
        let number = |kind| attribute(options, kind).and_then(|value| u32_at(value, 0));
        Some(Self {
            limit_packets: number(TCA_FQ_PLIMIT)?,
            flow_limit_packets: number(TCA_FQ_FLOW_PLIMIT)?,
            buckets_log: number(TCA_FQ_BUCKETS_LOG)?,
            orphan_mask: number(TCA_FQ_ORPHAN_MASK)?,
            horizon_us: number(TCA_FQ_HORIZON)?,
        })
    }

    /// The same as a qdisc's options.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, number) in [
            (TCA_FQ_PLIMIT, self.limit_packets),
            (TCA_FQ_FLOW_PLIMIT, self.flow_limit_packets),
            (TCA_FQ_BUCKETS_LOG, self.buckets_log),
            (TCA_FQ_ORPHAN_MASK, self.orphan_mask),
            (TCA_FQ_HORIZON, self.horizon_us),
        ] {
            put(&mut bytes, kind, &number.to_ne_bytes());
        }
        bytes
    }

    /// These, but nowhere below `wanted`. Lowering a limit would drop the packets above it.
    #[must_use]
    pub fn raised_to(&self, wanted: &Self) -> Self {
        Self {
            limit_packets: self.limit_packets.max(wanted.limit_packets),
            flow_limit_packets: self.flow_limit_packets.max(wanted.flow_limit_packets),
            buckets_log: self.buckets_log.max(wanted.buckets_log),
            orphan_mask: self.orphan_mask | wanted.orphan_mask,
            horizon_us: self.horizon_us.max(wanted.horizon_us),
        }
    }
}

impl fmt::Display for FqOptions {
    /// In the words of `tc`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit_packets, flow_limit_packets, buckets_log, orphan_mask, horizon_us } = self;
        let buckets = 1_u64.checked_shl(*buckets_log).unwrap_or_default();
        write!(
            f,
            "limit {limit_packets} flow_limit {flow_limit_packets} buckets {buckets} \
             orphan_mask {orphan_mask} horizon {horizon_us}us"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: FqOptions = FqOptions {
        limit_packets: 10_000,
        flow_limit_packets: 100,
        buckets_log: 10,
        orphan_mask: 1023,
        horizon_us: 10_000_000,
    };

    #[test]
    fn options_read_back_and_print_as_tc_takes_them() {
        assert_eq!(FqOptions::parse(&OPTIONS.encode()), Some(OPTIONS));
        assert_eq!(
            OPTIONS.to_string(),
            "limit 10000 flow_limit 100 buckets 1024 orphan_mask 1023 horizon 10000000us"
        );
    }

    #[test]
    fn an_option_missing_is_no_fq() {
        let bytes = OPTIONS.encode();
        assert_eq!(FqOptions::parse(&bytes[..bytes.len() - 8]), None);
    }

    #[test]
    fn raising_never_lowers() {
        let wanted = FqOptions {
            limit_packets: 5_000,
            flow_limit_packets: 5_000,
            orphan_mask: 0x7fff_ffff,
            ..OPTIONS
        };
        let raised = FqOptions { flow_limit_packets: 5_000, orphan_mask: 0x7fff_ffff, ..OPTIONS };
        assert_eq!(OPTIONS.raised_to(&wanted), raised);
        assert_eq!(raised.raised_to(&wanted), raised);
    }
}
