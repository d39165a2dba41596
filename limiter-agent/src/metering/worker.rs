//! The thread that reads, keeps and hands out.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::error::StoreError;
use super::health::Health;
use super::recorder::{Moment, Origin, Recorder};
use super::rows::instant;
use super::scan::seen;
use super::split::{WINDOW_MS, floor};
use super::store::{MERGE_BYTES, STOP_BYTES, Sealed, Store};
use super::subject::Subjects;
use crate::clock;
use crate::dataplane::MeterArray;
use crate::place::Place;
use crate::privilege::{self, Stage};

/// A record that cannot be opened is tried again after this time.
const RETRY: Duration = Duration::from_secs(10);
/// Time between two readings; they are taken when the wall clock's second begins.
const TICK_MS: i64 = 1000;
/// Damaged records that are kept.
const DAMAGED_MAX: usize = 3;

/// What others ask of the thread.
#[derive(Debug)]
pub(super) enum Ask {
    /// Reads these meters from now on.
    Meters(Arc<MeterArray>),
    /// These may get slots.
    Know(Arc<Subjects>),
    /// Bytes belong to these from now on.
    Attribute(Arc<Subjects>),
    /// A reading is to be durable.
    Settle(oneshot::Sender<bool>),
    /// The next batch.
    Next(oneshot::Sender<Option<Sealed>>),
    /// The next batch is to be dated no later than now.
    Again(oneshot::Sender<bool>),
    /// Batches up to this one are stored.
    Taken(u64, oneshot::Sender<bool>),
    /// Why nothing is sent.
    Sending(Option<String>),
}

/// The thread's own.
pub(super) struct Worker {
    place: Place,
    file: PathBuf,
    boot_id: String,
    meters: Option<Arc<MeterArray>>,
    open: Option<(Store, Option<Recorder>)>,
    retry_at: Instant,
    /// Whom bytes belong to.
    attributed: Arc<Subjects>,
    /// They, and those that are coming.
    known: Arc<Subjects>,
    /// The window in which the record was kept last.
    kept_ms: i64,
    closed: watch::Sender<u64>,
    health: Health,
    said: Option<String>,
}

impl Worker {
    pub(super) fn new(place: Place, closed: watch::Sender<u64>) -> Self {
        Self {
            file: place.usage(),
            boot_id: clock::boot_id(),
            place,
            meters: None,
            open: None,
            retry_at: Instant::now(),
            attributed: Arc::default(),
            known: Arc::default(),
            kept_ms: 0,
            closed,
            health: Health::default(),
            said: None,
        }
    }

    /// Runs on a thread of its own until nobody can ask any more.
    pub(super) fn start(mut self, asked: Receiver<Ask>) -> io::Result<()> {
        let run = move || {
            if let Err(error) = privilege::drop_to(Stage::Nothing) {
                tracing::error!(%error, "metering cannot give up its capabilities, and does not begin");
                return;
            }
            self.run(&asked);
        };
        thread::Builder::new().name("metering".into()).spawn(run).map(drop)
    }

