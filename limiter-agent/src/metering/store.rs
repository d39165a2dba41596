//! The record on the disk: what one transaction keeps is kept whole, or not at all.
//!
//! Slots and the open bucket lie beside the batches that wait, so that a batch is there exactly when what it says
//! is no longer in the open bucket. A batch gets its number when it is sealed, as the next to be sent: those behind
//! it may still be merged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use limiter_api::usage::UsageBatch;
use redb::backends::FileBackend;
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};

use super::error::StoreError;
use super::recorder::Recorder;
use super::rows::{self, Block, CLOCK_MIN_MS, Hour};
use super::split::{HOUR_MS, floor};

/// Bytes of batches from which on buckets are merged into hours.
pub const MERGE_BYTES: u64 = 64 << 20;
/// Bytes of batches from which on nothing more is read: counters go on in the kernel, and what they say then is
/// split over the time.
pub const STOP_BYTES: u64 = 256 << 20;
/// Memory for pages of the file, bytes.
const CACHE_BYTES: usize = 4 << 20;
/// What a batch takes beside its content, bytes.
const OVERHEAD_BYTES: u64 = 64;
/// Longest batch, unpacked, bytes: more than [`rows::BATCH_ROWS`] rows can have.
const BATCH_BYTES_MAX: u64 = 256 << 20;

/// Identity of the record, number of the batch sealed last, head of the recorder.
const HEAD: TableDefinition<&str, &[u8]> = TableDefinition::new("head");
/// Slots in chunks.
const SLOTS: TableDefinition<u32, &[u8]> = TableDefinition::new("slots");
/// Batches that wait, in their order: start of their rows, whether they are hours, and themselves.
const WAITING: TableDefinition<u64, (i64, bool, &[u8])> = TableDefinition::new("waiting");
/// The batch that is sent, by its number.
const SEALED: TableDefinition<u64, (i64, &[u8])> = TableDefinition::new("sealed");

/// The batch to be sent next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Identity of the record.
    pub record: String,
    /// Its number.
    pub sequence: u64,
    /// It as JSON, compressed with gzip; the same whenever it is sent.
    pub body: Arc<[u8]>,
}

/// What waits to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Batches.
    pub batches: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// Start of the oldest rows, milliseconds since 1970.
    pub oldest_ms: Option<i64>,
}

/// The record's file.
pub struct Store {
    db: Database,
    file: PathBuf,
    record: String,
    waiting: Waiting,
}

