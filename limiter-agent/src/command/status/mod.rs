//! `status`: every limit in force, where it comes from, and what passes and is refused.

mod build;
pub(super) mod gather;
pub mod model;
#[cfg(test)]
mod tests;
mod text;

use std::io::IsTerminal as _;
use std::time::Duration;

use clap::Args;

use super::table;
use crate::place::Place;
use gather::{Readings, View};
use model::Status;

/// How to show it.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// Only these: NETWORK (with its instances) or NETWORK/INSTANCE.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// As JSON; with --watch, a line each second.
    #[arg(long)]
    json: bool,
    /// Again every second until it is interrupted.
    #[arg(long)]
    watch: bool,
    /// Every row, not only those that fit.
    #[arg(long)]
    all: bool,
}

/// Rows where no terminal says how many fit.
const ROWS_MAX: usize = 50;
/// Time over which the first rates are measured.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
/// Time between two refreshes.
const REFRESH: Duration = Duration::from_secs(1);
/// Clears the terminal and goes to its corner.
const CLEAR: &str = "\x1b[H\x1b[2J";

/// Shows the status, once or every second.
///
/// # Errors
/// Where the limiter is not installed, a name is unknown, or maps or devices cannot be read.
pub async fn run(args: StatusArgs, place: &Place) -> anyhow::Result<()> {
    let mut earlier = Readings::first(place)?;
    tokio::time::sleep(FIRST_INTERVAL).await;
    loop {
        let view = View::read(place).await?;
        let mut status = build::status(&view, earlier.as_ref());
        only(&mut status, &args.names)?;
        table::print(&screen(&status, &args)?)?;
        if !args.watch {
            return Ok(());
        }
        earlier = Some(view.readings);
        tokio::time::sleep(REFRESH).await;
    }
}

fn screen(status: &Status, args: &StatusArgs) -> anyhow::Result<String> {
    if args.json {
        let json =
            if args.watch { serde_json::to_string(status)? } else { serde_json::to_string_pretty(status)? };
        return Ok(json + "\n");
    }
    let terminal = table::terminal();
    let clear = if args.watch && std::io::stdout().is_terminal() { CLEAR } else { "" };
    let around = text::text(status, None, 0).lines().count();
    let rows_max = match terminal {
        _ if args.all => usize::MAX,
        Some((_, height)) => height.saturating_sub(around),
        None => ROWS_MAX,
    };
    Ok(clear.to_owned() + &text::text(status, terminal.map(|(width, _)| width), rows_max))
}

/// Leaves only what `names` stand for; all where there are none.
fn only(status: &mut Status, names: &[String]) -> anyhow::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut unused: Vec<&String> = names.iter().collect();
    let mut is_named = |name: &str| {
        unused.retain(|wanted| *wanted != name);
        names.iter().any(|wanted| wanted == name)
    };
    status.networks.retain_mut(|network| {
        if is_named(&network.entity.name) {
            return true;
        }
        network.instances.retain(|instance| is_named(&instance.name));
        !network.instances.is_empty()
    });
    match unused.first() {
        None => Ok(()),
        Some(name) => anyhow::bail!("nothing in force is called {name:?}; write NETWORK or NETWORK/INSTANCE"),
    }
}
