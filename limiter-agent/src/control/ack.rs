//! What the agent made of the states it was sent, and the saying of it.

use limiter_api::agent::AgentAck;
use tokio::sync::{Notify, watch};

use super::backoff::{self, Backoff};
use super::error::LinkError;
use super::record::Noted;
use super::transport::Transport;
use crate::desired::OriginSpec;
use crate::line;

/// What is in force, and what is not though it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InForce {
    /// The state in force; [`None`] where the control plane sent none of it.
    pub origin: Option<OriginSpec>,
    /// A state that is refused, and why.
    pub refused: Option<(OriginSpec, String)>,
}

impl InForce {
    /// As it is said to the control plane; nothing of it is no state of the control plane's.
    fn ack(&self) -> Option<AgentAck> {
        let (about, problem) = match &self.refused {
            Some((origin, reason)) => (origin, Some(line::of(reason, line::CHARS_MAX))),
            None => (self.origin.as_ref()?, None),
        };
        let of_the_same = self.origin.as_ref().filter(|origin| origin.incarnation == about.incarnation);
        Some(AgentAck {
            incarnation: about.incarnation.clone(),
            revision: about.revision,
            problem,
            in_force_revision: of_the_same.map_or(0, |origin| origin.revision),
        })
    }
}

/// Says what is in force, one call after another, each with the newest: after every change, and again
/// when `reconnects` counts on. Where the control plane has another database, the state is `stale`.
pub(super) async fn acknowledge(
    transport: &Transport,
    record: &Noted,
    mut told: watch::Receiver<InForce>,
    mut reconnects: watch::Receiver<u64>,
    stale: &Notify,
) {
    let mut backoff = Backoff::default();
    let mut said = None;
    loop {
        let ack = told.borrow_and_update().ack();
        let mut pause = None;
        if let Some(ack) = ack.filter(|ack| said.as_ref() != Some(ack)) {
            match transport.acknowledge(&ack).await {
                Ok(()) => {
                    note_success(record, &ack);
                    backoff.reset();
                    said = Some(ack);
                    continue;
                }
                Err(error) => {
                    note_problem(record, &ack, &error);
                    if matches!(error, LinkError::Conflict) {
                        stale.notify_one();
                        said = Some(ack);
                    } else {
                        pause = Some(backoff.next(backoff::chance()));
                    }
                }
            }
        }
        tokio::select! {
            changed = told.changed() => if changed.is_err() { return },
            changed = reconnects.changed() => {
                if changed.is_err() {
                    return;
                }
                said = None;
                backoff.reset();
            }
            () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
        }
    }
}

fn note_success(record: &Noted, ack: &AgentAck) {
    if record.note(|record| record.ack_problem.take().is_some()) {
        tracing::info!(revision = ack.revision, "acknowledged again");
    }
}

fn note_problem(record: &Noted, ack: &AgentAck, error: &LinkError) {
    let problem = Some(error.to_string());
    let is_new = record.note(|record| {
        let is_new = record.ack_problem != problem;
        record.ack_problem = problem;
        is_new
    });
    if is_new {
        tracing::warn!(%error, revision = ack.revision, "the control plane does not take what is in force");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(incarnation: &str, revision: u64) -> OriginSpec {
        OriginSpec { incarnation: incarnation.to_owned(), revision }
    }

    #[test]
    fn what_is_in_force_is_said_and_what_is_refused_with_its_reason() {
        let said = |origin, refused| {
            let ack = InForce { origin, refused }.ack()?;
            Some((ack.incarnation, ack.revision, ack.problem, ack.in_force_revision))
        };
        let refused = |incarnation, revision| Some((origin(incarnation, revision), "no rate".to_owned()));
        let problem = || Some("no rate".to_owned());
        assert_eq!(said(None, None), None, "a state of the node's own is nobody else's concern");
        assert_eq!(said(Some(origin("a", 7)), None), Some(("a".into(), 7, None, 7)));
        assert_eq!(said(Some(origin("a", 7)), refused("a", 8)), Some(("a".into(), 8, problem(), 7)));
        assert_eq!(said(Some(origin("a", 7)), refused("b", 2)), Some(("b".into(), 2, problem(), 0)));
        assert_eq!(said(None, refused("a", 1)), Some(("a".into(), 1, problem(), 0)));
        let long = Some((origin("a", 1), "\u{e9}".repeat(5000)));
        let ack = InForce { origin: None, refused: long }.ack().expect("said");
        assert_eq!(ack.problem.map(|problem| problem.chars().count()), Some(1000));
    }
}
