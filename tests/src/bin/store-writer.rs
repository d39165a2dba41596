//! Writes to a database until it is killed: each transaction has as many instances as events, and its
//! revision is printed once it is committed.

use std::io::Write as _;
use std::sync::Arc;

use jiff::Timestamp;
use limiter_control::store::Store;
use limiter_domain::{Event, EventKind, Instance, InstanceId, Network};
use limiter_state::Access;

/// Instances and events of each transaction.
const EACH: u128 = 50;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let (Some(url), Some(network)) = (args.next(), args.next()) else {
        anyhow::bail!("usage: store-writer URL NETWORK");
    };
    let store = Store::open(&url, Timestamp::now()).await?;
    let network = store.read().await?.network(&network.parse()?).await?;
    let network = network.ok_or_else(|| anyhow::anyhow!("no such network"))?;
    loop {
        let write = store.write().await?;
        let revision = write.revision();
        for number in 0..EACH {
            let id = InstanceId::of_random(u128::from(revision) * EACH + number);
            write.put_instance(&instance(id.clone(), &network, revision)).await?;
            write.add_events(&[event(&id, revision)]).await?;
        }
        write.touch_networks(std::slice::from_ref(&network.id)).await?;
        write.commit().await?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{revision}")?;
        out.flush()?;
    }
}

fn instance(id: InstanceId, network: &Network, revision: u64) -> Instance {
    Instance {
        name: id.as_str().into(),
        id,
        account: network.account.clone(),
        network: network.id.clone(),
        external_id: None,
        addresses: Vec::new(),
        internet: Access::Allow,
        rule: None,
        revision,
        created_at: Timestamp::UNIX_EPOCH,
        version: 1,
    }
}

fn event(id: &InstanceId, revision: u64) -> Event {
    Event {
        revision,
        at: Timestamp::UNIX_EPOCH,
        account: None,
        actor: Arc::from("local"),
        request_id: Arc::from(""),
        kind: EventKind::InstanceCreated,
        subject: id.as_str().into(),
        detail: Arc::from(""),
    }
}
