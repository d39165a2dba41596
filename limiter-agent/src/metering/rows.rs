//! Closed buckets as batches, and buckets merged into hours. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use limiter_api::usage::{InstanceUsage, Measured, NetworkUsage, UsageBatch};

use super::bucket::join;
use super::recorder::Closed;
use super::split::{BUCKET_MS, HOUR_MS, floor};
use super::subject::Subject;

/// Most rows of one batch: less than a control plane takes, so that none takes much memory.
pub(super) const BATCH_ROWS: usize = 10_000;

/// A wall clock that shows less than this, the start of 2026, was not set yet.
pub(super) const CLOCK_MIN_MS: i64 = 1_767_225_600_000;

/// A batch of rows without its number, which it gets when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Start of its earliest rows, milliseconds since 1970.
    pub(super) start_ms: i64,
    /// The rows, and until when all is in them or before.
    pub(super) batch: UsageBatch,
}

/// What was counted of a subject, up and down, and whether some of it is estimated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    ways: [Measured; 2],
    is_estimated: bool,
}

/// The batches of a closed bucket, at least one.
pub(super) fn blocks(closed: Closed) -> Vec<Block> {
    let Closed { start_ms, complete_before_ms, complete_until_ms, rows } = closed;
    let sum =
        |bucket: super::bucket::Bucket| Sum { ways: bucket.measured(), is_estimated: bucket.is_estimated };
    let rows = rows.into_iter().map(|(subject, bucket)| (subject, sum(bucket)));
    in_batches(rows, start_ms, instant(complete_before_ms), instant(complete_until_ms))
}

/// Rows of one hour, one for each network and plan and for each instance, at its start.
#[derive(Debug)]
pub(super) struct Hour {
    start_ms: i64,
    complete: Option<(Timestamp, Timestamp)>,
    rows: BTreeMap<Subject, Sum>,
}

impl Hour {
    /// The hour that an instant is in, without rows.
    pub(super) fn around(instant_ms: i64) -> Self {
        Self { start_ms: floor(instant_ms, HOUR_MS), complete: None, rows: BTreeMap::new() }
    }

    /// Adds the rows of a batch. Bytes add up to what they were; seconds end at what a bucket may have.
    pub(super) fn add(&mut self, batch: UsageBatch) {
        let until = batch.complete_until;
        self.complete = Some((self.complete.map_or(until, |(before, _)| before), until));
        for NetworkUsage { network, plan, start: _, up, down, estimated } in batch.networks {
            let subject = Subject::Network { id: network.into(), plan: plan.map(Into::into) };
            self.join(subject, [up, down], estimated);
        }
        for InstanceUsage { instance, network, start: _, up, down, estimated } in batch.instances {
            self.join(
                Subject::Instance { id: instance.into(), network: network.into() },
                [up, down],
                estimated,
            );
        }
    }

    fn join(&mut self, subject: Subject, ways: [Measured; 2], is_estimated: bool) {
        let sum = self.rows.entry(subject).or_default();
        for (sum, way) in sum.ways.iter_mut().zip(ways) {
            join(sum, &way);
        }
        sum.is_estimated |= is_estimated;
    }

    /// The merged batches, at least one.
    pub(super) fn blocks(self) -> Vec<Block> {
        let (before, until) = self.complete.unwrap_or_default();
        in_batches(self.rows.into_iter(), self.start_ms, before, until)
    }
}

fn in_batches(
    mut rows: impl Iterator<Item = (Subject, Sum)>,
    start_ms: i64,
    complete_before: Timestamp,
    complete_until: Timestamp,
) -> Vec<Block> {
    let start = instant(start_ms);
    let mut blocks = Vec::new();
    let mut next = rows.next();
    loop {
        let mut batch = UsageBatch {
            record: String::new(),
            sequence: 0,
            oldest: 0,
            complete_until: complete_before,
            networks: Vec::new(),
            instances: Vec::new(),
        };
        for _ in 0..BATCH_ROWS {
            let Some((subject, sum)) = next.take() else { break };
            put(&mut batch, &subject, sum, start);
            next = rows.next();
        }
        // Only with the last of them all is said.
        if next.is_none() {
            batch.complete_until = complete_until;
            blocks.push(Block { start_ms, batch });
            return blocks;
        }
        blocks.push(Block { start_ms, batch });
    }
}

fn put(batch: &mut UsageBatch, subject: &Subject, sum: Sum, start: Timestamp) {
    let Sum { ways: [up, down], is_estimated: estimated } = sum;
    match subject {
        Subject::Network { id, plan } => {
            let plan = plan.as_ref().map(ToString::to_string);
            batch.networks.push(NetworkUsage { network: id.to_string(), plan, start, up, down, estimated });
        }
        Subject::Instance { id, network } => {
            let (instance, network) = (id.to_string(), network.to_string());
            batch.instances.push(InstanceUsage { instance, network, start, up, down, estimated });
        }
    }
}

/// Brings to now what is dated later, since the clock was set back meanwhile, and what is dated by a clock that was
/// not set yet: no control plane takes what is in its future or long past. True where there was any.
pub(super) fn bring_to_now(batch: &mut UsageBatch, now_ms: i64) -> bool {
    let (now, start) = (instant(now_ms), instant(floor(now_ms, BUCKET_MS)));
    let mut is_changed = batch.complete_until > now;
    if is_changed {
        batch.complete_until = start;
    }
    let networks = batch.networks.iter_mut().map(|row| (&mut row.start, &mut row.estimated));
    let instances = batch.instances.iter_mut().map(|row| (&mut row.start, &mut row.estimated));
    let is_wrong = |start: Timestamp| start > now || start.as_millisecond() < CLOCK_MIN_MS;
    for (row_start, estimated) in networks.chain(instances).filter(|(row_start, _)| is_wrong(**row_start)) {
        (*row_start, *estimated) = (start, true);
        is_changed = true;
    }
    is_changed
}

/// An instant of the wall clock; one that no calendar has is the nearest that it has.
pub(super) fn instant(milliseconds: i64) -> Timestamp {
    let nearest = if milliseconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(milliseconds).unwrap_or(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_wrong_clock_dated_is_brought_to_now_and_nothing_else() {
        let now_ms = CLOCK_MIN_MS + 90_000;
        let subject = Subject::Network { id: "n".into(), plan: None };
        let dated = |start_ms: i64| {
            let rows = vec![(subject.clone(), super::super::bucket::Bucket::default())];
            let closed =
                Closed { start_ms, complete_before_ms: 0, complete_until_ms: start_ms + BUCKET_MS, rows };
            let mut batch = blocks(closed).pop().expect("a batch").batch;
            let is_changed = bring_to_now(&mut batch, now_ms);
            assert!(batch.complete_until.as_millisecond() <= now_ms);
            (batch.networks[0].start.as_millisecond() - CLOCK_MIN_MS, batch.networks[0].estimated, is_changed)
        };
        assert_eq!(dated(CLOCK_MIN_MS), (0, false, false));
        assert_eq!(
            dated(CLOCK_MIN_MS + BUCKET_MS),
            (BUCKET_MS, false, true),
            "it says no more than there was"
        );
        assert_eq!(dated(CLOCK_MIN_MS + HOUR_MS), (BUCKET_MS, true, true), "a clock that was ahead");
        assert_eq!(dated(0), (BUCKET_MS, true, true), "a clock that was not set");
    }
}