impl Store {
    /// Opens the file, or makes it with the identity `record`; gives what was kept.
    pub fn open(file: &Path, record: &str) -> Result<(Self, Option<Recorder>), StoreError> {
        let failed = |error: io::Error| StoreError::io(file, &error);
        let new =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file);
        let new = new.map_err(failed)?;
        // A library that stumbles over what it finds there says that it is damaged.
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = open(new).map_err(|error| StoreError::of(file, error))?;
            let mut store =
                Self { db, file: file.to_owned(), record: record.to_owned(), waiting: Waiting::default() };
            let recorder = store.read()?;
            store.count()?;
            Ok((store, recorder))
        }));
        opened.unwrap_or_else(|_| Err(StoreError::damaged(file, "it cannot be read")))
    }

    /// Identity of the record.
    pub fn record(&self) -> &str {
        &self.record
    }

    /// What waits.
    pub fn waiting(&self) -> Waiting {
        self.waiting
    }

    /// Keeps what changed, in one transaction: slots, the open bucket, and batches of those that were closed.
    pub fn keep(&mut self, recorder: &mut Recorder) -> Result<(), StoreError> {
        // One after another: unpacked they are large.
        let blocks = recorder.take_closed().into_iter().flat_map(rows::blocks);
        let blocks = blocks.map(|block: Block| Ok((block.start_ms, packed(&block.batch)?)));
        let blocks =
            blocks.collect::<io::Result<Vec<_>>>().map_err(|error| StoreError::io(&self.file, &error))?;
        self.write(|tx| {
            tx.open_table(HEAD)?.insert("recorder", recorder.head().as_slice())?;
            let mut slots = tx.open_table(SLOTS)?;
            for (number, bytes) in recorder.changed_chunks() {
                if bytes.is_empty() {
                    slots.remove(number)?;
                } else {
                    slots.insert(number, bytes.as_slice())?;
                }
            }
            let mut waiting = tx.open_table(WAITING)?;
            let mut number = waiting.last()?.map_or(0, |(number, _)| number.value());
            for (start_ms, body) in &blocks {
                number += 1;
                waiting.insert(number, (*start_ms, false, body.as_slice()))?;
            }
            Ok(())
        })?;
        recorder.note_kept();
        self.recount(&[], &sizes(&blocks))
    }

    /// The batch to be sent: the one that is sealed, else the oldest that waits, which is sealed then. Nothing of it
    /// is dated after `now_ms`; where that is no time of a clock that was set, everything waits.
    pub fn seal(&mut self, now_ms: i64) -> Result<Option<Sealed>, StoreError> {
        if let Some(sealed) = self.sealed()? {
            return Ok(Some(sealed));
        }
        if now_ms < CLOCK_MIN_MS {
            return Ok(None);
        }
        let Some((number, start_ms, before)) = self.oldest()? else { return Ok(None) };
        let batch = self.unpacked(&before)?;
        let sequence = self.last_sequence()? + 1;
        let record = self.record.clone();
        let mut batch = UsageBatch { record, sequence, oldest: sequence, ..batch };
        rows::bring_to_now(&mut batch, now_ms);
        let body = packed(&batch).map_err(|error| StoreError::io(&self.file, &error))?;
        self.write(|tx| {
            tx.open_table(WAITING)?.remove(number)?;
            tx.open_table(SEALED)?.insert(sequence, (start_ms, body.as_slice()))?;
            tx.open_table(HEAD)?.insert("sequence", sequence.to_le_bytes().as_slice())?;
            Ok(())
        })?;
        self.recount(&[before.len()], &[body.len()])?;
        Ok(Some(Sealed { record: self.record.clone(), sequence, body: body.into() }))
    }

    /// Brings the sealed batch to `now_ms`, where it is dated later and was refused for that; true where it was.
    ///
    /// It keeps its number. A control plane that stored it nevertheless, by a clock that was ahead as well, sees
    /// another content then and says so.
    pub fn seal_again(&mut self, now_ms: i64) -> Result<bool, StoreError> {
        let Some(before) = self.sealed()? else { return Ok(false) };
        let mut batch = self.unpacked(&before.body)?;
        if !rows::bring_to_now(&mut batch, now_ms) {
            return Ok(false);
        }
        let body = packed(&batch).map_err(|error| StoreError::io(&self.file, &error))?;
        self.write(|tx| {
            tx.open_table(SEALED)?.insert(before.sequence, (now_ms, body.as_slice()))?;
            Ok(())
        })?;
        self.recount(&[before.body.len()], &[body.len()])?;
        Ok(true)
    }

    /// Forgets the sealed batch where the control plane has it.
    pub fn taken(&mut self, through: u64) -> Result<(), StoreError> {
        let Some(sealed) = self.sealed()?.filter(|sealed| sealed.sequence <= through) else { return Ok(()) };
        self.write(|tx| {
            tx.open_table(SEALED)?.remove(sealed.sequence)?;
            Ok(())
        })?;
        self.recount(&[sealed.body.len()], &[])
    }

    /// Merges the oldest hour whose buckets still wait one by one; false where there is none that is over.
    pub fn merge(&mut self) -> Result<bool, StoreError> {
        let Some((start_ms, numbers)) = self.oldest_hour()? else { return Ok(false) };
        let (mut hour, mut gone) = (Hour::around(start_ms), Vec::new());
        for number in &numbers {
            let body = self.look(|tx| {
                let body = tx.open_table(WAITING)?.get(number)?.map(|value| value.value().2.to_vec());
                Ok(body.unwrap_or_default())
            })?;
            hour.add(self.unpacked(&body)?);
            gone.push(body.len());
        }
        let blocks = hour.blocks();
        let blocks = blocks.iter().map(|block| Ok((block.start_ms, packed(&block.batch)?)));
        let blocks =
            blocks.collect::<io::Result<Vec<_>>>().map_err(|error| StoreError::io(&self.file, &error))?;
        self.write(|tx| {
            let mut waiting = tx.open_table(WAITING)?;
            for number in &numbers {
                waiting.remove(number)?;
            }
            // Fewer than they were, in the place of the first ones.
            for (number, (start_ms, body)) in numbers.iter().zip(&blocks) {
                waiting.insert(number, (*start_ms, true, body.as_slice()))?;
            }
            Ok(())
        })?;
        self.recount(&gone, &sizes(&blocks))?;
        Ok(true)
    }

    /// Start and batches of the oldest hour whose buckets wait one by one and that is over; none where there is none.
    fn oldest_hour(&self) -> Result<Option<(i64, Vec<u64>)>, StoreError> {
        self.look(|tx| {
            let mut oldest: Option<(i64, Vec<u64>)> = None;
            for entry in tx.open_table(WAITING)?.iter()? {
                let (number, value) = entry?;
                let (start_ms, is_hour, _) = value.value();
                let start_ms = floor(start_ms, HOUR_MS);
                match &mut oldest {
                    None if is_hour => {}
                    None => oldest = Some((start_ms, vec![number.value()])),
                    Some((of_ms, numbers)) if *of_ms == start_ms && !is_hour => numbers.push(number.value()),
                    Some(_) => return Ok(oldest),
                }
            }
            Ok(None)
        })
    }

    fn read(&mut self) -> Result<Option<Recorder>, StoreError> {
        let record = self.record.clone();
        let made = self.write(|tx| {
            let mut head = tx.open_table(HEAD)?;
            tx.open_table(SLOTS)?;
            tx.open_table(WAITING)?;
            tx.open_table(SEALED)?;
            let there = head.get("record")?.map(|kept| kept.value().to_vec());
            if there.is_none() {
                head.insert("record", record.as_bytes())?;
            }
            Ok(there)
        })?;
        if let Some(there) = made {
            self.record =
                String::from_utf8(there).map_err(|_| StoreError::damaged(&self.file, "no identity"))?;
        }
        let kept = self.look(|tx| {
            let head = tx.open_table(HEAD)?.get("recorder")?.map(|kept| kept.value().to_vec());
            let mut chunks = Vec::new();
            for entry in tx.open_table(SLOTS)?.iter()? {
                chunks.push(entry?.1.value().to_vec());
            }
            Ok(head.map(|head| (head, chunks)))
        })?;
        let Some((head, chunks)) = kept else { return Ok(None) };
        let recorder = Recorder::from_saved(&head, chunks.iter().map(Vec::as_slice));
        recorder.map(Some).map_err(|error| StoreError::damaged(&self.file, error))
    }

    /// Counts what waits, once: afterwards each change says what it adds and takes.
    fn count(&mut self) -> Result<(), StoreError> {
        let sizes = self.look(|tx| {
            let mut sizes = Vec::new();
            for entry in tx.open_table(SEALED)?.iter()? {
                sizes.push(entry?.1.value().1.len());
            }
            for entry in tx.open_table(WAITING)?.iter()? {
                sizes.push(entry?.1.value().2.len());
            }
            Ok(sizes)
        })?;
        self.recount(&[], &sizes)
    }

    fn recount(&mut self, gone: &[usize], came: &[usize]) -> Result<(), StoreError> {
        let bytes = |sizes: &[usize]| sizes.iter().map(|&size| size as u64 + OVERHEAD_BYTES).sum::<u64>();
        let Waiting { batches, bytes: before, .. } = self.waiting;
        self.waiting = Waiting {
            batches: (batches + came.len() as u64).saturating_sub(gone.len() as u64),
            bytes: (before + bytes(came)).saturating_sub(bytes(gone)),
            oldest_ms: self.look(|tx| {
                let (sealed, waiting) = (tx.open_table(SEALED)?, tx.open_table(WAITING)?);
                Ok(match sealed.first()? {
                    Some((_, value)) => Some(value.value().0),
                    None => waiting.first()?.map(|(_, value)| value.value().0),
                })
            })?,
        };
        Ok(())
    }

    fn sealed(&self) -> Result<Option<Sealed>, StoreError> {
        self.look(|tx| {
            let sealed = tx.open_table(SEALED)?;
            let Some((sequence, value)) = sealed.first()? else { return Ok(None) };
            let (sequence, body) = (sequence.value(), value.value().1.into());
            Ok(Some(Sealed { record: self.record.clone(), sequence, body }))
        })
    }

    /// Number, start and content of the batch that waits longest.
    fn oldest(&self) -> Result<Option<(u64, i64, Vec<u8>)>, StoreError> {
        self.look(|tx| {
            let waiting = tx.open_table(WAITING)?;
            let Some((number, value)) = waiting.first()? else { return Ok(None) };
            let (start_ms, _, body) = value.value();
            Ok(Some((number.value(), start_ms, body.to_vec())))
        })
    }

    fn last_sequence(&self) -> Result<u64, StoreError> {
        let bytes =
            self.look(|tx| Ok(tx.open_table(HEAD)?.get("sequence")?.map(|kept| kept.value().to_vec())))?;
        let Some(bytes) = bytes else { return Ok(0) };
        let bytes = bytes.try_into().map_err(|_| StoreError::damaged(&self.file, "no number"))?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn unpacked(&self, body: &[u8]) -> Result<UsageBatch, StoreError> {
        let mut reader = io::BufReader::new(GzDecoder::new(body).take(BATCH_BYTES_MAX));
        serde_json::from_reader(&mut reader).map_err(|error| StoreError::damaged(&self.file, &error))
    }

    fn look<T>(
        &self,
        work: impl FnOnce(&redb::ReadTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        guarded(&self.file, || {
            let look = || work(&self.db.begin_read()?);
            look().map_err(|error| StoreError::of(&self.file, error))
        })
    }

    fn write<T>(
        &mut self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        guarded(&self.file, || {
            let write = || {
                let tx = self.db.begin_write()?;
                let given = work(&tx)?;
                tx.commit()?;
                Ok(given)
            };
            write().map_err(|error| StoreError::of(&self.file, error))
        })
    }
}

/// Checks all of the file: what a disk changed behind our back would be found at any later time, by a fault.
fn open(file: File) -> Result<Database, redb::Error> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE_BYTES).set_check_integrity_on_open(true);
    Ok(builder.create_with_backend(FileBackend::new(file)?)?)
}

/// Does something with the file. A fault in it is no damage: opening it anew tells.
fn guarded<T>(file: &Path, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(StoreError::io(file, &io::Error::other("a fault, which is logged before"))))
}

fn sizes(bodies: &[(i64, Vec<u8>)]) -> Vec<usize> {
    bodies.iter().map(|(_, body)| body.len()).collect()
}

fn packed(batch: &UsageBatch) -> io::Result<Vec<u8>> {
    let mut packed = io::BufWriter::new(GzEncoder::new(Vec::new(), Compression::fast()));
    serde_json::to_writer(&mut packed, batch)?;
    packed.flush()?;
    packed.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
}
