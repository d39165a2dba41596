//! Readings of counters to closed buckets. Pure: the clocks, the counters and the state are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use super::bucket::{Bucket, Delta};
use super::split::{self, BUCKET_MS, Piece, WINDOW_MS, floor};
use super::subject::{Subject, Subjects};
use super::tracked::{Seen, Tracked};

/// A longer time between two readings is split evenly, and its rows say so, milliseconds.
pub const GAP_MS: u64 = 15_000;
/// The wall clock was set where it moved this much otherwise than the clock that nobody sets, milliseconds.
const STEP_MS: u64 = 1000;
/// Rows that one gap may make, so that a long one takes little memory: beyond it buckets become hours.
const GAP_ROWS_MAX: usize = 500_000;
/// Readings that are closer than this show the same second, milliseconds.
const SECOND_MIN_MS: u64 = 500;
/// Slots that are kept as one value.
pub const CHUNK_SLOTS: u32 = 128;

/// When a reading was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Wall clock, milliseconds since 1970; it may be set.
    pub wall_ms: i64,
    /// Time since the machine started, suspended times included, milliseconds.
    pub boot_ms: u64,
}

/// What counters belong to, and since when they count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Identity of the kernel's maps.
    pub epoch: u64,
    /// Identity of the run of the kernel.
    pub boot_id: String,
}

/// A bucket that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closed {
    /// Its start, milliseconds since 1970.
    pub start_ms: i64,
    /// All before this instant is in those closed before.
    pub complete_before_ms: i64,
    /// All before this instant is in it or in those closed before.
    pub complete_until_ms: i64,
    /// What was counted in it.
    pub rows: Vec<(Subject, Bucket)>,
}

/// The record of what was measured. Everything that was ever counted is in the open buckets, in those closed, or is
/// still to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorder {
    pub(super) origin: Origin,
    pub(super) last: Moment,
    pub(super) bucket_ms: i64,
    pub(super) complete_until_ms: i64,
    /// By slot.
    pub(super) tracked: Vec<Option<Tracked>>,
    /// Parts of the open bucket that are over: of a plan that was replaced, a slot that has another owner.
    pub(super) parts: BTreeMap<Subject, Bucket>,
    /// Chunks that differ from what is kept.
    pub(super) changed: BTreeSet<u32>,
    pub(super) closed: Vec<Closed>,
    counted_ms: u64,
    /// Slots that the last reading saw and nobody can name.
    nameless: usize,
}

impl Recorder {
    /// A record of maps that were never read before.
    pub fn new(origin: Origin, now: Moment) -> Self {
        let bucket_ms = floor(now.wall_ms, BUCKET_MS);
        Self {
            origin,
            last: now,
            bucket_ms,
            complete_until_ms: bucket_ms,
            tracked: Vec::new(),
            parts: BTreeMap::new(),
            changed: BTreeSet::new(),
            closed: Vec::new(),
            counted_ms: 0,
            nameless: 0,
        }
    }

    /// Goes on with the maps that are there now.
    ///
    /// Where they are others than before, as after a reboot, the old ones' buckets end with what was read of them.
    /// Those that are there begin at zero where they are `new`, recorded by nobody yet; else at what they show, since
    /// what they counted before is recorded elsewhere.
    pub fn go_on(
        &mut self,
        origin: Origin,
        now: Moment,
        seen: impl Iterator<Item = Seen>,
        subjects: &Subjects,
        new: bool,
    ) {
        let same_boot = self.origin.boot_id == origin.boot_id;
        if self.origin.epoch == origin.epoch && same_boot {
            return;
        }
        for slot in 0..self.tracked.len() {
            self.retire(slot);
        }
        self.origin = origin;
        let mut seen = seen.peekable();
        let is_empty = seen.peek().is_none();
        if !new {
            seen.for_each(|seen| self.begin(&seen, subjects, false));
        }
        // What new maps counted is at most as old as the machine runs.
        if !new || is_empty {
            self.last = now;
        } else if !same_boot {
            self.last = Moment { wall_ms: now.wall_ms.saturating_sub_unsigned(now.boot_ms), boot_ms: 0 };
        }
        if !same_boot {
            self.counted_ms = 0;
            self.turn_to(floor(self.last.wall_ms, BUCKET_MS));
        }
    }

