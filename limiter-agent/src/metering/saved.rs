//! The record as bytes: a head, and slots in chunks, so that only what changed is written. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::codec::{
    Reader, Unreadable, put_bucket, put_instant, put_number, put_subject, put_text, put_tracked,
};
use super::recorder::{CHUNK_SLOTS, Moment, Origin, Recorder};

/// What the head begins with: the form of what follows.
const FORM: u64 = 1;
/// More slots than any maps have.
const SLOTS_MAX: u32 = 1 << 26;

impl Recorder {
    /// All but the slots.
    pub fn head(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, FORM);
        put_number(&mut bytes, self.origin.epoch);
        put_text(&mut bytes, &self.origin.boot_id);
        put_instant(&mut bytes, self.last.wall_ms);
        put_number(&mut bytes, self.last.boot_ms);
        put_instant(&mut bytes, self.bucket_ms);
        put_instant(&mut bytes, self.complete_until_ms);
        put_number(&mut bytes, self.parts.len() as u64);
        for (subject, bucket) in &self.parts {
            put_subject(&mut bytes, subject);
            put_bucket(&mut bytes, bucket);
        }
        bytes
    }

    /// Chunks that changed since they were kept, each with its number; an empty one is to be removed.
    pub fn changed_chunks(&self) -> impl Iterator<Item = (u32, Vec<u8>)> {
        self.changed.iter().map(|&number| {
            let first = number * CHUNK_SLOTS;
            let slots = (first..first + CHUNK_SLOTS)
                .filter_map(|slot| Some((slot, self.tracked.get(slot as usize)?.as_ref()?)));
            let mut bytes = Vec::new();
            slots.for_each(|(slot, tracked)| put_tracked(&mut bytes, slot, tracked));
            (number, bytes)
        })
    }

    /// Says that all is kept as it is now.
    pub fn note_kept(&mut self) {
        self.changed.clear();
        self.closed.clear();
    }

    /// The record that was kept.
    ///
    /// # Errors
    /// Where the bytes are not what was kept.
    pub(super) fn from_saved<'a>(
        head: &[u8],
        chunks: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Self, Unreadable> {
        let mut head = Reader(head);
        if head.number()? != FORM {
            return Err(Unreadable);
        }
        let origin = Origin { epoch: head.number()?, boot_id: head.text()?.to_string() };
        let last = Moment { wall_ms: head.instant()?, boot_ms: head.number()? };
        let mut recorder = Self::new(origin, last);
        recorder.bucket_ms = head.instant()?;
        recorder.complete_until_ms = head.instant()?;
        let mut parts = BTreeMap::new();
        for _ in 0..head.number()? {
            parts.insert(head.subject()?, head.bucket()?);
        }
        recorder.parts = parts;
        for chunk in chunks {
            let mut chunk = Reader(chunk);
            while !chunk.is_empty() {
                let (slot, tracked) = chunk.tracked()?;
                if slot >= SLOTS_MAX {
                    return Err(Unreadable);
                }
                let slot = slot as usize;
                if recorder.tracked.len() <= slot {
                    recorder.tracked.resize_with(slot + 1, || None);
                }
                recorder.tracked[slot] = Some(tracked);
            }
        }
        recorder.changed = BTreeSet::new();
        Ok(recorder)
    }
}
