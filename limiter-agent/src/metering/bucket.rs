//! What passed and was refused in one bucket that is still open. Pure.

use limiter_api::usage::{BUCKET_S, Measured};

use super::split::{Piece, WINDOW_MS, share};

/// One direction of a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half {
    /// IP bytes that passed.
    pub bytes: u64,
    /// The most that passed in a window that is over.
    pub window_bytes_max: u64,
    /// What passed in the window that is not.
    pub window_bytes: u64,
    /// IP bytes that the meter refused.
    pub refused_bytes: u64,
    /// Seconds in which the meter refused or held back packets.
    pub limited_s: u64,
}

/// Both directions, up and down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Up and down.
    pub halves: [Half; 2],
    /// Some of it was split over time from a longer reading.
    pub is_estimated: bool,
}

/// What a meter counted between two readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// IP bytes that passed.
    pub bytes: u64,
    /// IP bytes that the meter refused.
    pub refused_bytes: u64,
}

impl Bucket {
    /// True where nothing happened in it.
    pub fn is_empty(&self) -> bool {
        self.halves == [Half::default(); 2]
    }

    /// Adds what was counted within the open window.
    pub fn add(&mut self, deltas: [Delta; 2]) {
        for (half, delta) in self.halves.iter_mut().zip(deltas) {
            half.add(delta);
            half.window_bytes = half.window_bytes.saturating_add(delta.bytes);
        }
    }

    /// Adds what was counted in a piece of a longer time, evenly: nobody saw its windows. `open_ms` of it lie in
    /// the open window.
    pub fn estimate(&mut self, deltas: [Delta; 2], piece: &Piece, open_ms: u64) {
        for (half, delta) in self.halves.iter_mut().zip(deltas) {
            half.add(delta);
            let of = |length_ms| share(delta.bytes, length_ms, piece.length_ms);
            half.window_bytes_max = half.window_bytes_max.max(of(WINDOW_MS.unsigned_abs()));
            half.window_bytes = half.window_bytes.saturating_add(of(open_ms));
            self.is_estimated |= delta != Delta::default();
        }
    }

    /// Counts a second in which a direction was limited.
    pub fn limit(&mut self, way: usize) {
        let limited_s = &mut self.halves[way].limited_s;
        *limited_s = (*limited_s + 1).min(BUCKET_S.unsigned_abs());
    }

    /// Ends the open window; true where that changed anything.
    pub fn end_window(&mut self) -> bool {
        let before = *self;
        for half in &mut self.halves {
            half.window_bytes_max = half.window_bytes_max.max(half.window_bytes);
            half.window_bytes = 0;
        }
        *self != before
    }

    /// Adds another part of the same bucket. A window that was cut by the parts counts as two.
    pub fn join(&mut self, other: &Self) {
        for (half, other) in self.halves.iter_mut().zip(other.measured()) {
            let mut measured = half.measured();
            join(&mut measured, &other);
            half.bytes = measured.bytes;
            half.window_bytes_max = measured.window_bytes_max;
            half.refused_bytes = measured.refused_bytes;
            half.limited_s = measured.limited_s;
        }
        self.is_estimated |= other.is_estimated;
    }

    /// As it is said to the control plane: the bucket is over, and its last window with it.
    pub fn measured(&self) -> [Measured; 2] {
        self.halves.map(|half| half.measured())
    }

    /// No window has more than its bucket, no bucket more seconds than it has.
    pub fn is_valid(&self) -> bool {
        self.halves.iter().all(|half| {
            half.window_bytes_max.max(half.window_bytes) <= half.bytes
                && half.limited_s <= BUCKET_S.unsigned_abs()
        })
    }
}

impl Half {
    fn add(&mut self, delta: Delta) {
        self.bytes = self.bytes.saturating_add(delta.bytes);
        self.refused_bytes = self.refused_bytes.saturating_add(delta.refused_bytes);
    }

    fn measured(&self) -> Measured {
        Measured {
            bytes: self.bytes,
            window_bytes_max: self.window_bytes_max.max(self.window_bytes),
            refused_bytes: self.refused_bytes,
            limited_s: self.limited_s,
        }
    }
}

/// Adds `other` to `measured`: bytes and seconds add up, the highest window stays the highest.
pub fn join(measured: &mut Measured, other: &Measured) {
    measured.bytes = measured.bytes.saturating_add(other.bytes);
    measured.window_bytes_max = measured.window_bytes_max.max(other.window_bytes_max);
    measured.refused_bytes = measured.refused_bytes.saturating_add(other.refused_bytes);
    measured.limited_s = measured.limited_s.saturating_add(other.limited_s).min(BUCKET_S.unsigned_abs());
}
