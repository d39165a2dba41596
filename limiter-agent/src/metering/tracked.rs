//! A meter as it was read last, and the bucket that it fills. Pure.

use super::bucket::{Bucket, Delta};
use super::subject::Subject;

/// A meter of a slot that somebody owns, as a reading shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The slot.
    pub slot: u32,
    /// Which owner of the slot it is.
    pub generation: u32,
    /// Hash and kind of the owner.
    pub key: (u64, u32),
    /// Its counters, up and down.
    pub counts: [Counts; 2],
}

/// Counters of one direction since the slot has its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// IP bytes that passed.
    pub passed_bytes: u64,
    /// IP bytes that the meter refused.
    pub refused_bytes: u64,
    /// Packets wait for the meter at this moment.
    pub is_held: bool,
}

/// What the record knows of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Which owner of the slot it is.
    pub generation: u32,
    /// Hash and kind of the owner.
    pub key: (u64, u32),
    /// Whose bytes they are.
    pub subject: Subject,
    /// Passed and refused bytes at the last reading, up and down.
    pub last: [(u64, u64); 2],
    /// What it counted in the open bucket.
    pub bucket: Bucket,
    /// Directions that were limited since a second was counted last.
    pub held: [bool; 2],
}

impl Tracked {
    /// A slot whose counters begin at zero, or at what is seen.
    pub fn begin(seen: &Seen, subject: Subject, at_zero: bool) -> Self {
        let last =
            |counts: Counts| if at_zero { (0, 0) } else { (counts.passed_bytes, counts.refused_bytes) };
        Self {
            generation: seen.generation,
            key: seen.key,
            subject,
            last: seen.counts.map(last),
            bucket: Bucket::default(),
            held: [false; 2],
        }
    }

    /// True where the counters seen are those read before, further on.
    pub fn continues(&self, seen: &Seen) -> bool {
        (self.generation, self.key) == (seen.generation, seen.key)
    }

    /// Takes a reading: what was counted since the last one, and which directions are limited. Counters of an
    /// owner never go back, so an older reading says nothing.
    pub fn take(&mut self, seen: &Seen) -> ([Delta; 2], [bool; 2]) {
        let mut deltas = [Delta::default(); 2];
        let mut held = [false; 2];
        for way in 0..2 {
            let (counts, (passed, refused)) = (seen.counts[way], &mut self.last[way]);
            deltas[way] = Delta {
                bytes: counts.passed_bytes.saturating_sub(*passed),
                refused_bytes: counts.refused_bytes.saturating_sub(*refused),
            };
            held[way] = counts.is_held || deltas[way].refused_bytes > 0;
            *passed = counts.passed_bytes.max(*passed);
            *refused = counts.refused_bytes.max(*refused);
        }
        (deltas, held)
    }
}
