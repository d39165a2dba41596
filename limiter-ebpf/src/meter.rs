//! Both levels or none: a packet is charged to its instance and its network, or to neither.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};
use core::ptr::NonNull;

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::programs::TcContext;
use limiter_common::cost::{self, TICKS_PER_NS};
use limiter_common::gcra::{self, NextFree};
use limiter_common::interface::Interface;
use limiter_common::key::Target;
use limiter_common::meter::{Control, Direction, Meter};
use limiter_common::verdict::Reason;
use limiter_common::wire::Wire;

use crate::packet::Ip;
use crate::{maps, stamp};

/// Monotonic time, nanoseconds.
#[inline(always)]
pub(crate) fn now_ns() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// Admits and charges the packet, or refuses it, and counts which.
///
/// Every level is asked before any is charged, so a refusal leaves no trace elsewhere and nothing
/// has to be given back. CPUs that are told yes at the same moment exceed a bound by one packet
/// each, which is the bound that `gcra::admits` states.
#[inline(always)]
pub(crate) fn charge(
    ctx: &TcContext,
    interface: &Interface,
    ip: &Ip,
    target: Target,
    direction: Direction,
) -> Reason {
    let now_ns = now_ns();
    let instance = maps::meter(target.instance(), direction).map(Handle);
    let network = maps::meter(target.network(), direction).map(Handle);
    let now = now_ns.wrapping_mul(TICKS_PER_NS);

    let refusal = instance
        .as_ref()
        .and_then(|meter| meter.refuses(now, Reason::InstanceLimit).map(|reason| (meter, reason)))
        .or_else(|| {
            network
                .as_ref()
                .and_then(|meter| meter.refuses(now, Reason::NetworkLimit).map(|reason| (meter, reason)))
        });
    if let Some((meter, reason)) = refusal {
        meter.count_refused(ip.wire);
        if !interface.has(Interface::OBSERVE) && !meter.control().has(Control::OBSERVE) {
            return reason;
        }
        for meter in [instance, network].into_iter().flatten() {
            meter.count_passed(ip.wire);
        }
        return Reason::Observed;
    }
    let instance_wait = instance.map_or(0, |meter| meter.pass(now, ip.wire));
    let network_wait = network.map_or(0, |meter| meter.pass(now, ip.wire));
    let wait = if instance_wait > network_wait { instance_wait } else { network_wait };
    if !interface.has(Interface::OBSERVE) {
        stamp::depart(ctx, now_ns, wait.div_ceil(TICKS_PER_NS));
    }
    Reason::Admitted
}

/// Marks a packet with the egress address of its network, from the word that holds the bound.
#[inline(always)]
pub(crate) fn mark(ctx: &TcContext, target: Target) {
    let Some(network) = maps::meter(target.network(), Direction::Up).map(Handle) else { return };
    let number = network.control().egress();
    if number != 0 {
        stamp::mark(ctx, number);
    }
}

/// A meter in its map. Other CPUs and user space write its words at any time, so each is read once
/// as a volatile word and written by one atomic.
struct Handle(NonNull<Meter>);

impl Handle {
    #[inline(always)]
    fn control(&self) -> Control {
        // SAFETY: the pointer is to a map element, checked by the lookup that gave it.
        Control(unsafe { (&raw const (*self.0.as_ptr()).control).read_volatile() })
    }

    #[inline(always)]
    fn cost_per_byte(&self) -> u64 {
        // SAFETY: as in `control`.
        unsafe { (&raw const (*self.0.as_ptr()).cost_per_byte).read_volatile() }
    }

    /// Why the meter refuses a packet now, if it does.
    #[inline(always)]
    fn refuses(&self, now: u64, limit: Reason) -> Option<Reason> {
        let control = self.control();
        if control.has(Control::OFFLINE) {
            return Some(Reason::Offline);
        }
        // A limit may be lifted while the meter is in debt.
        if self.cost_per_byte() == 0 {
            return None;
        }
        let lead = gcra::lead(self.load(), now);
        (!gcra::admits(lead, control.bound_ticks())).then_some(limit)
    }

    /// Counts and charges a packet; returns the ticks it has to wait.
    #[inline(always)]
    fn pass(&self, now: u64, wire: Wire) -> u64 {
        self.count_passed(wire);
        let per_byte = self.cost_per_byte();
        if per_byte == 0 {
            return 0;
        }
        let wait = gcra::charge(self, now, cost::of_bytes(wire.bytes, per_byte));
        if wait != 0 && self.control().has(Control::OBSERVE) { 0 } else { wait }
    }

    #[inline(always)]
    fn count_passed(&self, wire: Wire) {
        // SAFETY: as in `control`. `Relaxed` is right because no result is used (LLVM 22 would
        // miscompile it otherwise).
        unsafe {
            add_only(&raw mut (*self.0.as_ptr()).passed_bytes, wire.bytes);
            add_only(&raw mut (*self.0.as_ptr()).passed_packets, wire.packets);
        }
    }

    #[inline(always)]
    fn count_refused(&self, wire: Wire) {
        // SAFETY: as in `count_passed`.
        unsafe {
            add_only(&raw mut (*self.0.as_ptr()).refused_bytes, wire.bytes);
            add_only(&raw mut (*self.0.as_ptr()).refused_packets, wire.packets);
        }
    }
}

impl NextFree for Handle {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: as in `control`.
        unsafe { (&raw const (*self.0.as_ptr()).next_free_ticks).read_volatile() }
    }

    #[inline(always)]
    fn replace(&self, seen: u64, new: u64) -> bool {
        // SAFETY: as in `control`.
        unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::AcqRel }, { AtomicOrdering::Acquire }>(
                &raw mut (*self.0.as_ptr()).next_free_ticks,
                seen,
                new,
            )
            .0 == seen
        }
    }

    #[inline(always)]
    fn add(&self, ticks: u64) -> u64 {
        // SAFETY: as in `control`. Never `Relaxed` where the old value is used: LLVM 22 returns the
        // addend then (llvm-project#210280).
        unsafe {
            atomic_xadd::<u64, u64, { AtomicOrdering::AcqRel }>(
                &raw mut (*self.0.as_ptr()).next_free_ticks,
                ticks,
            )
        }
    }
}

/// Adds to a counter whose old value nobody needs.
///
/// # Safety
/// `counter` is a word of a map element.
#[inline(always)]
unsafe fn add_only(counter: *mut u64, value: u64) {
    // SAFETY: promised by the caller.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, value) };
}
