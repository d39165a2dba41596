//! The kernel object: loading it over the pinned maps, new or adopted.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use aya::maps::MapData;
use aya::programs::SchedClassifier;
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use limiter_common::interface::{Interface, Zone};
use limiter_common::key::AddressKey;
use limiter_common::meter::{Direction, Meter, Owner};
use limiter_common::node::{Node, Unknown};
use limiter_common::verdict::{Reason, Tally};

use super::attach::{self, Loaded};
use super::{DataPlaneError, bpffs};

static OBJECT: &[u8] = include_bytes_aligned!(env!("LIMITER_OBJECT"));

/// Entries that each map has room for. Maps are allocated whole and cannot grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Sizes {
    /// Instances and networks, slot 0 included.
    pub slots: u32,
    /// Addresses of instances.
    pub addresses: u32,
    /// Prefixes of networks and instances, and local ones.
    pub prefixes: u32,
    /// Zones.
    pub zones: u32,
}

/// Sources that the listing of unknown ones remembers.
const UNKNOWN_ENTRIES: u32 = 4096;

/// A map as this version makes it.
pub(super) struct Shape {
    pub(super) name: &'static str,
    key_bytes: usize,
    value_bytes: usize,
    entries: u32,
}

impl Sizes {
    /// More room than any state takes.
    pub const MAX: Self = Self { slots: u32::MAX, addresses: u32::MAX, prefixes: u32::MAX, zones: u32::MAX };

    /// The larger of both, map by map.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            slots: self.slots.max(other.slots),
            addresses: self.addresses.max(other.addresses),
            prefixes: self.prefixes.max(other.prefixes),
            zones: self.zones.max(other.zones),
        }
    }

    /// Maps that are as large for every state.
    pub(super) const FIXED: [&str; 4] = ["INTERFACES", "NODE", "REASONS", "UNKNOWN"];

    /// Every map with its sizes.
    pub(super) fn shapes(&self) -> [Shape; 9] {
        let shape = |name, key_bytes, value_bytes, entries| Shape { name, key_bytes, value_bytes, entries };
        [
            shape("INSTANCES", size_of::<AddressKey>(), 8, self.addresses),
            shape("NETWORKS", 4 + size_of::<AddressKey>(), 8, self.prefixes),
            shape("METERS", 4, size_of::<Meter>(), self.slots * 2),
            shape("OWNERS", 4, size_of::<Owner>(), self.slots),
            shape("INTERFACES", 4, size_of::<Interface>(), Interface::TABLE_ENTRIES),
            shape("ZONES", 4, size_of::<Zone>(), self.zones),
            shape("NODE", 4, size_of::<Node>(), 1),
            shape("REASONS", 4, size_of::<Tally>(), Reason::COUNTERS),
            shape("UNKNOWN", size_of::<AddressKey>(), size_of::<Unknown>(), UNKNOWN_ENTRIES),
        ]
    }
}

/// The loaded programs. The kernel keeps what is attached when this is dropped.
pub struct Programs {
    ebpf: Ebpf,
    known: Vec<Loaded>,
}

impl Programs {
    /// Loads the programs over the maps pinned in `pins`, which are made with `sizes` where missing.
    ///
    /// # Errors
    /// A pinned map of another shape is refused, never reinterpreted: aya would reuse it unseen.
    pub fn load(pins: &Path, sizes: &Sizes) -> Result<Self, DataPlaneError> {
        let pins = bpffs::layout(pins);
        bpffs::prepare(&pins)?;
        let shapes = sizes.shapes();
        for shape in &shapes {
            shape.check(&pins.join(shape.name))?;
        }
        let mut loader = EbpfLoader::new();
        for shape in &shapes {
            loader.map_max_entries(shape.name, shape.entries);
            loader.map_pin_path(shape.name, pins.join(shape.name));
        }
        let mut ebpf = loader.load(OBJECT).map_err(Box::new)?;
        for direction in Direction::ALL {
            program(&mut ebpf, direction).load().map_err(Box::new)?;
        }
        let meters = MapData::from_pin(pins.join("METERS")).and_then(|map| map.info());
        let meters_id = meters.map_err(DataPlaneError::map("METERS"))?.id();
        Ok(Self { ebpf, known: attach::loaded(Some(meters_id)) })
    }

    /// Programs of ours that were loaded when these were, these among them. Nobody loads others while
    /// the agent runs, and it may not ask for them once it has given up `CAP_SYS_ADMIN`.
    pub fn known(&self) -> &[Loaded] {
        &self.known
    }

    /// The program of a direction.
    pub fn fd(&self, direction: Direction) -> BorrowedFd<'_> {
        let program: &SchedClassifier = self
            .ebpf
            .program(name(direction))
            .and_then(|program| program.try_into().ok())
            .expect(OBJECT_HAS_IT);
        program.fd().expect(OBJECT_HAS_IT).as_fd()
    }

    /// The kernel's ids of the programs, up and down.
    pub fn ids(&self) -> [u32; 2] {
        Direction::ALL.map(|direction| {
            let program: Option<&SchedClassifier> =
                self.ebpf.program(name(direction)).and_then(|program| program.try_into().ok());
            program.and_then(|program| program.info().ok()).map_or(0, |info| info.id())
        })
    }

    /// The program of a direction, for test runs and benches.
    pub fn classifier(&mut self, direction: Direction) -> &mut SchedClassifier {
        program(&mut self.ebpf, direction)
    }
}

const OBJECT_HAS_IT: &str = "the object built with this binary has both programs, loaded by `load`";

/// Name of the program of a direction, as `tc` and `bpftool` show it.
pub const fn name(direction: Direction) -> &'static str {
    match direction {
        Direction::Up => "limiter_up",
        Direction::Down => "limiter_down",
    }
}

fn program(ebpf: &mut Ebpf, direction: Direction) -> &mut SchedClassifier {
    ebpf.program_mut(name(direction)).and_then(|program| program.try_into().ok()).expect(OBJECT_HAS_IT)
}

impl Shape {
    /// Refuses a pin that is not of this shape; a missing one is fine. A map that is too small is
    /// found by its user, who knows the need.
    fn check(&self, path: &Path) -> Result<(), DataPlaneError> {
        if !path.exists() {
            return Ok(());
        }
        let info =
            MapData::from_pin(path).and_then(|map| map.info()).map_err(DataPlaneError::map(self.name))?;
        let found = format!("keys of {} and values of {} bytes", info.key_size(), info.value_size());
        let expected = format!("keys of {} and values of {} bytes", self.key_bytes, self.value_bytes);
        if found == expected {
            return Ok(());
        }
        Err(DataPlaneError::ForeignPin { path: path.to_owned(), found, expected })
    }
}
