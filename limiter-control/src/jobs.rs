//! Scheduled work: what is due by the clock, in the order in which it was due. Two control planes over one
//! database may do it at once, since every step takes its turn and looks again.

use std::time::{Duration, Instant};

use crate::app::App;

/// Something due is worked at most this long after its instant.
const PERIOD: Duration = Duration::from_secs(1);

/// What nobody asks for any more is removed this often.
const TIDY: Duration = Duration::from_hours(1);

/// Works what is due, for ever. An error is told and tried again.
pub async fn work(app: App) {
    let mut timer = tokio::time::interval(PERIOD);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut failing = false;
    let mut tidied: Option<Instant> = None;
    loop {
        timer.tick().await;
        if tidied.is_none_or(|at| at.elapsed() >= TIDY) {
            tidied = Some(Instant::now());
            if let Err(error) = app.forget_old().await {
                tracing::warn!(%error, "old answers and ended tokens stay for now");
            }
        }
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
