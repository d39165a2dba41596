//! The loaded programs with maps of their own, to be run on single packets without any hook.

pub mod scene;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use aya::maps::{Array, Map, MapData, PerCpuArray};
use aya::programs::{ProgramError, TestRun as _, TestRunOptions};
use limiter_agent::clock::monotonic_ns;
use limiter_agent::dataplane::{Limit, Maps, Prefix, Programs, Sizes};
use limiter_agent::reconcile::cover::maybe_local;
use limiter_common::LAYOUT_VERSION;
use limiter_common::cost::TICKS_PER_NS;
use limiter_common::interface::{Interface, Zone};
use limiter_common::key::{Address, AddressKey, Target};
use limiter_common::meter::{Direction, Meter, Owner, index};
use limiter_common::verdict::{Reason, Tally};

/// Programs and maps of one test; the pins are gone when it is dropped.
pub struct Fixture {
    /// The programs.
    pub programs: Programs,
    /// Their maps.
    pub maps: Maps,
    meters: Array<MapData, Meter>,
    reasons: PerCpuArray<MapData, Tally>,
    pins: PathBuf,
}

/// What the kernel's context says beside the bytes of the packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Payload of each segment, bytes; 0 for a single packet.
    pub gso_size: u32,
    /// Delivery time that the sender asked for, nanoseconds of the monotonic clock; 0 for none.
    pub delivery_ns: u64,
    /// Mark that the packet has already.
    pub mark: u32,
}

/// What one run gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The program's return value.
    pub verdict: i32,
    /// Delivery time after the run, nanoseconds of the monotonic clock.
    pub delivery_ns: u64,
    /// Mark after the run.
    pub mark: u32,
}

impl Outcome {
    /// True where the packet goes on to the next program.
    pub fn passes(self) -> bool {
        self.verdict == -1
    }
}

/// Runs happen on the loopback device.
pub const IFINDEX: u32 = 1;

impl Fixture {
    /// Loads the programs over new maps.
    ///
    /// # Panics
    /// Where the kernel refuses: needs root and bpffs at /sys/fs/bpf.
    pub fn new(sizes: Sizes) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let pins = PathBuf::from(format!("/sys/fs/bpf/limiter-test-{}-{number}", std::process::id()));
        let programs = Programs::load(&pins, &sizes).unwrap_or_else(|error| {
            panic!("{error}\nthis test needs root (or CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN) and bpffs at /sys/fs/bpf")
        });
        let maps = Maps::open(&pins).expect("maps just pinned").expect("maps just pinned");
        let map = |name| {
            MapData::from_pin(pins.join(format!("v{LAYOUT_VERSION}")).join(name)).expect("maps just pinned")
        };
        let meters = Map::Array(map("METERS")).try_into().expect("an array");
        let reasons = Map::PerCpuArray(map("REASONS")).try_into().expect("an array for each CPU");
        Self { programs, maps, meters, reasons, pins }
    }

    /// Room for a few entities.
    pub fn small() -> Self {
        Self::new(Sizes { slots: 64, addresses: 64, prefixes: 64, zones: 4 })
    }

    /// Makes the loopback device one of ours.
    pub fn interface(&self, interface: Interface) {
        let zones = self.maps.zones().expect("zones");
        let maybe_local = zones.get(interface.zone as usize).map_or(0, maybe_local);
        let interface = Interface { ifindex: IFINDEX, maybe_local, ..interface };
        self.maps.interfaces().put(interface).expect("interface");
    }

    /// Gives `address` of `zone` to a target.
    pub fn instance(&self, zone: u32, address: Address, target: Target) {
        self.maps.put_instances(&[(AddressKey::new(zone, address), target)]).expect("instance");
    }

    /// Gives a prefix of `zone`, `bits` long in the mapped address, to a target.
    pub fn prefix(&self, zone: u32, address: Address, bits: u32, target: Target) {
        let prefix = Prefix::new(32 + bits, AddressKey::new(zone, address));
        self.maps.put_networks(&[(prefix, target)]).expect("prefix");
    }

    /// Sets a zone's ranges.
    pub fn zone(&self, number: u32, zone: Zone) {
        self.maps.put_zone(number, zone).expect("zone");
    }

    /// Claims a slot and limits both directions alike.
    pub fn meter(&self, slot: u32, limit: Limit) {
        self.maps.meters().claim(slot, slot as u64, Owner::INSTANCE);
        for direction in Direction::ALL {
            self.maps.meters().set_limit(slot, direction, limit, monotonic_ns());
        }
    }

    /// Sets when a meter is next free, relative to now: it is in debt, or idle for so long.
    pub fn set_lead(&mut self, slot: u32, direction: Direction, lead_ns: i64) {
        let mut meter = self.maps.meters().read(slot, direction);
        meter.next_free_ticks = monotonic_ns().wrapping_add_signed(lead_ns).wrapping_mul(TICKS_PER_NS);
        self.meters.set(index(slot, direction), meter, 0).expect("meter");
    }

    /// What the programs counted under a reason so far.
    pub fn tally(&self, reason: Reason, direction: Direction) -> Tally {
        let cpus = self.reasons.get(&reason.index(direction), 0).expect("counter");
        cpus.iter().fold(Tally::default(), |sum, cpu| Tally {
            packets: sum.packets + cpu.packets,
            bytes: sum.bytes + cpu.bytes,
        })
    }

    /// Runs the program of `direction` once on `packet`.
    pub fn run(&mut self, direction: Direction, packet: &[u8], context: Context) -> Outcome {
        run(&mut self.programs, direction, packet, context, 1).expect("a packet that the kernel runs")
    }

    /// The programs once more, over the same maps: for a thread of its own, or as an upgrade.
    pub fn programs_again(&self) -> Programs {
        Programs::load(&self.pins, &self.maps.sizes()).expect("programs that were loaded before")
    }

    /// Where the maps are pinned.
    pub fn pins(&self) -> &Path {
        &self.pins
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        Maps::unpin(&self.pins).expect("pins of this test");
    }
}

