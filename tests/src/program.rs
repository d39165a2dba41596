//! The loaded programs with maps of their own, to be run on single packets without any hook.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use aya::programs::{TestRun as _, TestRunOptions};
use limiter_agent::dataplane::{Limit, Maps, Prefix, Programs, Sizes};
use limiter_common::interface::{Interface, Zone};
use limiter_common::key::{Address, AddressKey, Target};
use limiter_common::meter::{Direction, Owner};

/// Programs and maps of one test; the pins are gone when it is dropped.
pub struct Fixture {
    /// The programs.
    pub programs: Programs,
    /// Their maps.
    pub maps: Maps,
    pins: PathBuf,
}

/// What the kernel's context says beside the bytes of the packet.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    /// Payload of each segment, bytes; 0 for a single packet.
    pub gso_size: u32,
    /// Delivery time that the sender asked for, nanoseconds of the monotonic clock; 0 for none.
    pub delivery_ns: u64,
}

/// What one run gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The program's return value.
    pub verdict: i32,
    /// Delivery time after the run, nanoseconds of the monotonic clock.
    pub delivery_ns: u64,
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
        Self { programs, maps, pins }
    }

    /// Room for a few entities.
    pub fn small() -> Self {
        Self::new(Sizes { slots: 64, addresses: 64, prefixes: 64, zones: 4 })
    }

    /// Makes the loopback device one of ours.
    pub fn interface(&self, interface: Interface) {
        self.maps.interfaces().put(Interface { ifindex: IFINDEX, ..interface }).expect("interface");
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
            self.maps.meters().set_limit(slot, direction, limit);
        }
    }

    /// Runs the program of `direction` once on `packet`.
    pub fn run(&mut self, direction: Direction, packet: &[u8], context: Context) -> Outcome {
        let ctx_in = context.bytes();
        let mut ctx_out = [0_u8; SK_BUFF_BYTES];
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        options.ctx_in = Some(&ctx_in);
        options.ctx_out = Some(&mut ctx_out);
        let result = self.programs.classifier(direction).test_run(options).expect("BPF_PROG_TEST_RUN");
        let delivery_ns = u64::from_ne_bytes(ctx_out[TSTAMP..TSTAMP + 8].try_into().expect("eight bytes"));
        Outcome { verdict: result.return_value.cast_signed(), delivery_ns }
    }

    /// Mean time of `repeat` runs on `packet`, nanoseconds.
    pub fn time_ns(&mut self, direction: Direction, packet: &[u8], repeat: u32) -> u64 {
        let mut options = TestRunOptions::new();
        options.data_in = Some(packet);
        options.repeat = repeat;
        let result = self.programs.classifier(direction).test_run(options).expect("BPF_PROG_TEST_RUN");
        result.duration.as_nanos() as u64
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        Maps::unpin(&self.pins).expect("pins of this test");
    }
}

/// Size of `struct __sk_buff` and places of its fields (linux/bpf.h).
const SK_BUFF_BYTES: usize = 192;
const TSTAMP: usize = 152;
const GSO_SIZE: usize = 176;

impl Context {
    fn bytes(self) -> [u8; SK_BUFF_BYTES] {
        let mut bytes = [0; SK_BUFF_BYTES];
        bytes[TSTAMP..TSTAMP + 8].copy_from_slice(&self.delivery_ns.to_ne_bytes());
        bytes[GSO_SIZE..GSO_SIZE + 4].copy_from_slice(&self.gso_size.to_ne_bytes());
        bytes
    }
}
