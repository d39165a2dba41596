//! `plan`: what `run` would change now.

use anyhow::Context as _;

use crate::dataplane::Maps;
use crate::netlink::Netlink;
use crate::place::Place;
use crate::reconcile::observe::{self, observe};
use crate::reconcile::plan::plan;
use crate::sizing;
use crate::state::Source;

/// Prints the plan, a line an action.
pub async fn run(place: &Place, json: bool) -> anyhow::Result<()> {
    let source = Source::read(&place.state_file).map_err(|error| anyhow::anyhow!(error))?;
    let mut netlink = Netlink::open()?;
    let observed = match Maps::open(&place.pins).context("opening the pinned maps")? {
        Some(maps) => observe(&maps, None, &mut netlink).await?,
        None => observe::without_maps(sizing::sizes(&source.desired), &mut netlink).await?,
    };
    let plan = plan(&source.desired, &observed).map_err(|error| source.explain(error.into()))?;
    let actions: Vec<String> = plan.actions.iter().map(ToString::to_string).collect();
    if json {
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "actions": actions }))?);
    } else if actions.is_empty() {
        println!("Nothing to do: the state is in force.");
    } else {
        for action in &actions {
            println!("{action}");
        }
        println!("{} changes; nothing was changed now.", actions.len());
    }
    Ok(())
}
