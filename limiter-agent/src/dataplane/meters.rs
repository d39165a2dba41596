//! The meters and their owners, mapped into the agent: reading is a memory scan, a limit change a store.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use limiter_common::cost::TICKS_PER_NS;
use limiter_common::gcra;
use limiter_common::meter::{Control, Direction, Meter, Owner, index};

use super::DataPlaneError;
use super::mapping::{Mapping, Shared};

/// The `METERS` and `OWNERS` arrays of a node.
pub struct MeterArray {
    meters: Mapping<MeterWords>,
    owners: Mapping<OwnerWords>,
}

/// Set in a count of larger maps in the step that adds to it what the smaller ones counted, so that it is added
/// once, whenever the agent is killed. No count comes near it: 100 Gbps take 20 years.
const TAKEN: u64 = 1 << 63;

/// Limit of one direction of a slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Limit {
    /// Ticks a byte costs, as of [`limiter_common::cost::per_byte`]; zero for no limit.
    pub cost_per_byte: u64,
    /// Word of the [`Control`]: bound and flags.
    pub control: u64,
}

impl std::fmt::Debug for MeterArray {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "meters of {} slots", self.slots())
    }
}

impl MeterArray {
    /// Maps both arrays, which have room for `slots` slots.
    pub(super) fn map(
        meters: BorrowedFd<'_>,
        owners: BorrowedFd<'_>,
        slots: u32,
    ) -> Result<Self, DataPlaneError> {
        Ok(Self {
            meters: Mapping::new("METERS", meters, slots as usize * 2)?,
            owners: Mapping::new("OWNERS", owners, slots as usize)?,
        })
    }

    /// Slots there are, slot 0 included.
    pub fn slots(&self) -> u32 {
        self.owners.len() as u32
    }

    /// Reads a meter. Words are read one by one while the kernel counts, so two of them may be a
    /// packet apart; each is exact.
    pub fn read(&self, slot: u32, direction: Direction) -> Meter {
        let words = self.meters.get(index(slot, direction) as usize);
        let read = |word: &AtomicU64| word.load(Ordering::Acquire);
        Meter {
            next_free_ticks: read(&words.next_free_ticks),
            cost_per_byte: read(&words.cost_per_byte),
            control: read(&words.control),
            passed_bytes: read(&words.passed_bytes) & !TAKEN,
            passed_packets: read(&words.passed_packets) & !TAKEN,
            refused_bytes: read(&words.refused_bytes) & !TAKEN,
            refused_packets: read(&words.refused_packets) & !TAKEN,
            marked_packets: read(&words.marked_packets) & !TAKEN,
        }
    }

    /// The limit of a direction in force.
    pub fn limit(&self, slot: u32, direction: Direction) -> Limit {
        let words = self.meters.get(index(slot, direction) as usize);
        Limit {
            cost_per_byte: words.cost_per_byte.load(Ordering::Acquire),
            control: words.control.load(Ordering::Acquire),
        }
    }

    /// Changes a limit. The two words change one after the other, the looser bound with both costs: a
    /// packet between them is refused by none that neither limit would refuse.
    ///
    /// Debt beyond the new bound is forgiven, or a meter that owed seconds at a low rate would refuse
    /// everything for seconds at a high one. What a program charges meanwhile stays charged.
    pub fn set_limit(&self, slot: u32, direction: Direction, limit: Limit, now_ns: u64) {
        let words = self.meters.get(index(slot, direction) as usize);
        let cost = || words.cost_per_byte.store(limit.cost_per_byte, Ordering::Release);
        let control = || words.control.store(limit.control, Ordering::Release);
        let before = Control(words.control.load(Ordering::Acquire));
        if before.bound_ns() < limit.control().bound_ns() {
            control();
            cost();
        } else {
            cost();
            control();
        }
        let lead = gcra::lead(words.next_free_ticks.load(Ordering::Acquire), now_ns * TICKS_PER_NS);
        let beyond = lead.saturating_sub(limit.control().bound_ticks());
        if limit.cost_per_byte != 0 {
            words.next_free_ticks.fetch_sub(beyond, Ordering::AcqRel);
        }
    }

    /// Makes the free slots here those of `from`, a smaller array: owners, limits and debt, without counts.
    ///
    /// While programs write both, each meter holds its limit for what it sees, so that packets on
    /// different interfaces may pass twice: for the time it takes to exchange the programs.
    pub(super) fn adopt(&self, from: &Self) {
        for slot in 0..from.slots() {
            let owner = from.owner(slot);
            let words = self.owners.get(slot as usize);
            words.kind.store(owner.kind, Ordering::Release);
            words.generation.store(owner.generation, Ordering::Release);
            words.entity.store(owner.entity, Ordering::Release);
            for direction in Direction::ALL {
                let place = index(slot, direction) as usize;
                let (old, new) = (from.meters.get(place), self.meters.get(place));
                let move_over = |old: &AtomicU64, new: &AtomicU64| {
                    new.store(old.load(Ordering::Acquire), Ordering::Release);
                };
                move_over(&old.next_free_ticks, &new.next_free_ticks);
                move_over(&old.cost_per_byte, &new.cost_per_byte);
                move_over(&old.control, &new.control);
            }
        }
    }

