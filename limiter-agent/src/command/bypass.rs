//! `bypass`: one switch that takes the limiter out of the way, and back.

use std::fs::{self, File};
use std::io;

use anyhow::Context as _;
use limiter_common::node::Node;

use crate::args::Switch;
use crate::dataplane::Maps;
use crate::desired;
use crate::place::Place;

/// Turns bypass on or off: where the agent reads it, so that it stays, and in the kernel at once, so that
/// it works without a running agent.
pub fn run(place: &Place, switch: Switch) -> anyhow::Result<()> {
    let on = switch == Switch::On;
    let kept = if place.is_controlled() { keep_here(place, on)? } else { keep_in_file(place, on) };
    let maps = Maps::open(&place.pins)
        .context("opening the pinned maps")?
        .context("the limiter is not installed here")?;
    maps.put_node(Node { flags: if on { Node::BYPASS } else { 0 } })?;
    println!("{}", if on { "BYPASS ON: everything passes unmetered." } else { "Bypass off: limits hold." });
    kept.context("in the kernel only: it could not be kept and ends at the agent's next reading")
}

fn keep_in_file(place: &Place, on: bool) -> anyhow::Result<()> {
    desired::update(&place.state_file, false, |state| Ok(desired::edit::set_bypass(state, on)))?;
    Ok(())
}

/// Keeps the switch beside the control plane's state, which nobody changes here: it has to work while the
/// control plane is gone.
///
/// # Errors
/// Where that state itself lets everything pass; the inner error is that it could not be kept.
fn keep_here(place: &Place, on: bool) -> anyhow::Result<anyhow::Result<()>> {
    if on {
        return Ok(File::create(place.bypass()).map(drop).map_err(Into::into));
    }
    if desired::load(&place.applied()).is_ok_and(|state| state.bypass) {
        anyhow::bail!("the control plane lets everything pass on this node; end it there");
    }
    Ok(match fs::remove_file(place.bypass()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    })
}
