//! Counters of packets that no meter counts, by reason.

use aya_ebpf::programs::TcContext;
use limiter_common::meter::Direction;
use limiter_common::verdict::Reason;

use crate::maps;

/// Counts the packet under `reason`. The counters are one for each CPU, so plain additions are exact.
#[inline(always)]
pub(crate) fn reason(ctx: &TcContext, reason: Reason, direction: Direction) {
    if let Some(tally) = maps::tally(reason.index(direction)) {
        // SAFETY: an element of this CPU; the kernel runs one program of a CPU at a time here.
        unsafe {
            (*tally).packets += 1;
            (*tally).bytes += ctx.len() as u64;
        }
    }
}
