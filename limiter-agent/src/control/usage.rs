//! The sending of what was measured: the oldest batch first, one at a time, until it is taken.

use std::future::pending;
use std::io::{self, Read as _};
use std::time::Duration;

use flate2::read::GzDecoder;
use limiter_api::client::ClientError;
use limiter_api::usage::UsageTaken;
use tokio::sync::watch;

use super::backoff::{self, Backoff};
use super::error::LinkError;
use super::transport::Transport;
use crate::metering::{Metering, Sealed};

/// Code of a batch whose number was stored with other content.
const CONFLICT: &str = "UsageConflict";
/// Code of a batch whose number is not the next.
const OUT_OF_ORDER: &str = "UsageOutOfOrder";

/// What became of a try.
enum Outcome {
    /// The control plane has batches up to this number.
    Taken(u64),
    /// To be sent again later.
    Failed(String),
    /// To be sent again later, since the control plane does not like what is in it.
    Unfit(String),
    /// Not to be sent again by this process.
    Conflict(String),
}

/// Sends for ever; waits longer from failure to failure, and no longer when `reconnects` counts on.
pub(super) async fn send(
    transport: &Transport,
    mut metering: Metering,
    mut reconnects: watch::Receiver<u64>,
) {
    let mut sender = Sender { transport, is_gzip: true, tried_plain: 0, said: None };
    let mut backoff = Backoff::default();
    loop {
        let Some(sealed) = metering.next_batch().await else {
            // Where the record cannot be read, it says so when it can.
            metering.more().await;
            continue;
        };
        let failed = match sender.hand_over(&sealed).await {
            Outcome::Taken(through) if metering.taken(through).await => {
                backoff.reset();
                sender.note(&metering, None);
                continue;
            }
            // It is forgotten when that is durable, and until then sent again, with the same answer.
            Outcome::Taken(_) => None,
            // The clock may have been ahead when it was dated.
            Outcome::Unfit(_) if metering.date_again().await => continue,
            Outcome::Failed(problem) | Outcome::Unfit(problem) => Some(problem),
            Outcome::Conflict(problem) => {
                sender.note(&metering, Some(problem));
                return pending().await;
            }
        };
        sender.note(&metering, failed);
        let pause: Duration = backoff.next(backoff::chance());
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            Ok(()) = reconnects.changed() => backoff.reset(),
        }
    }
}

struct Sender<'a> {
    transport: &'a Transport,
    /// The control plane reads what is compressed, as far as is known.
    is_gzip: bool,
    /// The batch that was sent uncompressed to find that out.
    tried_plain: u64,
    said: Option<String>,
}

impl Sender<'_> {
    async fn hand_over(&mut self, sealed: &Sealed) -> Outcome {
        let sequence = sealed.sequence;
        let mut answer = self.send(sealed, self.is_gzip).await;
        // One that does not know compressed bodies says so, or takes them for no JSON.
        let status = answer.as_ref().map_err(refusal).err().flatten().map(|(status, _)| status);
        let is_unread = status == Some(415) || status == Some(400) && self.tried_plain != sequence;
        if is_unread && self.is_gzip {
            self.tried_plain = sequence;
            answer = self.send(sealed, false).await;
            self.is_gzip = status != Some(415) && answer.is_err();
        }
        let error = match answer {
            Ok(taken) => return outcome(sequence, &taken),
            Err(error) => error,
        };
        match refusal(&error) {
            Some((_, CONFLICT)) => Outcome::Conflict(format!(
                "{error}; another agent sends with this record, as where a machine was copied: stop this agent, \
                 remove usage.redb from its records on the copy, and start it again"
            )),
            Some((_, OUT_OF_ORDER)) => match self.transport.ask_taken(&sealed.record).await {
                Ok(taken) => outcome(sequence, &taken),
                Err(error) => Outcome::Failed(error.to_string()),
            },
            Some((400 | 422, _)) => Outcome::Unfit(error.to_string()),
            _ => Outcome::Failed(error.to_string()),
        }
    }

    async fn send(&self, sealed: &Sealed, is_gzip: bool) -> Result<UsageTaken, LinkError> {
        let body = if is_gzip { Ok(sealed.body.to_vec()) } else { plain(&sealed.body) };
        let body = body.map_err(|error| LinkError::Unpacked { sequence: sealed.sequence, error })?;
        self.transport.hand_over(body, is_gzip).await
    }

    /// Says once what keeps batches from being taken, and when nothing does any more.
    fn note(&mut self, metering: &Metering, problem: Option<String>) {
        if problem == self.said {
            return;
        }
        if let Some(problem) = &problem {
            tracing::warn!("what was measured waits: {problem}");
        } else {
            tracing::info!("the control plane takes what was measured again");
        }
        metering.note_sending(problem.clone());
        self.said = problem;
    }
}

fn outcome(sequence: u64, taken: &UsageTaken) -> Outcome {
    if taken.refused_rows > 0 {
        let rows = taken.refused_rows;
        tracing::warn!(
            sequence,
            rows,
            "the control plane refused rows of things that this node does not carry"
        );
    }
    if taken.through >= sequence {
        return Outcome::Taken(taken.through);
    }
    let through = taken.through;
    Outcome::Failed(format!("the control plane has batches up to {through} and does not take {sequence}"))
}

/// Status and code of a refusal.
fn refusal(error: &LinkError) -> Option<(u16, &str)> {
    match error {
        LinkError::Call(ClientError::Refused(problem)) => Some((problem.status, &problem.code)),
        _ => None,
    }
}

fn plain(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(body).read_to_end(&mut plain)?;
    Ok(plain)
}
