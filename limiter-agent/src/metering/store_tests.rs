//! The record's file: opened again after every step, full, damaged.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use flate2::read::GzDecoder;
use limiter_api::usage::UsageBatch;
use proptest::prelude::*;
use tempfile::TempDir;

use super::error::StoreError;
use super::recorder::{Moment, Origin, Recorder};
use super::split::{BUCKET_MS, HOUR_MS};
use super::store::{Sealed, Store};
use super::subject::{Subject, Subjects};
use super::tracked::{Counts, Seen};

const RECORD: &str = "0123456789abcdef0123456789abcdef";
/// Noon of a day.
const NOON_MS: i64 = 1_790_000_000_000 / HOUR_MS * HOUR_MS;

/// A record with one network that counts, and what was taken of it.
struct Desk {
    folder: TempDir,
    open: Option<(Store, Recorder)>,
    subjects: Subjects,
    counted: u64,
    minutes: i64,
    taken: Vec<UsageBatch>,
    sent: Option<Sealed>,
}

impl Desk {
    fn new() -> Self {
        let subject = Subject::Network { id: "n0".into(), plan: Some(Arc::from("p0")) };
        let mut desk = Self {
            folder: TempDir::new().expect("a folder"),
            open: None,
            subjects: [subject].into_iter().collect(),
            counted: 0,
            minutes: 0,
            taken: Vec::new(),
            sent: None,
        };
        desk.reopen();
        desk
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("usage.redb")
    }

    fn now(&self) -> Moment {
        let after_ms = self.minutes * BUCKET_MS;
        Moment { wall_ms: NOON_MS + after_ms, boot_ms: 5000 + after_ms.unsigned_abs() }
    }

    /// Drops all that is in memory, as a kill does.
    fn reopen(&mut self) {
        self.open = None;
        let (store, recorder) = Store::open(&self.file(), RECORD).expect("a record");
        assert_eq!(store.record(), RECORD);
        let mut recorder = recorder
            .unwrap_or_else(|| Recorder::new(Origin { epoch: 0, boot_id: "boot".to_owned() }, self.now()));
        let origin = Origin { epoch: 7, boot_id: "boot".to_owned() };
        recorder.go_on(origin, self.now(), self.seen(), &self.subjects, true);
        self.open = Some((store, recorder));
        self.read();
    }

    fn seen(&self) -> impl Iterator<Item = Seen> + use<> {
        let counts = Counts { passed_bytes: self.counted, ..Counts::default() };
        let key = Subject::Network { id: "n0".into(), plan: None }.key();
        [Seen { slot: 1, generation: 1, key, counts: [counts; 2] }].into_iter()
    }

    fn read(&mut self) {
        let (now, seen) = (self.now(), self.seen());
        let (_, recorder) = self.open.as_mut().expect("open");
        recorder.read(now, seen, &self.subjects);
    }

    fn store(&mut self) -> &mut Store {
        &mut self.open.as_mut().expect("open").0
    }

    fn keep(&mut self) {
        let (store, recorder) = self.open.as_mut().expect("open");
        store.keep(recorder).expect("kept");
    }

    /// Counts for so many minutes, kept at the end of each.
    fn count(&mut self, minutes: i64) {
        for _ in 0..minutes {
            (self.counted, self.minutes) =
                (self.counted + 1000 + self.minutes.unsigned_abs(), self.minutes + 1);
            self.read();
            self.keep();
        }
    }

    /// Seals and looks at the batch as the control plane does.
    fn send(&mut self) {
        let now_ms = self.now().wall_ms;
        self.sent = self.store().seal(now_ms).expect("sealed");
    }

    fn take(&mut self) {
        let Some(sealed) = self.sent.take() else { return };
        let batch = unpacked(&sealed);
        // A control plane counts a number once.
        if self.taken.last().is_none_or(|last| last.sequence < sealed.sequence) {
            self.taken.push(batch);
        } else {
            assert_eq!(self.taken.last(), Some(&batch), "the same number has the same content");
        }
        self.store().taken(sealed.sequence).expect("forgotten");
    }

    /// Everything that is there and was taken, up.
    fn sum(&mut self) -> u64 {
        self.keep();
        loop {
            self.send();
            if self.sent.is_none() {
                break;
            }
            self.take();
        }
        let rows = self.taken.iter().flat_map(|batch| &batch.networks);
        let open = self.open.as_ref().expect("open").1.tracked.iter().flatten();
        let open: u64 = open.map(|tracked| tracked.bucket.halves[0].bytes).sum();
        rows.map(|row| row.up.bytes).sum::<u64>() + open
    }
}

fn unpacked(sealed: &Sealed) -> UsageBatch {
    let mut text = String::new();
    GzDecoder::new(&*sealed.body).read_to_string(&mut text).expect("gzip");
    serde_json::from_str(&text).expect("a batch")
}

#[test]
fn batches_have_numbers_without_holes_and_all_bytes() {
    let mut desk = Desk::new();
    desk.count(5);
    assert_eq!(desk.store().waiting().batches, 5);
    assert_eq!(desk.store().waiting().oldest_ms, Some(NOON_MS));
    assert_eq!(desk.sum(), desk.counted);
    let waiting = desk.store().waiting();
    assert_eq!((waiting.batches, waiting.bytes, waiting.oldest_ms), (0, 0, None));
    let sequences: Vec<u64> = desk.taken.iter().map(|batch| batch.sequence).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    for batch in &desk.taken {
        assert_eq!((batch.record.as_str(), batch.oldest), (RECORD, batch.sequence));
        assert_eq!(batch.complete_until.as_millisecond(), NOON_MS + batch.sequence.cast_signed() * BUCKET_MS);
        assert_eq!(batch.networks[0].plan.as_deref(), Some("p0"));
    }
}

