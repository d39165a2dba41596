//! The loop that fetches states.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::backoff::{self, Backoff};
use super::error::LinkError;
use super::received::{self, Received};
use super::record::Record;
use super::transport::Transport;
use crate::clock;
use crate::desired::OriginSpec;
use crate::place::Place;

/// How long the control plane may wait for news before it answers.
const WAIT: Duration = Duration::from_secs(30);

/// What a call brought.
enum News {
    /// A state, which is the state file now.
    State,
    /// Nothing new for as long as was asked, or nothing at all was asked but to answer.
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
        let mut wait = Duration::ZERO;
        loop {
            let start = Instant::now();
            let answer = tokio::select! {
                answer = self.transport.fetch(has.as_ref(), wait) => answer,
                () = stale.notified() => {
                    has = None;
                    continue;
                }
            };
            match answer.and_then(|body| self.take(body.as_deref(), wait, start)) {
                Ok(news) => {
                    self.note_contact();
                    has.clone_from(&self.record.received);
                    // A short call alone is no sign that a long one gets through.
                    let is_long = wait > Duration::ZERO;
                    wait = WAIT;
                    match news {
                        News::TooSoon => {}
                        News::None if !is_long => continue,
                        News::State | News::None => {
                            backoff.reset();
                            continue;
                        }
                    }
                }
                Err(error) => {
                    self.note_problem(&error);
                    // The first answer comes at once, and says that there is contact again.
                    wait = Duration::ZERO;
                }
            }
            tokio::time::sleep(backoff.next(backoff::chance())).await;
        }
    }

    fn take(&mut self, body: Option<&[u8]>, wait: Duration, start: Instant) -> Result<News, LinkError> {
        let Some(body) = body else {
            return Ok(if start.elapsed() < wait / 2 { News::TooSoon } else { News::None });
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
