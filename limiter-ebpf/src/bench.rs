//! What the benches measure the product against. Not part of it.
//!
//! `empty` is the cost of being called; a floor program does the least that any metering program must:
//! parse, clock, one hash lookup, two plain meters. The rotors make each packet of a run another
//! instance's before they hand it on. Maps of the product's names are the product's own.
#![no_std]
#![no_main]
#![expect(
    clippy::needless_pass_by_value,
    missing_docs,
    unreachable_pub,
    reason = "the classifier macro makes undocumented public functions"
)]

use aya_ebpf::helpers::generated::bpf_ktime_get_ns;
use aya_ebpf::macros::{classifier, map};
use aya_ebpf::maps::{Array, HashMap, ProgramArray};
use aya_ebpf::programs::TcContext;
use limiter_common::interface::Interface;
use limiter_common::key::{Address, AddressKey, Target};
use limiter_common::meter::{Direction, Meter, index};

#[map]
static INSTANCES: HashMap<AddressKey, u64> = HashMap::with_max_entries(1, 0);

#[map]
static METERS: Array<Meter> = Array::with_max_entries(2, 0);

#[map]
static INTERFACES: Array<Interface> = Array::with_max_entries(1, 0);

/// The programs that the rotors hand on to.
#[map]
static SUBJECTS: ProgramArray = ProgramArray::with_max_entries(8, 0);

/// One element: whose turn it is.
#[map]
static TURN: Array<Turn> = Array::with_max_entries(1, 0);

/// What the rotors work with; the bench has the same as six words.
#[repr(C)]
struct Turn {
    /// State of the random generator.
    random: u64,
    /// Instances that take turns.
    active: u64,
    /// The numbers of two of them are this far apart.
    stride: u64,
    /// Slot of the first network.
    first_network: u64,
    /// Instances of a network.
    of_network: u64,
    /// Place of the next program in `SUBJECTS`.
    subject: u64,
}

const NEXT: i32 = -1;
const DROP: i32 = 2;

const ETHERNET_BYTES: usize = 14;
const SOURCE_OFFSET: usize = ETHERNET_BYTES + 12;
const DESTINATION_OFFSET: usize = ETHERNET_BYTES + 16;
/// 10.0.0.0, whose host part is an instance's number.
const FIRST_ADDRESS: u32 = 10 << 24;
/// Slot of instance 0.
const FIRST_SLOT: u32 = 1;
/// The loopback device.
const IFINDEX: u32 = 1;

#[classifier]
pub fn empty(_ctx: TcContext) -> i32 {
    NEXT
}

#[classifier]
pub fn floor_up(ctx: TcContext) -> i32 {
    if account(&ctx, Direction::Up).is_none() { DROP } else { NEXT }
}

#[classifier]
pub fn floor_down(ctx: TcContext) -> i32 {
    if account(&ctx, Direction::Down).is_none() { DROP } else { NEXT }
}

/// The next packet comes from another instance.
#[classifier]
pub fn rotor_up(ctx: TcContext) -> i32 {
    readdress(&ctx, SOURCE_OFFSET)
}

/// The next packet goes to another instance.
#[classifier]
pub fn rotor_down(ctx: TcContext) -> i32 {
    readdress(&ctx, DESTINATION_OFFSET)
}

/// The interface (the loopback device) is bound to another instance.
#[classifier]
pub fn rotor_bound(ctx: TcContext) -> i32 {
    rebind(&ctx)
}

/// An untagged IPv4 frame without options or an IPv6 one; meters without a limit or atomics.
#[inline(always)]
fn account(ctx: &TcContext, direction: Direction) -> Option<()> {
    let address = address(ctx, direction)?;
    // SAFETY: a value is one word.
    let &word = unsafe { INSTANCES.get(AddressKey::new(0, address)) }?;
    let bytes = ctx.len() as u64 - ETHERNET_BYTES as u64;
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    for slot in [Target(word).instance(), Target(word).network()] {
        let meter = METERS.get_ptr_mut(index(slot, direction))?;
        // SAFETY: an element of the map; racy additions are what makes it the floor.
        unsafe {
            (*meter).next_free_ticks = now;
            (*meter).passed_bytes += bytes;
            (*meter).passed_packets += 1;
        }
    }
    Some(())
}

/// The instance's address.
#[inline(always)]
fn address(ctx: &TcContext, direction: Direction) -> Option<Address> {
    const IPV4: u16 = 0x0800_u16.to_be();
    const IPV6: u16 = 0x86dd_u16.to_be();
    let (start, end) = (ctx.data(), ctx.data_end());
    if start + ETHERNET_BYTES + 20 > end {
        return None;
    }
    // SAFETY: the comparison above; packet data needs no alignment on the platforms with a BPF JIT.
    let ethertype = unsafe { ((start + ETHERNET_BYTES - 2) as *const u16).read() };
    let ip = start + ETHERNET_BYTES;
    match ethertype {
        IPV4 => {
            // SAFETY: as above.
            let [first, _, _, source, destination] = unsafe { (ip as *const [u32; 5]).read() };
            let address = if matches!(direction, Direction::Up) { source } else { destination };
            (first.to_ne_bytes()[0] == 0x45).then(|| Address::from_v4(address))
        }
        IPV6 if ip + 40 <= end => {
            // SAFETY: the comparison in the guard.
            let words = unsafe { (ip as *const [u64; 5]).read() };
            let first = if matches!(direction, Direction::Up) { 1 } else { 3 };
            Some(Address { high: words[first], low: words[first + 1] })
        }
        _ => None,
    }
}

#[inline(always)]
fn readdress(ctx: &TcContext, offset: usize) -> i32 {
    let (start, end) = (ctx.data(), ctx.data_end());
    if start + ETHERNET_BYTES + 20 > end {
        return DROP;
    }
    let Some(turn) = next_turn() else { return DROP };
    // SAFETY: the comparison above. The header's checksum is nobody's concern here.
    unsafe { ((start + offset) as *mut u32).write((FIRST_ADDRESS + turn.number).to_be()) };
    hand_on(ctx, turn.subject)
}

#[inline(always)]
fn rebind(ctx: &TcContext) -> i32 {
    let Some(turn) = next_turn() else { return DROP };
    let Some(interface) = INTERFACES.get_ptr_mut(IFINDEX) else { return DROP };
    // SAFETY: an element of the map that only this CPU uses while a bench runs.
    unsafe { (*interface).bound = Target::new(FIRST_SLOT + turn.number, turn.network, 0).0 };
    hand_on(ctx, turn.subject)
}

struct Drawn {
    number: u32,
    network: u32,
    subject: u32,
}

/// A random instance, in no order that a cache could foresee.
#[inline(always)]
fn next_turn() -> Option<Drawn> {
    let turn = TURN.get_ptr_mut(0)?;
    // SAFETY: an element of the map that only this CPU uses while a bench runs.
    let turn = unsafe { &mut *turn };
    // Knuth's MMIX generator.
    turn.random = turn.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let number = (((turn.random >> 32) * turn.active) >> 32) * turn.stride;
    let network = turn.first_network + number.checked_div(turn.of_network)?;
    Some(Drawn { number: number as u32, network: network as u32, subject: turn.subject as u32 })
}

/// Returns only where there is nobody to hand on to.
#[inline(always)]
fn hand_on(ctx: &TcContext, subject: u32) -> i32 {
    // SAFETY: the map holds classifiers only; nothing here is to be dropped.
    unsafe { SUBJECTS.tail_call(ctx, subject) };
    DROP
}

#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