#[test]
fn what_a_clock_dated_later_than_now_is_brought_to_now() {
    let mut desk = Desk::new();
    desk.count(3);
    let sealed = desk.store().seal(NOON_MS + 10 * BUCKET_MS).expect("sealed").expect("a batch");
    let early_ms = NOON_MS - HOUR_MS + 7000;
    assert!(!desk.store().seal_again(NOON_MS + BUCKET_MS).expect("as it was"), "nothing of it is later");
    assert_eq!(desk.store().seal(early_ms).expect("sealed"), Some(sealed), "sealed is sealed");
    assert!(desk.store().seal_again(early_ms).expect("dated again"));
    for sequence in 1..=3 {
        let sealed = desk.store().seal(early_ms).expect("sealed").expect("a batch");
        let batch = unpacked(&sealed);
        assert_eq!((batch.sequence, batch.oldest), (sequence, sequence));
        assert_eq!(batch.complete_until.as_millisecond(), NOON_MS - HOUR_MS);
        let row = &batch.networks[0];
        assert_eq!((row.start.as_millisecond(), row.estimated), (NOON_MS - HOUR_MS, true));
        assert_eq!(row.up.bytes, 999 + sequence);
        desk.store().taken(sequence).expect("forgotten");
    }
}

#[test]
fn the_file_is_for_nobody_else() {
    let desk = Desk::new();
    let mode = fs::metadata(desk.file()).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_full_place_makes_hours_of_minutes_and_drops_nothing() {
    let mut desk = Desk::new();
    desk.count(150);
    desk.send();
    let sent = desk.sent.clone().expect("a batch");
    assert!(desk.store().merge().expect("merged"), "the first hour");
    assert!(desk.store().merge().expect("merged"), "the second hour");
    assert!(!desk.store().merge().expect("nothing to merge"), "the third is not over");
    assert_eq!(desk.store().waiting().batches, 1 + 2 + 30);
    desk.reopen();
    assert_eq!(desk.store().waiting().batches, 1 + 2 + 30);
    desk.send();
    assert_eq!(desk.sent, Some(sent), "what may be on its way stays as it is");
    assert_eq!(desk.sum(), desk.counted);
    let sequences: Vec<u64> = desk.taken.iter().map(|batch| batch.sequence).collect();
    assert_eq!(sequences, (1..=33).collect::<Vec<_>>());
    let hour = &desk.taken[2];
    assert_eq!(hour.networks.len(), 1);
    let row = &hour.networks[0];
    assert_eq!(row.start.as_millisecond(), NOON_MS + HOUR_MS);
    assert_eq!(row.up.bytes, (60..120).map(|minute| 1000 + minute).sum::<u64>());
    assert_eq!(row.up.window_bytes_max, 1119 / 6, "of a minute that was split evenly");
    assert_eq!(hour.complete_until.as_millisecond(), NOON_MS + 2 * HOUR_MS);
}

#[test]
fn a_damaged_file_is_told_from_one_that_cannot_be_written() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("usage.redb");
    for bytes in [&b"not a record"[..], &[0x5a; 5000], &[0; 12_000]] {
        fs::write(&file, bytes).expect("written");
        let opened = Store::open(&file, RECORD).map(drop);
        assert!(matches!(opened, Err(StoreError::Damaged { .. })), "{opened:?}");
    }
    let missing = folder.path().join("nowhere/usage.redb");
    let opened = Store::open(&missing, RECORD).map(drop);
    assert!(matches!(opened, Err(StoreError::Io { .. })), "{opened:?}");
}

#[test]
fn no_damage_is_taken_for_a_record_or_ends_the_agent() {
    let mut desk = Desk::new();
    desk.count(3);
    let expected = desk.open.take().expect("open").1.head();
    let good = fs::read(desk.file()).expect("a file");
    let bad = desk.folder.path().join("bad.redb");
    for place in (0..good.len()).step_by(good.len() / 150) {
        let mut bytes = good.clone();
        bytes[place] ^= 0xff;
        fs::write(&bad, &bytes).expect("written");
        // Refused, or a byte that nothing depends on.
        if let Ok((_, recorder)) = Store::open(&bad, RECORD) {
            assert_eq!(recorder.expect("a record").head(), expected, "a changed byte at {place}");
        }
        bytes.truncate(place);
        fs::write(&bad, &bytes).expect("written");
        let _ = Store::open(&bad, RECORD);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]
    #[test]
    fn killed_between_any_two_steps_every_byte_is_taken_once(steps in prop::collection::vec(0..7_u8, 1..40)) {
        let mut desk = Desk::new();
        for step in steps {
            match step {
                0 => desk.count(1),
                1 => desk.count(61),
                2 => desk.send(),
                3 => desk.take(),
                4 => drop(desk.store().merge().expect("merged")),
                // Read and not kept: the next one reads it again.
                5 => {
                    desk.counted += 500;
                    desk.read();
                }
                _ => desk.reopen(),
            }
        }
        prop_assert_eq!(desk.sum(), desk.counted);
        let sequences: Vec<u64> = desk.taken.iter().map(|batch| batch.sequence).collect();
        prop_assert!(sequences.iter().copied().eq(1..=desk.taken.len() as u64), "{:?}", sequences);
    }
}
