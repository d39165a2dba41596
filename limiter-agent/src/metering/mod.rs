//! Metering: what the meters counted becomes rows of closed minutes that the control plane stores once.
//!
//! ```text
//! meters ─ 1 Hz ─► recorder ─ 10 s, one transaction ─► record ─► sealed batch ─► control plane
//! ```
//!
//! The recorder is pure. A thread of its own reads, keeps and merges, so that a slow disk holds up no limit; it
//! can do nothing beyond any process. The link to the control plane takes batches from it. Killed at any moment
//! nothing is lost or doubled: counters are absolute, and the reading is kept in the transaction that keeps what
//! came of it. A power cut loses at most what was counted since the last one.

pub mod bucket;
mod codec;
pub mod error;
pub mod health;
pub mod recorder;
#[cfg(test)]
mod recorder_tests;
mod rows;
mod saved;
pub mod scan;
pub mod split;
pub mod store;
#[cfg(test)]
mod store_tests;
pub mod subject;
pub mod tracked;
mod worker;

use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

pub use health::Health;
pub use store::Sealed;
pub use subject::Subjects;
use worker::{Ask, Worker};

use crate::dataplane::MeterArray;
use crate::place::Place;

/// A transaction takes some milliseconds; whoever waits for one goes on without it after this time.
const PATIENCE: Duration = Duration::from_secs(2);

/// The agent's and the link's end of metering.
#[derive(Clone, Debug)]
pub struct Metering {
    asks: mpsc::Sender<Ask>,
    closed: watch::Receiver<u64>,
}

impl Metering {
    /// Starts it, without meters yet.
    pub fn start(place: &Place) -> io::Result<Self> {
        let (asks, asked) = mpsc::channel();
        let (sender, closed) = watch::channel(0);
        Worker::new(place.clone(), sender).start(asked)?;
        Ok(Self { asks, closed })
    }

    /// Reads these meters from now on.
    pub fn read(&self, meters: Arc<MeterArray>) {
        self.ask(Ask::Meters(meters));
    }

    /// Says who is coming, so that a slot that somebody gets has a name from its first byte on.
    pub fn know(&self, subjects: &Arc<Subjects>) {
        self.ask(Ask::Know(Arc::clone(subjects)));
    }

    /// Says whom bytes belong to from now on. Those since the switch in the kernel, until this is read, belong to
    /// whom they belonged before: as long as a transaction takes, or until the next start where the agent is
    /// killed before that one.
    pub fn attribute(&self, subjects: &Arc<Subjects>) {
        self.ask(Ask::Attribute(Arc::clone(subjects)));
    }

    /// Reads and keeps the reading; false where it is not durable, or not yet.
    pub async fn settle(&self) -> bool {
        let (reply, kept) = oneshot::channel();
        self.ask(Ask::Settle(reply));
        matches!(timeout(PATIENCE, kept).await, Ok(Ok(true)))
    }

    /// The batch to be sent next; none where none waits, or the record cannot be read now.
    pub async fn next_batch(&self) -> Option<Sealed> {
        let (reply, sealed) = oneshot::channel();
        self.ask(Ask::Next(reply));
        sealed.await.ok().flatten()
    }

    /// Dates the next batch no later than now, where it was refused for that; true where that changed it.
    pub async fn date_again(&self) -> bool {
        let (reply, changed) = oneshot::channel();
        self.ask(Ask::Again(reply));
        changed.await.unwrap_or(false)
    }

    /// Forgets batches up to this number; false where that is not durable.
    pub async fn taken(&self, through: u64) -> bool {
        let (reply, forgotten) = oneshot::channel();
        self.ask(Ask::Taken(through, reply));
        forgotten.await.unwrap_or(false)
    }

    /// Says why nothing is sent, or that nothing keeps it from being sent.
    pub fn note_sending(&self, problem: Option<String>) {
        self.ask(Ask::Sending(problem));
    }

    /// Waits until something more may wait to be sent.
    pub async fn more(&mut self) {
        // A thread that is gone closes no more buckets; the agent says so where it waits for it.
        if self.closed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits until the thread is gone, which only a fault in it brings about.
    pub async fn ended(&self) {
        let mut closed = self.closed.clone();
        while closed.changed().await.is_ok() {}
    }

    fn ask(&self, ask: Ask) {
        // Without the thread nothing is measured; the agent ends when it sees that.
        let _ = self.asks.send(ask);
    }
}
