//! How long what was measured is kept, and how fine.

use jiff::{SignedDuration, Timestamp};
use limiter_domain::usage::{Grain, hour_of};

use crate::app::{App, AppError};
use crate::store::{InstanceHour, NetworkHour};

/// What is measured longer ago than this is not stored: hours are kept so long.
pub(in crate::app) const NETWORKS_KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What is measured of an instance longer ago than this is not stored.
pub(in crate::app) const INSTANCES_KEPT: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How long minutes of networks are kept.
pub(in crate::app) const NETWORK_MINUTES: SignedDuration = SignedDuration::from_hours(31 * 24);

/// How long minutes of instances are kept.
pub(in crate::app) const INSTANCE_MINUTES: SignedDuration = SignedDuration::from_hours(48);

/// Hours that are made coarser in one transaction.
const PART: u64 = 2_000;

impl App {
    /// Makes old hours coarser, and forgets those that nobody looks at any more.
    pub(in crate::app) async fn forget_usage(&self) -> Result<(), AppError> {
        let now = self.now();
        let before = |age: SignedDuration| hour_of(now.saturating_sub(age).unwrap_or(Timestamp::MIN));
        loop {
            let tx = self.store.write().await?;
            let fine = tx.fine_network_hours(Grain::Hour, before(NETWORK_MINUTES), PART).await?;
            let coarse = |row: NetworkHour| NetworkHour { usage: row.usage.coarser(Grain::Hour), ..row };
            let coarse: Vec<NetworkHour> = fine.into_iter().map(coarse).collect();
            let fine = tx.fine_instance_hours(Grain::Quarter, before(INSTANCE_MINUTES), PART).await?;
            let quarters =
                |row: InstanceHour| InstanceHour { usage: row.usage.coarser(Grain::Quarter), ..row };
            let quarters: Vec<InstanceHour> = fine.into_iter().map(quarters).collect();
            if coarse.is_empty() && quarters.is_empty() {
                if tx.remove_usage(before(NETWORKS_KEPT), before(INSTANCES_KEPT)).await? > 0 {
                    tx.commit().await?;
                }
                return Ok(());
            }
            tx.put_network_hours(&coarse).await?;
            tx.put_instance_hours(&quarters).await?;
            tx.commit().await?;
        }
    }
}
