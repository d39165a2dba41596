//! Nodes.

use limiter_api::client::all_pages;
use limiter_api::params::{NewNode, NodeChange, Paging};

use super::{Session, given, something};
use crate::args::{IfVersion, NodeCommand, NodeEgress, Switch};
use crate::confirm;
use crate::failure::Failure;

pub(super) async fn run(session: &Session, command: NodeCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        NodeCommand::List => {
            let nodes = all_pages(Paging::default(), async |paging| client.nodes(paging).await).await?;
            let hint = "no nodes; make one with `limiter node create NAME --interface 'veth-*'`, then a token \
                        for its agent with `limiter token create NAME --role agent --node NODE`";
            session.output.list(&nodes, hint)
        }
        NodeCommand::Show { node } => session.output.one(&client.node(&node).await?),
        NodeCommand::Create { name, region, uplinks, interfaces, egress } => {
            let NodeEgress { shared_address, egress_addresses } = egress;
            let new = NewNode { name, region, uplinks, interfaces, shared_address, egress_addresses };
            session.output.one(&client.create_node(&new).await?)
        }
        NodeCommand::Update { node, name, uplinks, interfaces, egress, no_shared_address, version } => {
            let shared_address = egress.shared_address.map(Some).or(no_shared_address.then_some(None));
            let is_egress = shared_address.is_some() || egress.egress_addresses.is_some();
            something(name.is_some() || !uplinks.is_empty() || !interfaces.is_empty() || is_egress)?;
            // An address that networks need is not taken away.
            if let Some(Some(new)) = &shared_address {
                let node = client.node(&node).await?;
                if let Some(old) = node.shared_address.as_deref().filter(|old| new != old) {
                    session.confirm.ask(&confirm::share(&node, old, new))?;
                }
            }
            let change = NodeChange {
                name,
                uplinks: given(uplinks),
                interfaces: Some(interfaces).filter(|interfaces| !interfaces.is_empty()),
                shared_address,
                egress_addresses: egress.egress_addresses,
                ..NodeChange::default()
            };
            self::change(session, &node, change, &version).await
        }
        NodeCommand::Delete { node, version } => {
            let node = client.node(&node).await?;
            session
                .confirm
                .ask(&format!("Node {} is deleted; its agent is refused from now on.", node.name))?;
            session.client_at(&version).delete_node(&node.id).await?;
            session.output.gone("node", &[node.id])
        }
        NodeCommand::Drain { node, version } => {
            let node = client.node(&node).await?;
            session.confirm.ask(&confirm::drain(&node))?;
            change(session, &node.id, NodeChange { drained: Some(true), ..NodeChange::default() }, &version)
                .await
        }
        NodeCommand::Undrain { node, version } => {
            change(session, &node, NodeChange { drained: Some(false), ..NodeChange::default() }, &version)
                .await
        }
        NodeCommand::Fence { node, version } => {
            let node = client.node(&node).await?;
            session.confirm.ask(&confirm::fence(&node))?;
            change(session, &node.id, NodeChange { fenced: Some(true), ..NodeChange::default() }, &version)
                .await
        }
        NodeCommand::Unfence { node, version } => {
            change(session, &node, NodeChange { fenced: Some(false), ..NodeChange::default() }, &version)
                .await
        }
        NodeCommand::Bypass { node, switch: Switch::On, version } => {
            let node = client.node(&node).await?;
            session.confirm.ask(&confirm::bypass(&node))?;
            change(session, &node.id, NodeChange { bypass: Some(true), ..NodeChange::default() }, &version)
                .await
        }
        NodeCommand::Bypass { node, switch: Switch::Off, version } => {
            change(session, &node, NodeChange { bypass: Some(false), ..NodeChange::default() }, &version)
                .await
        }
    }
}

async fn change(
    session: &Session,
    node: &str,
    change: NodeChange,
    version: &IfVersion,
) -> Result<(), Failure> {
    session.output.one(&session.client_at(version).update_node(node, &change).await?)
}
