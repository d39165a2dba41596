//! Waking those who wait for changes, in this process and in other replicas.

use std::sync::Arc;
use std::time::Duration;

use limiter_domain::Revision;
use sea_orm::DatabaseConnection;
use sea_orm::sqlx::PgPool;
use sea_orm::sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::installation;

/// Name under which PostgreSQL tells replicas of a revision.
pub(super) const CHANNEL: &str = "limiter_revision";

/// Pause before a lost server is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The newest revision known, and what keeps it so.
pub(super) struct Changes {
    sender: Arc<watch::Sender<Revision>>,
    listener: Option<JoinHandle<()>>,
}

impl Changes {
    /// Starts with `revision`; listens to other replicas where there is a server that tells.
    pub(super) fn start(revision: Revision, notifier: Option<PgPool>, readers: DatabaseConnection) -> Self {
        let sender = Arc::new(watch::Sender::new(revision));
        let listener = notifier.map(|pool| tokio::spawn(listen(pool, readers, Arc::clone(&sender))));
        Self { sender, listener }
    }

    pub(super) fn sender(&self) -> Arc<watch::Sender<Revision>> {
        Arc::clone(&self.sender)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Revision> {
        self.sender.subscribe()
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}

/// Wakes waiters for `revision`, unless they know of a newer one.
pub(super) fn wake(sender: &watch::Sender<Revision>, revision: Revision) {
    sender.send_if_modified(|known| {
        let newer = *known < revision;
        *known = revision.max(*known);
        newer
    });
}

/// Wakes everybody: what was told meanwhile is lost.
fn wake_all(sender: &watch::Sender<Revision>, revision: Revision) {
    sender.send_modify(|known| *known = revision.max(*known));
}

async fn listen(pool: PgPool, readers: DatabaseConnection, sender: Arc<watch::Sender<Revision>>) {
    let mut first = true;
    loop {
        if let Err(error) = listen_once(&pool, &readers, &sender, &mut first).await {
            tracing::warn!(%error, "changes of other replicas come late: the database does not tell of them");
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Listens until the connection is lost; `first` is true where it never was.
async fn listen_once(
    pool: &PgPool,
    readers: &DatabaseConnection,
    sender: &watch::Sender<Revision>,
    first: &mut bool,
) -> Result<(), super::StoreError> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let revision = installation::revision(readers).await?;
    if std::mem::take(first) {
        wake(sender, revision);
    } else {
        wake_all(sender, revision);
    }
    while let Some(told) = listener.try_recv().await? {
        if let Ok(revision) = told.payload().parse() {
            wake(sender, revision);
        }
    }
    Ok(())
}
