//! Bytes over time.

use std::time::{Duration, Instant};

/// Bytes that arrived, in slices of a millisecond since the start.
#[derive(Clone, Debug)]
pub struct Series {
    start: Instant,
    slices: Vec<u64>,
    packets: u64,
}

/// Length of a slice.
const SLICE: Duration = Duration::from_millis(1);

impl Series {
    /// An empty series that begins now.
    pub fn start() -> Self {
        Self { start: Instant::now(), slices: Vec::new(), packets: 0 }
    }

    /// Adds bytes that arrived now.
    pub fn add(&mut self, bytes: u64) {
        let slice = (self.start.elapsed().as_nanos() / SLICE.as_nanos()) as usize;
        if self.slices.len() <= slice {
            self.slices.resize(slice + 1, 0);
        }
        self.slices[slice] += bytes;
        self.packets += 1;
    }

    /// When it began.
    pub fn began(&self) -> Instant {
        self.start
    }

    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.slices.iter().sum()
    }

    /// Calls of [`Self::add`].
    pub fn packets(&self) -> u64 {
        self.packets
    }

    /// Mean rate between two moments, bits per second; both are rounded to slices.
    pub fn rate_bps(&self, from: Instant, to: Instant) -> f64 {
        let slice =
            |at: Instant| (at.saturating_duration_since(self.start).as_nanos() / SLICE.as_nanos()) as usize;
        let (first, end) = (slice(from), slice(to));
        let bytes: u64 = self.slices.iter().take(end).skip(first).sum();
        bytes as f64 * 8.0 / ((end - first) as f64 * SLICE.as_secs_f64())
    }

    /// Bytes until a moment, to a slice.
    pub fn bytes_until(&self, at: Instant) -> u64 {
        let end = at.saturating_duration_since(self.start).as_nanos() / SLICE.as_nanos();
        self.slices.iter().take(end as usize).sum()
    }

    /// Most bytes that any interval had beyond `rate_bps` x its length, to a slice.
    pub fn excess_bytes(&self, rate_bps: u64) -> u64 {
        let allowed = rate_bps as f64 / 8.0 * SLICE.as_secs_f64();
        let excess = self.slices.iter().scan(0.0_f64, |excess, &bytes| {
            *excess = excess.max(0.0) + bytes as f64 - allowed;
            Some(*excess)
        });
        excess.fold(0.0, f64::max) as u64
    }

    /// Adds another series of the same start, for flows that are counted apart.
    pub fn merge(&mut self, other: &Self) {
        let shift = other.start.saturating_duration_since(self.start).as_nanos() / SLICE.as_nanos();
        for (place, bytes) in other.slices.iter().enumerate() {
            let place = place + shift as usize;
            if self.slices.len() <= place {
                self.slices.resize(place + 1, 0);
            }
            self.slices[place] += bytes;
        }
        self.packets += other.packets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_and_rates() {
        let start = Instant::now();
        let series = Series { start, slices: vec![10, 20, 30, 0], packets: 4 };
        assert_eq!(series.bytes(), 60);
        assert_eq!(series.bytes_until(start + Duration::from_millis(2)), 30);
        let rate = series.rate_bps(start, start + Duration::from_millis(2));
        assert!((rate - 30.0 * 8.0 / 0.002).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn what_is_beyond_a_rate_is_found_in_any_interval() {
        let series = Series { start: Instant::now(), slices: vec![0, 0, 30, 5, 70, 0], packets: 3 };
        assert_eq!(series.excess_bytes(80_000), 75, "105 bytes in three slices of 10");
        assert_eq!(series.excess_bytes(240_000), 40);
        assert_eq!(series.excess_bytes(800_000), 0);
    }
}
