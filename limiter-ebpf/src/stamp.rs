//! The delivery time of a packet, which `fq` on the egress device honours.

use aya_ebpf::helpers::generated::bpf_skb_set_tstamp;
use aya_ebpf::programs::TcContext;

/// `__sk_buff.tstamp_type` of a buffer without a delivery time (linux/bpf.h).
const BPF_SKB_TSTAMP_UNSPEC: u32 = 0;
/// The delivery time is of the monotonic clock, as `fq` uses it.
const BPF_SKB_TSTAMP_DELIVERY_MONO: u32 = 1;

/// Lets the packet depart `wait_ns` after `now_ns`.
///
/// The sender's own delivery time (`SO_TXTIME`, a local socket's pacing) arrives intact. It is
/// honoured up to [`FOREIGN_WAIT_MAX_NS`], so that pacing of a proxy on the node works, and never
/// instead of ours. Without `fq`, or on a frame the kernel cannot stamp (tags in the frame), the
/// time is ignored and the meter's bound polices.
#[inline(always)]
pub(crate) fn depart(ctx: &TcContext, now_ns: u64, wait_ns: u64) {
    let skb = ctx.skb.skb;
    // SAFETY: `ctx` holds the kernel's context; both fields are there since 5.18.
    let (kind, theirs) = unsafe { ((*skb).tstamp_type as u32, (*skb).tstamp) };
    if wait_ns == 0 && kind == BPF_SKB_TSTAMP_UNSPEC {
        return;
    }
    let ours = now_ns + wait_ns;
    let latest = now_ns + FOREIGN_WAIT_MAX_NS;
    let theirs = match kind {
        BPF_SKB_TSTAMP_DELIVERY_MONO if theirs < latest => theirs,
        BPF_SKB_TSTAMP_DELIVERY_MONO => latest,
        _ => 0,
    };
    let time = if theirs > ours { theirs } else { ours };
    // SAFETY: the kernel's own context pointer; failure means the frame cannot be stamped.
    unsafe { bpf_skb_set_tstamp(skb, time, BPF_SKB_TSTAMP_DELIVERY_MONO) };
}

/// Longest wait a sender may ask for itself, nanoseconds: the default queue bound.
const FOREIGN_WAIT_MAX_NS: u64 = 30_000_000;