/// Runs the program of `direction` `times` times on the same buffer: each run finds it as the one before
/// left it. None where the kernel takes the packet for no frame and runs nothing.
pub fn run(
    programs: &mut Programs,
    direction: Direction,
    packet: &[u8],
    context: Context,
    times: u32,
) -> Option<Outcome> {
    let ctx_in = context.bytes();
    let mut ctx_out = [0_u8; SK_BUFF_BYTES];
    let mut options = TestRunOptions::new();
    options.data_in = Some(packet);
    options.ctx_in = Some(&ctx_in);
    options.ctx_out = Some(&mut ctx_out);
    options.repeat = times;
    let result = match programs.classifier(direction).test_run(options) {
        Err(ProgramError::SyscallError(error)) if error.io_error.kind() == ErrorKind::InvalidInput => {
            return None;
        }
        result => result.expect("BPF_PROG_TEST_RUN"),
    };
    let delivery_ns = u64::from_ne_bytes(ctx_out[TSTAMP..TSTAMP + 8].try_into().expect("eight bytes"));
    let mark = u32::from_ne_bytes(ctx_out[MARK..MARK + 4].try_into().expect("four bytes"));
    Some(Outcome { verdict: result.return_value.cast_signed(), delivery_ns, mark })
}

/// Size of `struct __sk_buff` and places of its fields (linux/bpf.h).
const SK_BUFF_BYTES: usize = 192;
const MARK: usize = 8;
const TSTAMP: usize = 152;
const GSO_SIZE: usize = 176;

impl Context {
    fn bytes(self) -> [u8; SK_BUFF_BYTES] {
        let mut bytes = [0; SK_BUFF_BYTES];
        bytes[MARK..MARK + 4].copy_from_slice(&self.mark.to_ne_bytes());
        bytes[TSTAMP..TSTAMP + 8].copy_from_slice(&self.delivery_ns.to_ne_bytes());
        bytes[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&self.gso_size.to_ne_bytes());
        bytes
    }
}
