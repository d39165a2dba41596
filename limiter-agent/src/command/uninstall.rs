//! `uninstall`: every trace of the limiter goes.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::net::{IpAddr, Ipv4Addr};

use anyhow::Context as _;

use crate::dataplane::{Maps, attach, object};
use crate::egress::Gate;
use crate::egress::table::Table;
use crate::metering::Health;
use crate::netlink::{Netlink, fq};
use crate::place::Place;
use crate::reconcile::observe;
use crate::reconcile::undo::Undo;

/// Detaches, restores and removes, after a question unless `yes`.
pub async fn run(place: &Place, yes: bool) -> anyhow::Result<()> {
    let waiting = Health::read(place).map_or(0, |health| health.waiting_batches);
    if waiting > 0 {
        eprintln!("{waiting} batches of what was measured here were not sent yet; they go with the records.");
    }
    if !yes && !confirmed()? {
        anyhow::bail!("nothing was changed");
    }
    let lock = place.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => anyhow::anyhow!("the agent is running; stop it first"),
        _ => anyhow::Error::new(error).context("locking the records"),
    })?;
    let mut netlink = Netlink::open()?;
    let undo = Undo::open(&place.state_dir).context("reading the record for uninstall")?;
    let maps = Maps::open(&place.pins)?;
    let links = netlink.links().await?;

    let loaded = attach::loaded(maps.as_ref().map(Maps::meters_id));
    for ((ifindex, direction), hooks) in observe::hooks(&loaded, &links, &mut netlink).await? {
        for hooked in hooks {
            if hooked.tcx {
                attach::detach(None, ifindex, direction, hooked.program)?;
            } else {
                netlink.detach_filter(ifindex, direction, object::name(direction)).await?;
            }
        }
    }
    let there = |ifindex: u32| links.iter().any(|link| link.ifindex == ifindex);
    for ifindex in undo.clsact().filter(|&ifindex| there(ifindex)) {
        netlink.remove_empty_clsact(ifindex).await?;
    }
    let qdiscs = netlink.qdiscs().await?;
    for link in &links {
        let steps = fq::restore(link.ifindex, undo.scheduler(link.ifindex), &qdiscs);
        if !steps.is_empty() {
            netlink.apply(link.ifindex, &steps).await?;
        }
    }
    if undo.table().is_some() {
        remove_egress(&mut netlink).await.context("removing egress addresses")?;
    }
    drop(maps);
    Maps::unpin(&place.pins)?;
    drop(lock);
    std::fs::remove_dir_all(&place.state_dir)
        .with_context(|| format!("removing {}", place.state_dir.display()))?;
    println!("The limiter is off this node.");
    if !place.is_controlled() {
        println!("The state file {} is left.", place.state_file.display());
    }
    Ok(())
}

/// Addresses, then the table that guards them, then connections that nothing translates any more.
async fn remove_egress(netlink: &mut Netlink) -> anyhow::Result<()> {
    let mut devices: BTreeMap<u32, Vec<Ipv4Addr>> = BTreeMap::new();
    for address in netlink.addresses().await?.into_iter().filter(|address| address.is_ours) {
        if let IpAddr::V4(v4) = address.address {
            devices.entry(address.ifindex).or_default().push(v4);
        }
    }
    for (ifindex, addresses) in devices {
        netlink.remove_addresses(ifindex, &addresses).await?;
    }
    let mut gate = Gate::open();
    let through: Vec<Ipv4Addr> = match gate.table(Some(0)).await? {
        Table::Ours(content) | Table::Changed(content) => content.addresses.into_iter().collect(),
        Table::Absent | Table::Foreign => Vec::new(),
    };
    gate.remove()?;
    gate.flush(Some(&through), |_| true).await?;
    Ok(())
}

fn confirmed() -> anyhow::Result<bool> {
    if !io::stdin().is_terminal() {
        anyhow::bail!("uninstall ends all limits at once; say --yes to do it without a question");
    }
    println!("All limits on this node end at once, and counters are gone. Go on? [y/N]");
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
