//! Programs for benches only: the empty classifier and the floor, which does the least that any
//! metering program must: parse, clock, one hash lookup, two plain meters.
#![no_std]
#![no_main]
#![expect(missing_docs, unreachable_pub, reason = "the classifier macro makes undocumented public functions")]

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{classifier, map};
use aya_ebpf::maps::{Array, HashMap};
use aya_ebpf::programs::TcContext;
use limiter_common::key::{Address, AddressKey, Target};
use limiter_common::meter::{Meter, index};

#[map]
static INSTANCES: HashMap<AddressKey, u64> = HashMap::with_max_entries(1, 0);

#[map]
static METERS: Array<Meter> = Array::with_max_entries(2, 0);

/// What it costs to be called at all.
#[classifier]
pub fn empty(_ctx: TcContext) -> i32 {
    -1
}

/// An untagged IPv4 frame of a known source: two meters without a limit or atomics.
#[classifier]
pub fn floor(ctx: TcContext) -> i32 {
    if account(&ctx).is_none() { 2 } else { -1 }
}

#[inline(always)]
fn account(ctx: &TcContext) -> Option<()> {
    const IPV4_OFFSET: usize = 14;
    const IPV4_BYTES: usize = 20;
    let (start, end) = (ctx.data() + IPV4_OFFSET, ctx.data_end());
    if start + IPV4_BYTES > end {
        return None;
    }
    // SAFETY: the comparison above; packet data needs no alignment on the platforms with a BPF JIT.
    let [first, _, _, source, _] = unsafe { (start as *const [u32; IPV4_BYTES / 4]).read() };
    if first.to_ne_bytes()[0] != 0x45 {
        return None;
    }
    // SAFETY: a value is one word.
    let &word = unsafe { INSTANCES.get(AddressKey::new(0, Address::from_v4(source))) }?;
    let bytes = ctx.len() as u64 - IPV4_OFFSET as u64;
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    for slot in [Target(word).instance(), Target(word).network()] {
        let meter = METERS.get_ptr_mut(index(slot, limiter_common::meter::Direction::Up))?;
        // SAFETY: an element of the map; racy additions are what makes it the floor.
        unsafe {
            (*meter).next_free_ticks = now;
            (*meter).passed_bytes += bytes;
            (*meter).passed_packets += 1;
        }
    }
    Some(())
}

#[cfg(target_arch = "bpf")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
