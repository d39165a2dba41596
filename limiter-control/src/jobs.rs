//! Scheduled work: what is due by the clock, in the order in which it was due. Two control planes over one
//! database may do it at once, since every step takes its turn and looks again.

use std::time::Duration;

use crate::app::App;

/// Something due is worked at most this long after its instant.
const PERIOD: Duration = Duration::from_secs(1);

/// What nobody needs any more is forgotten this often.
const FORGETTING: Duration = Duration::from_hours(1);

/// Works what is due, for ever. An error is told and tried again.
pub async fn work(app: App) {
    tokio::join!(schedule(&app), forget(&app));
}

async fn forget(app: &App) {
    let mut timer = tokio::time::interval(FORGETTING);
    loop {
        timer.tick().await;
        if let Err(error) = app.forget_ended().await {
            tracing::warn!(%error, "what ended is not forgotten yet; it is tried again in an hour");
        }
    }
}

async fn schedule(app: &App) {
    let mut timer = tokio::time::interval(PERIOD);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    loop {
        timer.tick().await;
        match app.work_due().await {
            Ok(_) => failing = false,
            Err(error) if failing => tracing::debug!(%error, "scheduled work still fails"),
            Err(error) => {
                failing = true;
                tracing::error!(%error, "scheduled work fails; it is tried again every second");
            }
        }
    }
}