    /// Takes a reading of all slots that somebody owns, in their order. What was counted since the last one goes
    /// into the buckets between the two.
    pub fn read(&mut self, now: Moment, seen: impl Iterator<Item = Seen>, subjects: &Subjects) {
        let span = self.span(now);
        if span.is_broken {
            self.end_windows();
        }
        let mut news = self.take(seen, subjects);
        let networks = self.tracked.iter().flatten().filter(|tracked| tracked.subject.is_network()).count();
        let pieces = span.pieces(networks + news.len());
        let whole_ms: u64 = pieces.iter().map(|piece| piece.length_ms).sum();
        for (place, piece) in pieces.iter().enumerate() {
            self.turn_to(piece.bucket_ms());
            let is_last = place + 1 == pieces.len();
            for news in &mut news {
                let part = if is_last { news.left } else { news.split_off(piece.length_ms, whole_ms) };
                self.add(news.slot, part, piece, &span);
            }
            if !is_last {
                self.end_windows();
            }
        }
        if span.ends_a_window() {
            self.end_windows();
        }
        self.turn_to(floor(span.until_ms, BUCKET_MS));
        self.count_second(now.boot_ms, &news);
        self.last = Moment { wall_ms: span.until_ms, boot_ms: now.boot_ms };
    }

    /// From now on bytes belong to whom `subjects` names; what was read until now, to whom they belonged before.
    pub fn attribute(&mut self, subjects: &Subjects) {
        for slot in 0..self.tracked.len() {
            let Some(tracked) = &mut self.tracked[slot] else { continue };
            let Some(subject) = subjects.find(tracked.key).filter(|subject| **subject != tracked.subject)
            else {
                continue;
            };
            let before = mem::replace(&mut tracked.subject, subject.clone());
            let bucket = mem::take(&mut tracked.bucket);
            self.changed.insert(slot as u32 / CHUNK_SLOTS);
            self.set_aside(before, bucket);
        }
    }

    /// Buckets that are over, each given once.
    pub fn take_closed(&mut self) -> Vec<Closed> {
        mem::take(&mut self.closed)
    }

    /// Slots that the last reading saw and nobody can name.
    pub fn nameless(&self) -> usize {
        self.nameless
    }

    /// When the last reading was taken.
    pub fn last(&self) -> Moment {
        self.last
    }

    /// What buckets promise.
    pub fn is_valid(&self) -> bool {
        self.tracked.iter().flatten().all(|tracked| tracked.bucket.is_valid())
            && self.parts.values().all(Bucket::is_valid)
            && self.closed.iter().all(|closed| closed.rows.iter().all(|(_, bucket)| bucket.is_valid()))
    }

    fn span(&self, now: Moment) -> Span {
        let elapsed_ms = now.boot_ms.saturating_sub(self.last.boot_ms);
        let supposed_ms = self.last.wall_ms.saturating_add_unsigned(elapsed_ms);
        let is_set = supposed_ms.abs_diff(now.wall_ms) > STEP_MS;
        // Clocks differ a little, and are not read at once: without a step the wall clock never goes back.
        let until_ms = if is_set { now.wall_ms } else { now.wall_ms.max(self.last.wall_ms) };
        let from_ms = if is_set { until_ms.saturating_sub_unsigned(elapsed_ms) } else { self.last.wall_ms };
        let is_gap = elapsed_ms > GAP_MS;
        Span { from_ms, until_ms, is_gap, is_broken: is_gap || is_set }
    }

    /// What each slot counted since the last reading; slots that came begin, those that went are retired.
    fn take(&mut self, seen: impl Iterator<Item = Seen>, subjects: &Subjects) -> Vec<News> {
        let mut news = Vec::new();
        let mut next = 0;
        self.nameless = 0;
        for seen in seen {
            let slot = seen.slot as usize;
            for gone in next..slot.min(self.tracked.len()) {
                self.retire(gone);
            }
            next = next.max(slot + 1);
            if self.tracked.get(slot).and_then(Option::as_ref).is_none_or(|tracked| !tracked.continues(&seen))
            {
                self.retire(slot);
                self.begin(&seen, subjects, true);
            }
            let Some(tracked) = self.tracked.get_mut(slot).and_then(Option::as_mut) else { continue };
            let (left, held) = tracked.take(&seen);
            if left != [Delta::default(); 2] {
                self.changed.insert(seen.slot / CHUNK_SLOTS);
            }
            if left != [Delta::default(); 2] || held != [false; 2] {
                news.push(News { slot, left, all: left, held });
            }
        }
        for gone in next..self.tracked.len() {
            self.retire(gone);
        }
        news
    }

    fn begin(&mut self, seen: &Seen, subjects: &Subjects, at_zero: bool) {
        let Some(subject) = subjects.find(seen.key) else {
            self.nameless += 1;
            return;
        };
        let slot = seen.slot as usize;
        if self.tracked.len() <= slot {
            self.tracked.resize_with(slot + 1, || None);
        }
        self.tracked[slot] = Some(Tracked::begin(seen, subject.clone(), at_zero));
        self.changed.insert(seen.slot / CHUNK_SLOTS);
    }

    fn retire(&mut self, slot: usize) {
        let Some(tracked) = self.tracked.get_mut(slot).and_then(Option::take) else { return };
        self.changed.insert(slot as u32 / CHUNK_SLOTS);
        self.set_aside(tracked.subject, tracked.bucket);
    }