    /// Takes the counts of `from`, which no program writes any more, while programs write these. Each is added in
    /// the one step that says so, and stays where it was: begun again after a kill, nothing is lost or doubled.
    pub(super) fn take_counts(&self, from: &Self) {
        for slot in 0..from.slots() {
            for direction in Direction::ALL {
                let place = index(slot, direction) as usize;
                let counts = from.meters.get(place).counts().into_iter().zip(self.meters.get(place).counts());
                for (old, new) in counts {
                    if new.load(Ordering::Acquire) & TAKEN == 0 {
                        let counted = old.load(Ordering::Acquire) & !TAKEN;
                        new.fetch_add(counted | TAKEN, Ordering::AcqRel);
                    }
                }
            }
        }
    }

    /// Takes the marks off that taken counts have, which readers do not see.
    pub(super) fn settle_counts(&self) {
        for slot in 0..self.slots() {
            for direction in Direction::ALL {
                for count in self.meters.get(index(slot, direction) as usize).counts() {
                    count.fetch_and(!TAKEN, Ordering::AcqRel);
                }
            }
        }
    }

    /// Identity of the maps; zero where nobody gave them one.
    pub fn epoch(&self) -> u64 {
        self.owner(0).entity
    }

    /// Gives the maps the identity `epoch` where they have none. What owners counted before that is nobody's to record.
    pub fn begin_epoch(&self, epoch: u64) {
        if self.epoch() != 0 {
            return;
        }
        if (1..self.slots()).any(|slot| self.owner(slot).entity != 0) {
            self.note_recorded();
        }
        let words = self.owners.get(0);
        words.kind.store(Owner::MAPS, Ordering::Release);
        words.entity.store(epoch.max(1), Ordering::Release);
    }

    /// True where what was counted up to some instant is recorded, or nobody's to record: only what comes after it is
    /// new to whoever begins a record. The slot of the maps themselves keeps it, so it is known after any kill.
    pub fn is_recorded(&self) -> bool {
        self.owner(0).generation != 0
    }

    /// Notes that [`Self::is_recorded`].
    pub fn note_recorded(&self) {
        self.owners.get(0).generation.store(1, Ordering::Release);
    }

    /// The owner of a slot.
    pub fn owner(&self, slot: u32) -> Owner {
        let words = self.owners.get(slot as usize);
        Owner {
            entity: words.entity.load(Ordering::Acquire),
            generation: words.generation.load(Ordering::Acquire),
            kind: words.kind.load(Ordering::Acquire),
        }
    }

    /// Gives a free slot to an owner: counters start at zero, the generation counts up.
    ///
    /// No address may lead to the slot yet, so no program writes it meanwhile.
    pub fn claim(&self, slot: u32, entity: u64, kind: u32) {
        for direction in Direction::ALL {
            self.meters.get(index(slot, direction) as usize).zero();
        }
        let words = self.owners.get(slot as usize);
        words.kind.store(kind, Ordering::Release);
        words.generation.fetch_add(1, Ordering::AcqRel);
        words.entity.store(entity, Ordering::Release);
    }

    /// Frees a slot. Nothing may lead to it any more.
    pub fn release(&self, slot: u32) {
        self.owners.get(slot as usize).entity.store(0, Ordering::Release);
    }
}

impl Limit {
    /// The same with the number of an egress address; 0 for none.
    #[must_use]
    pub fn through(self, number: u32) -> Self {
        Self { control: self.control().with_egress(number).0, ..self }
    }

    /// Bound, egress address and flags.
    pub fn control(self) -> Control {
        Control(self.control)
    }
}

/// [`Meter`] as words that kernel and agent share.
#[repr(C, align(64))]
struct MeterWords {
    next_free_ticks: AtomicU64,
    cost_per_byte: AtomicU64,
    control: AtomicU64,
    passed_bytes: AtomicU64,
    passed_packets: AtomicU64,
    refused_bytes: AtomicU64,
    refused_packets: AtomicU64,
    marked_packets: AtomicU64,
}

impl MeterWords {
    fn zero(&self) {
        let limit = [&self.next_free_ticks, &self.cost_per_byte, &self.control];
        for word in limit.into_iter().chain(self.counts()) {
            word.store(0, Ordering::Release);
        }
    }

    fn counts(&self) -> [&AtomicU64; 5] {
        [
            &self.passed_bytes,
            &self.passed_packets,
            &self.refused_bytes,
            &self.refused_packets,
            &self.marked_packets,
        ]
    }
}

/// [`Owner`] as words.
#[repr(C)]
struct OwnerWords {
    entity: AtomicU64,
    generation: AtomicU32,
    kind: AtomicU32,
}

const _: () =
    assert!(size_of::<MeterWords>() == size_of::<Meter>() && size_of::<OwnerWords>() == size_of::<Owner>());

// SAFETY: made of atomics only.
unsafe impl Shared for MeterWords {}
// SAFETY: made of atomics only.
unsafe impl Shared for OwnerWords {}

/// Waits until every program run that began before this call has ended, so that no CPU still holds
/// a slot it looked up before: after unmapping and before a last reading.
pub fn grace_period() {
    // membarrier(MEMBARRIER_CMD_GLOBAL) is synchronize_rcu() in the kernel; programs run inside an
    // RCU read section.
    const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;
    // SAFETY: no memory is passed.
    let done = unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) };
    if done != 0 {
        // Refused by a seccomp filter or a nohz_full kernel: a grace period ends well within this.
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}
