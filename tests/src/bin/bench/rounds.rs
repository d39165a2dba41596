//! Interleaved rounds on one CPU, and what is said of their outcomes.

use anyhow::Context as _;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde_json::{Value, json};

/// Quartiles of a figure over the rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// # Panics
    /// Without a value.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = share * (values.len() - 1) as f64;
            let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
            below + (above - below) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }

    /// A cell of a table: the median, and the quartiles behind it.
    pub(crate) fn cell(self, decimals: usize) -> String {
        format!("{:.decimals$} ({:.decimals$}-{:.decimals$})", self.median, self.low, self.high)
    }

    pub(crate) fn json(self) -> Value {
        let round = |value: f64| (value * 1e4).round() / 1e4;
        json!({ "median": round(self.median), "low": round(self.low), "high": round(self.high) })
    }
}

/// Measures every subject once a round. Each round begins with another, so that none always follows the
/// same; returns the samples of each subject by round.
pub(crate) fn interleave<S, T>(
    subjects: &mut [S],
    rounds: usize,
    mut measure: impl FnMut(&mut S) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<Vec<T>>> {
    let mut samples: Vec<Vec<T>> = subjects.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..rounds {
        for place in 0..subjects.len() {
            let place = (place + round) % subjects.len();
            samples[place].push(measure(&mut subjects[place])?);
        }
    }
    Ok(samples)
}

/// The calling thread stays on one CPU for as long as this lives.
pub(crate) struct Pinned {
    pub(crate) cpu: usize,
    before: CpuSet,
}

/// Keeps the calling thread on the last CPU that it may use; the first one has most interrupts.
pub(crate) fn pin() -> anyhow::Result<Pinned> {
    let before = sched_getaffinity(None).context("reading the CPUs of this process")?;
    let cpu = (0..CpuSet::MAX_CPU).rev().find(|&cpu| before.is_set(cpu)).context("no CPU")?;
    let mut one = CpuSet::new();
    one.set(cpu);
    sched_setaffinity(None, &one).context("staying on one CPU")?;
    Ok(Pinned { cpu, before })
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // A process started later inherits what is left here.
        let _ = sched_setaffinity(None, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_values() {
        let spread = Spread::of([5.0, 1.0, 2.0, 4.0, 3.0, 100.0]);
        assert_eq!(spread, Spread { low: 2.25, median: 3.5, high: 4.75 });
        assert_eq!(spread.cell(1), "3.5 (2.2-4.8)");
    }

    #[test]
    fn every_subject_is_measured_in_every_round() {
        let mut count = 0;
        let samples = interleave(&mut [1, 10], 3, |factor| {
            count += 1;
            Ok(count * *factor)
        });
        assert_eq!(samples.expect("nothing fails"), [[1, 4, 5], [20, 30, 60]]);
    }
}
