//! The loop that fetches states.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Notify, watch};

use super::backoff::{self, Backoff};
use super::error::LinkError;
use super::received::{self, Received};
use super::record::Record;
use super::transport::{Transport, WAIT};
use crate::clock;
use crate::desired::OriginSpec;
use crate::place::Place;

/// What a call brought.
enum News {
    /// A state, which is the state file now.
    State,
    /// Nothing new for as long as was asked.
    None,
    /// Nothing new, sooner than was asked: whoever asks again at once asks without end.
    TooSoon,
}

/// Fetches states.
pub(super) struct Fetcher {
    transport: Arc<Transport>,
    place: Place,
    record: Record,
    /// Counts the ends of times without contact.
    reconnects: watch::Sender<u64>,
}

impl Fetcher {
    /// Goes on from the state received last.
    pub(super) fn new(transport: Arc<Transport>, place: Place, mut record: Record) -> Self {
        record.received = received::last(&place);
        Self { transport, place, record, reconnects: watch::Sender::new(0) }
    }

    /// Follows the ends of times without contact.
    pub(super) fn reconnects(&self) -> watch::Receiver<u64> {
        self.reconnects.subscribe()
    }

    /// Fetches for ever; asks for the whole state when the last one is `stale`.
    pub(super) async fn run(mut self, stale: &Notify) {
        let mut backoff = Backoff::default();
        let mut has = self.record.received.clone();
        loop {
            let start = Instant::now();
            let answer = tokio::select! {
                answer = self.transport.fetch(has.as_ref()) => answer,
                () = stale.notified() => {
                    has = None;
                    continue;
                }
            };
            match answer.and_then(|body| self.take(body.as_deref(), start)) {
                Ok(news) => {
                    self.note_contact();
                    has.clone_from(&self.record.received);
                    if !matches!(news, News::TooSoon) {
                        backoff.reset();
                        continue;
                    }
                }
                Err(error) => self.note_problem(&error),
            }
            tokio::time::sleep(backoff.next(backoff::chance())).await;
        }
    }

    fn take(&mut self, body: Option<&[u8]>, start: Instant) -> Result<News, LinkError> {
        let Some(body) = body else {
            return Ok(if start.elapsed() < WAIT / 2 { News::TooSoon } else { News::None });
        };
        let received = Received::read(body).map_err(|what| self.transport.unexpected(what))?;
        let OriginSpec { incarnation, revision } = &received.origin;
        if !received.is_news(self.record.received.as_ref()) {
            tracing::warn!(revision, "the control plane sent a state that is not newer; it is ignored");
            return Ok(News::TooSoon);
        }
        received.keep(&self.place).map_err(|error| LinkError::File {
            file: self.place.received(),
            what: "written",
            error,
        })?;
        tracing::info!(incarnation, revision, bytes = body.len(), "received");
        self.record.received = Some(received.origin);
        Ok(News::State)
    }

    fn note_contact(&mut self) {
        self.record.contact = Some(clock::wall());
        if self.record.problem.take().is_some() {
            tracing::info!("the control plane answers again");
            self.reconnects.send_modify(|count| *count += 1);
        }
        self.keep();
    }

    fn note_problem(&mut self, error: &LinkError) {
        let problem = Some(error.to_string());
        if self.record.problem != problem {
            tracing::warn!(%error, "no state from the control plane; what is in force stays");
            self.record.problem = problem;
            self.keep();
        }
    }

    fn keep(&self) {
        if let Err(error) = self.record.keep(&self.place) {
            tracing::warn!(%error, "the state of the link could not be noted for status");
        }
    }
}
