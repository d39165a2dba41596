//! The loop that fetches states.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::backoff::{self, Backoff};
use super::error::LinkError;
use super::received::{self, Received, Unkept};
use super::record::Noted;
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
    /// Nothing new for as long as the call was to wait.
    None,
    /// Nothing new, though the call was to wait longer: whoever asks again at once asks without end.
    NoneTooSoon,
}

/// Fetches states.
pub(super) struct Fetcher {
    transport: Arc<Transport>,
    place: Place,
    record: Arc<Noted>,
    /// The state received last.
    received: Option<OriginSpec>,
    /// Counts the ends of times without contact.
    reconnects: watch::Sender<u64>,
}

impl Fetcher {
    /// Goes on from the state received last.
    pub(super) fn new(transport: Arc<Transport>, place: Place, record: Arc<Noted>) -> Self {
        let received = received::last(&place);
        Self { transport, place, record, received, reconnects: watch::Sender::new(0) }
    }

    /// Follows the ends of times without contact.
    pub(super) fn reconnects(&self) -> watch::Receiver<u64> {
        self.reconnects.subscribe()
    }

    /// Fetches for ever; asks for the whole state when the last one is `stale`.
    pub(super) async fn run(mut self, stale: &Notify) {
        let mut backoff = Backoff::default();
        let mut has = self.received.clone();
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
            match answer.and_then(|body| self.take(body.as_deref(), has.as_ref(), wait, start)) {
                Ok(news) => {
                    self.note_contact();
                    has.clone_from(&self.received);
                    // A short call alone is no sign that a long one gets through.
                    let is_long = wait > Duration::ZERO;
                    wait = WAIT;
                    match news {
                        News::NoneTooSoon => {}
                        News::None if !is_long => continue,
                        News::State | News::None => {
                            backoff.reset();
                            continue;
                        }
                    }
                }
                Err(error) => {
                    if matches!(error, LinkError::Unfit(_)) {
                        has = None;
                    }
                    self.note_problem(&error);
                    // The first answer comes at once, and says that there is contact again.
                    wait = Duration::ZERO;
                }
            }
            tokio::time::sleep(backoff.next(backoff::chance())).await;
        }
    }

    fn take(
        &mut self,
        body: Option<&[u8]>,
        has: Option<&OriginSpec>,
        wait: Duration,
        start: Instant,
    ) -> Result<News, LinkError> {
        let Some(body) = body else {
            return Ok(if start.elapsed() < wait / 2 { News::NoneTooSoon } else { News::None });
        };
        let received = Received::read(body).map_err(|what| self.transport.unexpected(&what))?;
        let revision = received.origin.revision;
        if let Some(before) = self.received.as_ref().filter(|before| !received.is_news(Some(before))) {
            // Asked for the whole state it sends the one that came while it refused an old acknowledgement.
            if has.is_none() && *before == received.origin {
                return Ok(News::NoneTooSoon);
            }
            let before = before.revision;
            let what = format!("revision {revision} where {before} was received already, which is ignored");
            return Err(self.transport.unexpected(&what));
        }
        let origin = received.keep(&self.place).map_err(|unkept| match unkept {
            Unkept::Unfit(reason) => LinkError::Unfit(reason),
            Unkept::File(error) => LinkError::File { file: self.place.received(), what: "written", error },
        })?;
        tracing::info!(origin.incarnation, origin.revision, bytes = body.len(), "received");
        self.received = Some(origin);
        Ok(News::State)
    }

    fn note_contact(&self) {
        let was_gone = self.record.note(|record| {
            record.contact = Some(clock::wall());
            record.received.clone_from(&self.received);
            record.problem.take().is_some()
        });
        if was_gone {
            tracing::info!("the control plane answers again");
            self.reconnects.send_modify(|count| *count += 1);
        }
    }

    fn note_problem(&self, error: &LinkError) {
        let problem = Some(error.to_string());
        let is_new = self.record.note(|record| {
            record.received.clone_from(&self.received);
            let is_new = record.problem != problem;
            record.problem = problem;
            is_new
        });
        if is_new {
            tracing::warn!(%error, "no state from the control plane; what is in force stays");
        }
    }
}
