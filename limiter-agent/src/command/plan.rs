//! `plan`: what `run` would change now.

use anyhow::Context as _;

use super::status::gather::egress;
use crate::clock;
use crate::control::Record;
use crate::dataplane::Maps;
use crate::netlink::Netlink;
use crate::place::Place;
use crate::reconcile::observe::{self, observe};
use crate::reconcile::plan::plan;
use crate::sizing;
use crate::state::{self, Source};

/// Prints the plan, a line an action.
pub async fn run(place: &Place, json: bool) -> anyhow::Result<()> {
    let source = Source::read(&place.state_file)?;
    let desired = state::in_force(place, &source.desired, clock::wall());
    let mut netlink = Netlink::open()?;
    let mut observed = match Maps::open(&place.pins).context("opening the pinned maps")? {
        Some(maps) => observe(&maps, None, &mut netlink).await?,
        None => observe::without_maps(sizing::sizes(&desired), &mut netlink).await?,
    };
    observed.egress = egress(place, &desired).await?;
    let plan = plan(&desired, &observed).map_err(|error| source.explain(error.into()))?;
    let actions: Vec<String> = plan.actions.iter().map(ToString::to_string).collect();
    let origin = source.desired.origin.as_ref().filter(|_| place.is_controlled());
    if json {
        let plan = serde_json::json!({ "actions": actions, "origin": origin });
        println!("{}", serde_json::to_string_pretty(&plan)?);
        return Ok(());
    }
    if let (Some(origin), Some(record)) = (origin, Record::read(place)) {
        println!("The state is revision {} of {}.", origin.revision, record.control);
    }
    if actions.is_empty() {
        println!("Nothing to do: the state is in force.");
    } else {
        for action in &actions {
            println!("{action}");
        }
        println!("{} changes; nothing was changed now.", actions.len());
    }
    Ok(())
}
