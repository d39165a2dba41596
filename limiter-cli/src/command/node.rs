//! Nodes.

use limiter_api::client::all_pages;
use limiter_api::params::{NewNode, NodeChange, Paging};

use super::{Session, given, something};
use crate::args::{IfVersion, NodeCommand, Switch};
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
        NodeCommand::Create { name, region, uplinks, interfaces } => {
            session.output.one(&client.create_node(&NewNode { name, region, uplinks, interfaces }).await?)
        }
        NodeCommand::Update { node, name, uplinks, interfaces, version } => {
            something(name.is_some() || !uplinks.is_empty() || !interfaces.is_empty())?;
            let interfaces = Some(interfaces).filter(|interfaces| !interfaces.is_empty());
            let change = NodeChange { name, uplinks: given(uplinks), interfaces, ..NodeChange::default() };
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