    fn set_aside(&mut self, subject: Subject, bucket: Bucket) {
        if subject.is_network() || !bucket.is_empty() {
            self.parts.entry(subject).or_default().join(&bucket);
        }
    }

    fn add(&mut self, slot: usize, part: [Delta; 2], piece: &Piece, span: &Span) {
        let Some(tracked) = self.tracked.get_mut(slot).and_then(Option::as_mut) else { return };
        if span.is_gap {
            tracked.bucket.estimate(part, piece, span.open_ms(piece));
        } else {
            tracked.bucket.add(part);
        }
    }

    /// Makes the bucket that begins at `bucket_ms` the open one.
    fn turn_to(&mut self, bucket_ms: i64) {
        if bucket_ms == self.bucket_ms {
            return;
        }
        let mut rows = Vec::new();
        for (slot, tracked) in self.tracked.iter_mut().enumerate() {
            let Some(tracked) = tracked else { continue };
            let mut bucket = mem::take(&mut tracked.bucket);
            if !bucket.is_empty() {
                self.changed.insert(slot as u32 / CHUNK_SLOTS);
            }
            if !self.parts.is_empty()
                && let Some(part) = self.parts.remove(&tracked.subject)
            {
                bucket.join(&part);
            }
            if tracked.subject.is_network() || !bucket.is_empty() {
                rows.push((tracked.subject.clone(), bucket));
            }
        }
        rows.extend(mem::take(&mut self.parts));
        let start_ms = mem::replace(&mut self.bucket_ms, bucket_ms);
        let complete_until_ms = self.complete_until_ms.max(bucket_ms);
        let complete_before_ms = mem::replace(&mut self.complete_until_ms, complete_until_ms);
        self.closed.push(Closed { start_ms, complete_before_ms, complete_until_ms, rows });
    }

    fn end_windows(&mut self) {
        for (slot, tracked) in self.tracked.iter_mut().enumerate() {
            if tracked.as_mut().is_some_and(|tracked| tracked.bucket.end_window()) {
                self.changed.insert(slot as u32 / CHUNK_SLOTS);
            }
        }
    }

    /// Counts a second as limited for who is so now or was since the last one that was counted.
    fn count_second(&mut self, boot_ms: u64, news: &[News]) {
        for news in news {
            if let Some(tracked) = &mut self.tracked[news.slot] {
                tracked.held = [0, 1].map(|way| tracked.held[way] || news.held[way]);
            }
        }
        if boot_ms.saturating_sub(self.counted_ms) < SECOND_MIN_MS {
            return;
        }
        self.counted_ms = boot_ms;
        for (slot, tracked) in self.tracked.iter_mut().enumerate() {
            let Some(tracked) = tracked.as_mut().filter(|tracked| tracked.held != [false; 2]) else {
                continue;
            };
            let held = mem::take(&mut tracked.held);
            for way in (0..2).filter(|&way| held[way]) {
                tracked.bucket.limit(way);
            }
            self.changed.insert(slot as u32 / CHUNK_SLOTS);
        }
    }
}

/// The time since the last reading.
struct Span {
    from_ms: i64,
    until_ms: i64,
    /// Nobody read for long.
    is_gap: bool,
    /// The window that was open does not go on.
    is_broken: bool,
}

impl Span {
    /// The time cut where buckets end, each part with a row for each of `rows`.
    fn pieces(&self, rows: usize) -> Vec<Piece> {
        if self.is_gap {
            split::by_bucket(self.from_ms, self.until_ms, GAP_ROWS_MAX / rows.max(1))
        } else {
            split::by_window(self.from_ms, self.until_ms)
        }
    }

    /// How much of a piece lies in the window that is open at the end, milliseconds.
    fn open_ms(&self, piece: &Piece) -> u64 {
        let begun_ms = floor(self.until_ms, WINDOW_MS).max(piece.start_ms);
        let end_ms = piece.start_ms.saturating_add_unsigned(piece.length_ms).min(self.until_ms);
        end_ms.saturating_sub(begun_ms).max(0).unsigned_abs().min(piece.length_ms)
    }

    fn ends_a_window(&self) -> bool {
        self.until_ms.rem_euclid(WINDOW_MS) == 0 && self.from_ms < self.until_ms
    }
}

/// What a slot counted since the last reading.
struct News {
    slot: usize,
    all: [Delta; 2],
    left: [Delta; 2],
    held: [bool; 2],
}

impl News {
    fn split_off(&mut self, length_ms: u64, whole_ms: u64) -> [Delta; 2] {
        let mut part = [Delta::default(); 2];
        for ((part, all), left) in part.iter_mut().zip(self.all).zip(&mut self.left) {
            part.bytes = split::share(all.bytes, length_ms, whole_ms).min(left.bytes);
            part.refused_bytes = split::share(all.refused_bytes, length_ms, whole_ms).min(left.refused_bytes);
            left.bytes -= part.bytes;
            left.refused_bytes -= part.refused_bytes;
        }
        part
    }
}
