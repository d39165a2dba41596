//! Signs of life to systemd, given by the loop that does the work: when it hangs they end, and the
//! agent is started again.

use std::future::pending;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// When the next sign is due; never where nobody waits for one.
#[derive(Debug)]
pub struct Watchdog(Option<Interval>);

impl Watchdog {
    /// As `WatchdogSec=` of the unit asks: twice in that time, which systemd recommends.
    pub fn open() -> Self {
        let asked = sd_notify::watchdog_enabled().filter(|patience| *patience >= Duration::from_millis(2));
        Self(asked.map(|patience| {
            let mut due = interval(patience / 2);
            due.set_missed_tick_behavior(MissedTickBehavior::Delay);
            due
        }))
    }

    /// Waits until a sign is due and gives it. Dropped half-way it forgets nothing.
    pub async fn sign(&mut self) {
        match &mut self.0 {
            Some(due) => due.tick().await,
            None => pending().await,
        };
        let _ = sd_notify::notify(&[NotifyState::Watchdog]);
    }
}
