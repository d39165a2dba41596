//! How metering is: for `status` and metrics, which must not wait for the record's file.

use std::fs;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::place::Place;

/// A reading is durable at least this often, milliseconds; later than that something is wrong.
const LATE_MS: i64 = 30_000;

/// How metering is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Identity of the record; empty where there is none yet.
    #[serde(default)]
    pub record: String,
    /// When the reading was taken that is durable.
    #[serde(default)]
    pub durable: Option<Timestamp>,
    /// Batches that wait to be sent.
    #[serde(default)]
    pub waiting_batches: u64,
    /// Their size, bytes.
    #[serde(default)]
    pub waiting_bytes: u64,
    /// Start of the oldest rows that wait.
    #[serde(default)]
    pub oldest: Option<Timestamp>,
    /// Why nothing is recorded.
    #[serde(default)]
    pub problem: Option<String>,
    /// Why nothing is sent.
    #[serde(default)]
    pub send_problem: Option<String>,
}

impl Health {
    /// How metering of a running agent was said to be last; none where nothing is measured here.
    pub fn read(place: &Place) -> Option<Self> {
        if !place.is_controlled() {
            return None;
        }
        serde_json::from_slice(&fs::read(place.metering()).ok()?).ok()
    }

    /// Replaces what was said before.
    pub fn keep(&self, place: &Place) -> io::Result<()> {
        let next = place.state_dir.join("metering.json.next");
        fs::write(&next, serde_json::to_vec(self)?)?;
        fs::rename(next, place.metering())
    }

    /// What is wrong with recording at `now`. A disk that takes nothing does not take this either, so an old
    /// reading is a problem by itself.
    pub fn problem_at(&self, now: Timestamp) -> Option<String> {
        let age_ms =
            self.durable.map(|durable| now.as_millisecond().saturating_sub(durable.as_millisecond()));
        match (&self.problem, age_ms) {
            (Some(problem), _) => Some(problem.clone()),
            (None, Some(age_ms)) if age_ms > LATE_MS => {
                let age_s = age_ms / 1000;
                Some(format!("no reading was recorded for {age_s} s; the agent's log says why"))
            }
            _ => None,
        }
    }
}
