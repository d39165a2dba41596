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
    let kept = if place.is_controlled() { keep_here(place, on) } else { keep_in_file(place, on) };
    if !on && place.is_controlled() && desired::load(&place.applied()).is_ok_and(|state| state.bypass) {
        kept.context("ending the bypass of this node")?;
        anyhow::bail!(
            "the bypass of this node is off, but the control plane lets everything pass on it; end it there"
        );
    }
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
fn keep_here(place: &Place, on: bool) -> anyhow::Result<()> {
    if on {
        File::create(place.bypass())?;
        return Ok(());
    }
    match fs::remove_file(place.bypass()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_ends_the_bypass_here_whatever_else_stands_in_its_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = Place::new("x", Some(folder.path().to_owned()), "own.yaml".into()).controlled();
        let place = Place { pins: folder.path().join("none"), ..place };
        for (state, why) in [
            ("version: 1\n", "the limiter is not installed here"),
            ("version: 1\nbypass: true\n", "the control plane lets everything pass"),
            ("nonsense", "the limiter is not installed here"),
        ] {
            fs::write(place.applied(), state).expect("a state");
            File::create(place.bypass()).expect("a bypass");
            let error = run(&place, Switch::Off).expect_err("something in its way").to_string();
            assert!(error.contains(why), "{error}");
            assert!(!place.bypass().exists(), "{why}");
        }
    }
}
