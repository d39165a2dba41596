//! Scheduled work: what is due by the clock, in the order in which it was due. Two control planes over one
//! database may do it at once, since every step takes its turn and looks again.

use std::collections::HashSet;
use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::{App, Undone};

/// Something due is worked at most this long after its instant.
const PERIOD: Duration = Duration::from_secs(1);

/// What a killed control plane left half done is looked for at the start, and this often for the others'.
const SETTLING: Duration = Duration::from_mins(1);

/// What nobody needs any more is forgotten this often.
const FORGETTING: Duration = Duration::from_hours(1);

/// Works what is due, for ever. An error is told and tried again.
pub async fn work(app: App) {
    tokio::join!(schedule(&app), settle(&app), forget(&app));
}

async fn schedule(app: &App) {
    let (mut timer, mut trouble) = (every(PERIOD), Trouble::default());
    loop {
        timer.tick().await;
        trouble.tell(app.work_due().await);
    }
}

async fn settle(app: &App) {
    let (mut timer, mut trouble) = (every(SETTLING), Trouble::default());
    loop {
        timer.tick().await;
        trouble.tell(app.settle_all().await);
    }
}

async fn forget(app: &App) {
    let mut timer = every(FORGETTING);
    loop {
        timer.tick().await;
        if let Err(error) = app.forget_ended().await {
            tracing::warn!(%error, "what ended is not forgotten yet; it is tried again in an hour");
        }
    }
}

fn every(period: Duration) -> Interval {
    let mut timer = interval(period);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// What could not be done the last time, so that each trouble is told once.
#[derive(Default)]
struct Trouble(HashSet<String>);

impl Trouble {
    fn tell(&mut self, undone: Vec<Undone>) {
        let mut now = HashSet::with_capacity(undone.len());
        for Undone { what, error } in undone {
            if self.0.contains(&what) {
                tracing::debug!(%error, "{what}, still");
            } else {
                tracing::error!(%error, "{what}; it is tried again");
            }
            now.insert(what);
        }
        self.0 = now;
    }
}
