//! What is new for which node: one look at the database answers all who wait, however many a change woke.

use std::collections::HashMap;
use std::sync::Arc;

use limiter_domain::{Node, NodeId, Revision};
use tokio::sync::{Mutex, MutexGuard};

use super::{App, AppError};
use crate::store::Touched;

/// The last change of every zone and node that nodes must know.
#[derive(Default)]
pub(super) struct News {
    looked: Option<Revision>,
    /// By region and zone: of networks that every node carries which serves the zone.
    zones: HashMap<Arc<str>, HashMap<Arc<str>, Revision>>,
    /// Of nodes themselves, and of networks that only certain nodes carry.
    nodes: HashMap<NodeId, Revision>,
}

/// What was looked at last.
pub(super) type Looked = Mutex<News>;

impl App {
    /// What is new, of the change `known` and all before it.
    pub(super) async fn news(&self, known: Revision) -> Result<MutexGuard<'_, News>, AppError> {
        let mut news = self.news.lock().await;
        if news.looked.is_none_or(|looked| looked < known) {
            let tx = self.store.read().await?;
            let since = news.looked.unwrap_or_default();
            let (networks, nodes) = (tx.networks_touched(since).await?, tx.nodes_touched(since).await?);
            for network in networks {
                news.note(network);
            }
            for (node, revision) in nodes {
                news.note_node(node, revision);
            }
            news.looked = Some(tx.revision());
        }
        Ok(news)
    }
}

impl News {
    /// The last change that `node` must know.
    pub(super) fn of(&self, node: &Node) -> Revision {
        let zones = self.zones.get(&node.region);
        let serves = node.interfaces.iter();
        let zones = serves.filter_map(|interface| zones?.get(&interface.zone)).copied();
        let own = self.nodes.get(&node.id).copied();
        zones.chain(own).fold(node.revision, Revision::max)
    }

    fn note(&mut self, network: Touched) {
        let Touched { region, zone, nodes, revision } = network;
        let Some(nodes) = nodes else {
            return raise(self.zones.entry(region).or_default().entry(zone).or_default(), revision);
        };
        for node in nodes {
            self.note_node(node, revision);
        }
    }

    fn note_node(&mut self, node: NodeId, revision: Revision) {
        raise(self.nodes.entry(node).or_default(), revision);
    }
}

fn raise(known: &mut Revision, revision: Revision) {
    *known = revision.max(*known);
}
