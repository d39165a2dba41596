//! Addresses for all plans of a region at once, and a node that fails: all that it has goes to others.

use std::time::Instant;

use anyhow::Context as _;
use limiter_api::client::Client;
use limiter_api::params::{AddressRanges, NewNode, NodeChange, Paging};
use limiter_api::views::{Node, NodeInterface};

use super::Lines;

/// The region that most networks are in.
const REGION: &str = "default";

/// Gives the plans of the region addresses, then fences the node that carries all of its networks.
pub(super) async fn run(client: &Client, lines: &mut Lines) -> anyhow::Result<()> {
    let spare = NewNode {
        name: "spare".to_owned(),
        interfaces: ["b", "c"].map(interface).to_vec(),
        ..NewNode::default()
    };
    client.create_node(&spare).await?;
    let nodes = nodes(client).await?;
    for (number, node) in nodes.iter().enumerate() {
        let shared_address = Some(Some(format!("203.0.113.{}", number + 1)));
        let change = NodeChange { shared_address, ..NodeChange::default() };
        client.update_node(&node.id, &change).await?;
    }
    let ranges = AddressRanges { ranges: vec!["198.18.0.0/17".to_owned()], ..AddressRanges::default() };
    let start = Instant::now();
    let imported = client.import_addresses(&ranges).await?;
    let of = format!("{} addresses, {} plans without one", imported.addresses, imported.plans);
    lines.add("import, seconds", &of, start.elapsed().as_secs_f64());

    let carrier = nodes.iter().find(|node| node.name.contains("b c")).context("the node that has all")?;
    let before = client.node(&carrier.id).await?.addresses;
    let change = NodeChange { fenced: Some(true), ..NodeChange::default() };
    let start = Instant::now();
    let after = client.update_node(&carrier.id, &change).await?.addresses;
    let seconds = start.elapsed().as_secs_f64();
    anyhow::ensure!(before > 0 && after == 0, "{after} of {before} addresses are still at the fenced node");
    lines.add("fence of a node, seconds", &format!("{before} addresses go to others"), seconds);
    Ok(())
}

async fn nodes(client: &Client) -> anyhow::Result<Vec<Node>> {
    let page = client.nodes(&Paging::default()).await?;
    Ok(page.items.into_iter().filter(|node| node.region == REGION).collect())
}

fn interface(zone: &str) -> NodeInterface {
    NodeInterface {
        pattern: format!("{zone}*"),
        zone: zone.to_owned(),
        mode: "auto".to_owned(),
        observe: false,
        foreign_sources: "drop".to_owned(),
    }
}