    fn run(&mut self, asked: &Receiver<Ask>) {
        self.open();
        loop {
            let now_ms = clock::wall().as_millisecond();
            let wait_ms = TICK_MS - now_ms.rem_euclid(TICK_MS);
            match asked.recv_timeout(Duration::from_millis(wait_ms.unsigned_abs())) {
                Ok(ask) => self.answer(ask),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    self.settle();
                    return;
                }
            }
            if floor(clock::wall().as_millisecond(), TICK_MS) != floor(now_ms, TICK_MS) {
                self.tick();
            }
        }
    }

    fn answer(&mut self, ask: Ask) {
        match ask {
            Ask::Meters(meters) => {
                self.meters = Some(meters);
                self.go_on();
                self.settle();
            }
            Ask::Know(subjects) => self.known = Arc::new(self.attributed.with(&subjects).with(&self.known)),
            Ask::Attribute(subjects) => self.attribute(subjects),
            Ask::Settle(reply) => {
                let is_durable = self.settle();
                let _ = reply.send(is_durable);
            }
            Ask::Next(reply) => {
                let _ =
                    reply.send(self.with_store(|store| store.seal(clock::wall().as_millisecond())).flatten());
            }
            Ask::Again(reply) => {
                let now_ms = clock::wall().as_millisecond();
                let _ = reply.send(self.with_store(|store| store.seal_again(now_ms)).unwrap_or(false));
            }
            Ask::Taken(through, reply) => {
                let is_durable = self.with_store(|store| store.taken(through)).is_some();
                let _ = reply.send(is_durable);
                self.tell();
            }
            Ask::Sending(problem) => {
                self.health.send_problem = problem;
                self.tell();
            }
        }
    }

    fn tick(&mut self) {
        if self.open.is_none() {
            self.open();
        }
        // What cannot be kept is better not read: it stays in the kernel.
        let is_full = self.open.as_ref().is_some_and(|(store, _)| store.waiting().bytes >= STOP_BYTES);
        if is_full {
            self.fail(
                "its batches fill their place; what is counted meanwhile is recorded when some are taken"
                    .into(),
            );
            return;
        }
        if self.read() && floor(clock::wall().as_millisecond(), WINDOW_MS) != self.kept_ms {
            self.keep();
        }
    }

    /// Reads and keeps; false where it is not durable.
    fn settle(&mut self) -> bool {
        if self.open.is_none() {
            self.open();
        }
        self.read() && self.keep()
    }

    fn attribute(&mut self, subjects: Arc<Subjects>) {
        self.read();
        if let Some((_, Some(recorder))) = &mut self.open {
            recorder.attribute(&subjects);
        }
        self.attributed = Arc::clone(&subjects);
        // Who leaves while nothing is recorded still needs a name when it is.
        self.known = if self.keep() { subjects } else { Arc::new(subjects.with(&self.known)) };
    }

    fn read(&mut self) -> bool {
        let (Some(meters), Some((_, Some(recorder)))) = (&self.meters, &mut self.open) else { return false };
        let nameless = recorder.nameless();
        recorder.read(now(), seen(meters), &self.known);
        debug_assert!(recorder.is_valid());
        if recorder.nameless() > nameless {
            let count = recorder.nameless();
            tracing::warn!(count, "slots that nobody can name are not recorded");
        }
        true
    }

    /// Keeps the record; false where that failed.
    fn keep(&mut self) -> bool {
        let Some((store, Some(recorder))) = &mut self.open else { return false };
        let (before, at) = (store.waiting().batches, recorder.last().wall_ms);
        let mut kept = store.keep(recorder);
        let closed = store.waiting().batches != before;
        if kept.is_ok() && closed && store.waiting().bytes > MERGE_BYTES {
            kept = store.merge().map(drop);
        }
        if let Err(error) = kept {
            self.broken(&error);
            return false;
        }
        if let Some(meters) = &self.meters {
            meters.note_recorded();
        }
        self.kept_ms = floor(clock::wall().as_millisecond(), WINDOW_MS);
        self.health.durable = Some(instant(at));
        if self.said.take().is_some() {
            tracing::info!("metering is recorded again");
        }
        self.health.problem = None;
        if closed {
            self.closed.send_modify(|count| *count += 1);
        }
        self.tell();
        true
    }

    fn with_store<T>(&mut self, work: impl FnOnce(&mut Store) -> Result<T, StoreError>) -> Option<T> {
        let (store, _) = self.open.as_mut()?;
        match work(store) {
            Ok(given) => Some(given),
            Err(error) => {
                self.broken(&error);
                None
            }
        }
    }

    /// Opens the record, and goes on where it ended.
    fn open(&mut self) {
        if Instant::now() < self.retry_at {
            return;
        }
        self.retry_at = Instant::now() + RETRY;
        match Store::open(&self.file, &format!("{:032x}", clock::chance())) {
            Ok((store, recorder)) => {
                store.record().clone_into(&mut self.health.record);
                self.open = Some((store, recorder));
                self.go_on();
                self.closed.send_modify(|count| *count += 1);
            }
            Err(error) => self.broken(&error),
        }
    }

    /// Goes on with the meters that are there, where record and meters are.
    fn go_on(&mut self) {
        let (Some(meters), Some((_, recorder))) = (&self.meters, &mut self.open) else { return };
        let origin = Origin { epoch: meters.epoch(), boot_id: self.boot_id.clone() };
        let now = now();
        let unread = Origin { epoch: 0, boot_id: self.boot_id.clone() };
        let recorder = recorder.get_or_insert_with(|| Recorder::new(unread, now));
        recorder.go_on(origin, now, seen(meters), &self.known, !meters.is_recorded());
        recorder.read(now, seen(meters), &self.known);
        recorder.attribute(&self.attributed);
    }

    /// Without a record nothing is read, so that the next durable reading holds all that was counted.
    fn broken(&mut self, error: &StoreError) {
        self.open = None;
        if let StoreError::Damaged { .. } = error {
            let aside = self.set_aside();
            tracing::error!(%error, ?aside, "the record of what was measured is damaged; a new one begins");
            self.retry_at = Instant::now();
        }
        self.fail(error.to_string());
    }

    fn fail(&mut self, problem: String) {
        if self.said.as_ref() != Some(&problem) {
            tracing::error!("metering is not recorded, limits hold: {problem}");
        }
        self.health.problem = Some(problem.clone());
        self.said = Some(problem);
        self.tell();
    }

    /// Keeps a damaged file under another name; one too many takes the place of the last one.
    fn set_aside(&self) -> Option<PathBuf> {
        let names = (1..=DAMAGED_MAX).map(|number| self.place.damaged_usage(number));
        let free = names.clone().find(|name| !name.exists()).or_else(|| names.max())?;
        fs::rename(&self.file, &free).ok().map(|()| free)
    }

    fn tell(&mut self) {
        if let Some((store, _)) = &self.open {
            let waiting = store.waiting();
            self.health.waiting_batches = waiting.batches;
            self.health.waiting_bytes = waiting.bytes;
            self.health.oldest = waiting.oldest_ms.map(instant);
        }
        // A disk that is full takes this neither; whoever reads it sees how old it is.
        let _ = self.health.keep(&self.place);
    }
}

fn now() -> Moment {
    Moment { wall_ms: clock::wall().as_millisecond(), boot_ms: clock::boot_ms() }
}
