//! All maps: who writes each, and how large it is. User space sets `max_entries` at load.

use core::ptr::NonNull;

use aya_ebpf::macros::map;
use aya_ebpf::maps::lpm_trie::{Key, LpmTrie};
use aya_ebpf::maps::{Array, HashMap, LruHashMap, PerCpuArray};
use aya_ebpf::programs::TcContext;
use limiter_common::interface::{Interface, Zone};
use limiter_common::key::{Address, AddressKey, PrefixData, Target};
use limiter_common::meter::{self, Direction, Meter, Owner};
use limiter_common::node::{Node, Unknown};
use limiter_common::verdict::{Reason, Tally};

const BPF_F_NO_PREALLOC: u32 = 1;
const BPF_F_MMAPABLE: u32 = 1 << 10;

/// Addresses of instances. Written by the agent; one entry an address.
#[map]
static INSTANCES: HashMap<AddressKey, u64> = HashMap::with_max_entries(1, 0);

/// Prefixes of networks and instances, and local ones. Written by the agent.
#[map]
static NETWORKS: LpmTrie<PrefixData, u64> = LpmTrie::with_max_entries(1, BPF_F_NO_PREALLOC);

/// Two meters a slot. The agent writes limits through a mapping, the programs write the rest.
#[map]
static METERS: Array<Meter> = Array::with_max_entries(2, BPF_F_MMAPABLE);

/// One owner a slot. Written and read by the agent only; kept here to live as long as the meters.
#[map]
static OWNERS: Array<Owner> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Interfaces of ours, each at or just behind the place of its index. Written by the agent through a
/// mapping, the index last.
#[map]
static INTERFACES: Array<Interface> = Array::with_max_entries(Interface::TABLE_ENTRIES, BPF_F_MMAPABLE);

/// Zones, by number. Written by the agent.
#[map]
static ZONES: Array<Zone> = Array::with_max_entries(1, 0);

/// The node's own switches. Written by the agent; one element.
#[map]
static NODE: Array<Node> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// What happened to packets that no meter counts. Written by the programs.
#[map]
static REASONS: PerCpuArray<Tally> = PerCpuArray::with_max_entries(Reason::COUNTERS, 0);

/// Sources that are no known instance, the most recent ones. Written by the programs.
#[map]
static UNKNOWN: LruHashMap<AddressKey, Unknown> = LruHashMap::with_max_entries(4096, 0);

/// The interface the packet is on, if it is one of ours.
#[inline(always)]
pub(crate) fn interface(ctx: &TcContext) -> Option<&'static Interface> {
    // SAFETY: `ctx` holds the kernel's context.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    for probe in 0..Interface::PROBES {
        let interface = INTERFACES.get(Interface::place(ifindex, probe))?;
        if interface.ifindex == ifindex {
            return Some(interface);
        }
    }
    None
}

/// True where the node's `flag` is set.
#[inline(always)]
pub(crate) fn node_has(flag: u64) -> bool {
    NODE.get(0).is_some_and(|node| {
        // SAFETY: an aligned word of a map element, which other CPUs and user space may write.
        unsafe { (&raw const node.flags).read_volatile() & flag != 0 }
    })
}

/// The zone of an interface.
#[inline(always)]
pub(crate) fn zone(number: u32) -> Option<&'static Zone> {
    ZONES.get(number)
}

/// The instance that has `address`.
#[inline(always)]
pub(crate) fn instance(zone: u32, address: Address) -> Option<Target> {
    // SAFETY: a value is one word, so a concurrent update cannot be seen in part.
    unsafe { INSTANCES.get(AddressKey::new(zone, address)) }.map(|&word| Target(word))
}

/// The longest prefix that holds `address`.
#[inline(always)]
pub(crate) fn prefix(zone: u32, address: Address) -> Option<Target> {
    let key = Key::new(32 + 128, AddressKey::new(zone, address));
    NETWORKS.get(&key).map(|&word| Target(word))
}

/// The meter of a slot; none for slot 0.
#[inline(always)]
pub(crate) fn meter(slot: u32, direction: Direction) -> Option<NonNull<Meter>> {
    if slot == 0 {
        return None;
    }
    // None is a null pointer then, and no word beside it.
    METERS.get_ptr_mut(meter::index(slot, direction)).and_then(NonNull::new)
}

/// The counter of a reason on this CPU.
#[inline(always)]
pub(crate) fn tally(index: u32) -> Option<*mut Tally> {
    REASONS.get_ptr_mut(index)
}

/// Notes a source that is no known instance.
#[inline(always)]
pub(crate) fn note_unknown(ctx: &TcContext, zone: u32, address: Address, network: u32, now_ns: u64) {
    let key = AddressKey::new(zone, address);
    // SAFETY: `ctx` holds the kernel's context.
    let ifindex = unsafe { (*ctx.skb.skb).ifindex };
    if let Some(unknown) = UNKNOWN.get_ptr_mut(key) {
        // SAFETY: an element of an LRU map stays readable for the program's run. CPUs that see the
        // same source at once may lose each other's count: it serves a listing, not a bill.
        unsafe {
            (*unknown).seen_ns = now_ns;
            (*unknown).packets += 1;
            (*unknown).ifindex = ifindex;
        }
        return;
    }
    let unknown = Unknown { seen_ns: now_ns, packets: 1, ifindex, network };
    // A full LRU map evicts the oldest; a failure to insert costs a line of the listing only.
    let _ = UNKNOWN.insert(key, unknown, 0);
}
