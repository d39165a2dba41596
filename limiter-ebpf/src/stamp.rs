//! What a packet carries on its way: its delivery time, which `fq` on the egress device honours, and its mark.

use aya_ebpf::helpers::generated::bpf_skb_set_tstamp;
use aya_ebpf::programs::TcContext;
use limiter_common::mark;

/// `__sk_buff.tstamp_type` of a buffer without a delivery time (linux/bpf.h).
const BPF_SKB_TSTAMP_UNSPEC: u32 = 0;
/// The delivery time is of the monotonic clock, as `fq` uses it.
const BPF_SKB_TSTAMP_DELIVERY_MONO: u32 = 1;

/// Lets the packet depart `wait_ns` after `now_ns`.
///
/// The sender's own delivery time (`SO_TXTIME`, pacing) arrives intact and is always replaced: packets
/// that were charged one after another and wait until a time of the sender's choice would leave
/// together, beyond the rate. `fq` paces the sockets of a proxy on the node without it, from their own
/// rate. Without `fq`, or on a frame the kernel cannot stamp (tags in the frame), the time is ignored
/// and the meter's bound polices.
#[inline(always)]
pub(crate) fn depart(ctx: &TcContext, now_ns: u64, wait_ns: u64) {
    let skb = ctx.skb.skb;
    if wait_ns != 0 {
        // SAFETY: the kernel's own context pointer; failure means the frame cannot be stamped.
        unsafe { bpf_skb_set_tstamp(skb, now_ns + wait_ns, BPF_SKB_TSTAMP_DELIVERY_MONO) };
        return;
    }
    // SAFETY: `ctx` holds the kernel's context; the field is there since 5.18.
    let kind = unsafe { (*skb).tstamp_type as u32 };
    if kind != BPF_SKB_TSTAMP_UNSPEC {
        // SAFETY: as above.
        unsafe { bpf_skb_set_tstamp(skb, 0, BPF_SKB_TSTAMP_UNSPEC) };
    }
}

/// Marks the packet with the number of an egress address, which nftables maps to the address.
#[inline(always)]
pub(crate) fn mark(ctx: &TcContext, number: u32) {
    let skb = ctx.skb.skb;
    // SAFETY: `ctx` holds the kernel's context; classifiers may read and write the mark.
    unsafe { (*skb).mark = mark::with((*skb).mark, number) };
}
