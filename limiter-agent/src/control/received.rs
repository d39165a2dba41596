//! A state as the control plane sends it, and the file that it becomes.
//!
//! What is inside the state is not judged here: the agent reads the file as it reads any state file, and
//! says what is wrong with it.

use std::fs::{self, File};
use std::io::{self, Write as _};

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::desired::{self, OriginSpec};
use crate::place::Place;

/// A state that was sent.
#[derive(Debug)]
pub(super) struct Received<'a> {
    /// Which one it is.
    pub(super) origin: OriginSpec,
    state: &'a str,
}

#[derive(Deserialize)]
struct Answer<'a> {
    incarnation: String,
    revision: u64,
    #[serde(borrow)]
    state: &'a RawValue,
}

impl<'a> Received<'a> {
    /// Reads an answer of the control plane.
    ///
    /// # Errors
    /// What is wrong with it, which is not the agent's fault.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, String> {
        let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let origin = OriginSpec { incarnation: answer.incarnation, revision: answer.revision };
        let state = answer.state.get();
        if !state.starts_with('{') {
            return Err("its state is no object".to_owned());
        }
        match desired::origin(state.as_bytes()) {
            Some(own) if own == origin => Ok(Self { origin, state }),
            Some(own) => Err(format!(
                "its state is revision {} of {}, not {} of {}",
                own.revision, own.incarnation, origin.revision, origin.incarnation
            )),
            None => Err("its state has no origin, or none of that form".to_owned()),
        }
    }

    /// True where it takes the place of `before`. Within an incarnation revisions only grow.
    pub(super) fn is_news(&self, before: Option<&OriginSpec>) -> bool {
        before.is_none_or(|before| {
            before.incarnation != self.origin.incarnation || before.revision < self.origin.revision
        })
    }

    /// Makes it the state file, in one step. It need not outlive a power cut: what is in force is kept
    /// elsewhere, and the control plane sends it again.
    pub(super) fn keep(&self, place: &Place) -> io::Result<()> {
        let next = place.state_dir.join("received.json.next");
        let mut file = File::create(&next)?;
        writeln!(file, "{}", self.state)?;
        fs::rename(next, place.received())
    }
}

/// Which state was received last.
pub(super) fn last(place: &Place) -> Option<OriginSpec> {
    desired::origin(&fs::read(place.received()).ok()?)
}

#[cfg(test)]
mod tests {
    use limiter_api::agent::AgentState;

    use super::*;
    use crate::desired::{NodeState, load_state};

    fn origin(incarnation: &str, revision: u64) -> OriginSpec {
        OriginSpec { incarnation: incarnation.to_owned(), revision }
    }

    fn answer(state: NodeState) -> Vec<u8> {
        let state = AgentState { incarnation: "a".to_owned(), revision: 7, state };
        serde_json::to_vec(&state).expect("JSON")
    }

    #[test]
    fn a_state_is_kept_as_it_was_sent() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new("x", Some(folder.path().to_owned()), "none".into()).controlled();
        let sent = NodeState { bypass: true, origin: Some(origin("a", 7)), ..NodeState::default() };
        let body = answer(sent.clone());
        let received = Received::read(&body).expect("an answer");
        assert_eq!(received.origin, origin("a", 7));
        received.keep(&place).expect("written");
        assert_eq!(load_state(&place.received()).expect("a state"), sent);
        assert_eq!(last(&place), Some(origin("a", 7)));
        let body =
            br#"{"incarnation":"a","revision":8,"state":{"origin":{"incarnation":"a","revision":8},"no":1}}"#;
        Received::read(body).expect("an answer").keep(&place).expect("written");
        assert_eq!(last(&place), Some(origin("a", 8)), "also of a state that is refused");
    }

    #[test]
    fn answers_that_no_control_plane_gives() {
        for body in [
            "",
            "null",
            "{}",
            r#"{"incarnation":"a","revision":1,"state":[]}"#,
            r#"{"incarnation":"a","revision":-1,"state":{}}"#,
            r#"{"incarnation":"a","revision":1,"state":{}"#,
            r#"{"incarnation":"a","revision":1,"state":{}}"#,
            r#"{"incarnation":"a","revision":1,"state":{"origin":{"incarnation":"a","revision":2}}}"#,
            r#"{"incarnation":"a","revision":1,"state":{"origin":{"incarnation":"b","revision":1}}}"#,
            r#"{"incarnation":"\n","revision":1,"state":{"origin":{"incarnation":"\n","revision":1}}}"#,
        ] {
            assert!(Received::read(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn revisions_grow_within_an_incarnation() {
        let body = answer(NodeState { origin: Some(origin("a", 7)), ..NodeState::default() });
        let received = Received::read(&body).expect("an answer");
        for (before, news) in [
            (None, true),
            (Some(origin("a", 6)), true),
            (Some(origin("a", 7)), false),
            (Some(origin("a", 8)), false),
            (Some(origin("b", 9)), true),
        ] {
            assert_eq!(received.is_news(before.as_ref()), news, "{before:?}");
        }
    }
}
