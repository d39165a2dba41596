//! The whole at a glance.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use limiter_api::views;
use limiter_domain::{Node, Revision, Role, Status};

use super::{App, AppError, Caller, Reach, view};
use crate::store::{InstanceFilter, NetworkFilter, Paging};

/// A node that has not asked for this long is silent: its agent asks at least once a minute.
const SILENT: SignedDuration = SignedDuration::from_secs(150);

impl App {
    /// Counts, and how far nodes are behind.
    pub async fn status(&self, caller: &Caller) -> Result<views::StatusView, AppError> {
        let account = match caller.reads()? {
            Reach::All => None,
            Reach::Account(own) => Some(own),
        };
        let tx = self.store.read().await?;
        let mut plans = BTreeMap::new();
        for (status, business, count) in tx.count_plans_by_state(account.as_ref()).await? {
            // What was released is gone, and kept for events alone.
            if status == Status::Released {
                continue;
            }
            *plans.entry(view::label(status, business).to_owned()).or_insert(0) += count;
        }
        let mut nodes = Vec::new();
        if caller.role == Role::Operator {
            let news = self.news(tx.revision()).await?;
            let mut paging = Paging::default();
            loop {
                let page = tx.nodes(&paging).await?;
                nodes.extend(page.items.iter().map(|node| lag(node, news.of(node), self.now())));
                let Some(next) = page.next else { break };
                paging.after = Some(next);
            }
        }
        let networks = NetworkFilter { account: account.clone(), ..NetworkFilter::default() };
        let instances = InstanceFilter { account, ..InstanceFilter::default() };
        Ok(views::StatusView {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: self.store.incarnation().to_owned(),
            revision: tx.revision(),
            engine: self.store.engine().to_owned(),
            networks: tx.count_networks(&networks).await?,
            instances: tx.count_instances(&instances).await?,
            plans,
            nodes,
        })
    }
}

fn lag(node: &Node, wanted: Revision, now: Timestamp) -> views::NodeLag {
    let silent = |at: Timestamp| now.duration_since(at) > SILENT;
    let state = match node.seen_at {
        _ if node.fenced => "fenced",
        None => "new",
        Some(at) if silent(at) => "silent",
        _ if node.problem.is_some() => "refused",
        _ if node.acked_revision < wanted => "behind",
        _ => "in_force",
    };
    views::NodeLag {
        name: node.name.to_string(),
        region: node.region.to_string(),
        state: state.to_owned(),
        seen_at: node.seen_at,
    }
}
