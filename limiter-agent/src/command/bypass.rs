//! `bypass`: one switch that takes the limiter out of the way, and back.

use anyhow::Context as _;
use limiter_common::node::Node;

use crate::args::Switch;
use crate::dataplane::Maps;
use crate::desired;
use crate::place::Place;

/// Turns bypass on or off: in the state file, so that it stays, and in the kernel at once, so that
/// it works without a running agent.
pub fn run(place: &Place, switch: Switch) -> anyhow::Result<()> {
    let on = switch == Switch::On;
    let kept = desired::update(&place.state_file, false, |state| Ok(desired::edit::set_bypass(state, on)));
    let maps = Maps::open(&place.pins)
        .context("opening the pinned maps")?
        .context("the limiter is not installed here")?;
    maps.put_node(Node { flags: if on { Node::BYPASS } else { 0 } })?;
    println!("{}", if on { "BYPASS ON: everything passes unmetered." } else { "Bypass off: limits hold." });
    kept.map(drop).map_err(|error| {
        anyhow::anyhow!(error).context(
            "in the kernel only: the state file could not be changed and wins at the agent's next reading",
        )
    })
}
