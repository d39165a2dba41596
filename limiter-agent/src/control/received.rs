//! A state as the control plane sends it, or what changed of the last one, and the file that it becomes.
//!
//! What is inside the state is not judged here: the agent reads the file as it reads any state file, and
//! says what is wrong with it.

use std::fs::{self, File};
use std::io::{self, Write as _};

use limiter_state::{NodeState, StateDelta};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::desired::{self, OriginSpec};
use crate::place::Place;

/// A state that was sent.
#[derive(Debug)]
pub(super) struct Received<'a> {
    /// Which one it is.
    pub(super) origin: OriginSpec,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    State(&'a str),
    Delta(StateDelta),
}

/// Why what was sent became no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unkept {
    /// It says what changed of a state that is not here.
    #[error("what changed is no use here: {0}")]
    Unfit(String),
    /// The file system refused.
    #[error(transparent)]
    File(#[from] io::Error),
}

#[derive(Deserialize)]
struct Answer<'a> {
    incarnation: String,
    revision: u64,
    #[serde(borrow)]
    state: Option<&'a RawValue>,
    delta: Option<StateDelta>,
}

impl<'a> Received<'a> {
    /// Reads an answer of the control plane.
    ///
    /// # Errors
    /// What is wrong with it, which is not the agent's fault.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, String> {
        let answer: Answer<'_> = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let origin = OriginSpec { incarnation: answer.incarnation, revision: answer.revision };
        let (own, content) = match (answer.state, answer.delta) {
            (Some(state), None) if !state.get().starts_with('{') => {
                return Err("its state is no object".to_owned());
            }
            (Some(state), None) => (desired::origin(state.get().as_bytes()), Content::State(state.get())),
            (None, Some(delta)) => (Some(delta.origin.clone()), Content::Delta(delta)),
            _ => return Err("it has neither a state nor a delta, or both".to_owned()),
        };
        match own {
            Some(own) if own == origin => Ok(Self { origin, content }),
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

    /// Makes it the state file, in one step; gives which state that is. It need not outlive a power cut:
    /// what is in force is kept elsewhere, and the control plane sends it again.
    pub(super) fn keep(self, place: &Place) -> Result<OriginSpec, Unkept> {
        let next = place.state_dir.join("received.json.next");
        let mut file = io::BufWriter::new(File::create(&next)?);
        match self.content {
            Content::State(state) => file.write_all(state.as_bytes())?,
            Content::Delta(delta) => {
                let state = changed(place, delta).map_err(|error| Unkept::Unfit(error.to_string()))?;
                serde_json::to_writer(&mut file, &state).map_err(io::Error::from)?;
            }
        }
        file.write_all(b"\n")?;
        file.into_inner().map_err(io::IntoInnerError::into_error)?;
        fs::rename(next, place.received())?;
        Ok(self.origin)
    }
}

/// What `delta` makes of the state that was received last.
fn changed(place: &Place, delta: StateDelta) -> Result<NodeState, Box<dyn std::error::Error>> {
    let before: NodeState = serde_json::from_slice(&fs::read(place.received())?)?;
    Ok(before.changed_by(delta)?)
}

/// Which state was received last.
pub(super) fn last(place: &Place) -> Option<OriginSpec> {
    desired::origin(&fs::read(place.received()).ok()?)
}

#[cfg(test)]
mod tests {
    use limiter_api::agent::{AgentContent, AgentState};
    use limiter_state::NetworkSpec;

    use super::*;
    use crate::desired::load_state;

    fn origin(incarnation: &str, revision: u64) -> OriginSpec {
        OriginSpec { incarnation: incarnation.to_owned(), revision }
    }

    fn answer(state: NodeState) -> Vec<u8> {
        told(7, AgentContent::State(state))
    }

    fn told(revision: u64, content: AgentContent) -> Vec<u8> {
        let told = AgentState { incarnation: "a".to_owned(), revision, content };
        serde_json::to_vec(&told).expect("JSON")
    }

    fn keep(body: &[u8], place: &Place) -> Result<OriginSpec, Unkept> {
        Received::read(body).expect("an answer").keep(place)
    }

    #[test]
    fn a_change_is_made_of_the_state_before_and_of_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new("x", Some(folder.path().to_owned()), "none".into()).controlled();
        let network = |name: &str| NetworkSpec {
            id: Some(name.to_owned()),
            name: name.to_owned(),
            prefixes: vec![format!("10.{}.0.0/24", &name[1..])],
            ..NetworkSpec::default()
        };
        let delta = |since, revision, name| {
            let delta = StateDelta {
                since,
                origin: origin("a", revision),
                rules: Vec::new(),
                networks: vec![network(name)],
                instances: Vec::new(),
                gone: Vec::new(),
            };
            told(revision, AgentContent::Delta(delta))
        };
        let unfit = |body: &[u8]| matches!(keep(body, &place), Err(Unkept::Unfit(_)));
        assert!(unfit(&delta(7, 8, "n1")), "there is no state yet");
        let first = NodeState { bypass: true, origin: Some(origin("a", 7)), ..NodeState::default() };
        keep(&answer(first.clone()), &place).expect("written");
        assert!(unfit(&delta(6, 8, "n1")), "of another state");
        assert_eq!(load_state(&place.received()).expect("a state"), first, "as it was");
        assert_eq!(keep(&delta(7, 8, "n1"), &place).expect("written"), origin("a", 8));
        assert_eq!(keep(&delta(8, 11, "n2"), &place).expect("written"), origin("a", 11));
        let networks = vec![network("n1"), network("n2")];
        let expected = NodeState { origin: Some(origin("a", 11)), networks, ..first };
        assert_eq!(load_state(&place.received()).expect("a state"), expected);
        fs::write(place.received(), "{").expect("cut short");
        assert!(unfit(&delta(11, 12, "n3")));
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
            r#"{"incarnation":"a","revision":1}"#,
            r#"{"incarnation":"a","revision":1,"delta":{}}"#,
            r#"{"incarnation":"a","revision":2,"delta":{"since":0,"origin":{"incarnation":"a","revision":1}}}"#,
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
