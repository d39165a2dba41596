//! The agent's life: load, reconcile, wait for whatever may have changed, reconcile again.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::args::{MetricsAddress, RunArgs};
use crate::dataplane::{Maps, Programs, heap};
use crate::desired::Desired;
use crate::metrics::{self, Collector, Rounds};
use crate::netlink::{Netlink, Watch};
use crate::place::Place;
use crate::privilege::{self, Stage};
use crate::reconcile::undo::Undo;
use crate::reconcile::{Node, growth, reconcile};
use crate::sizing;
use crate::state::{self, Source};
use crate::state_watch::StateWatch;
use crate::watchdog::Watchdog;

/// Everything is read again after this time, should a notification have been lost.
const REREAD: Duration = Duration::from_secs(30);

/// Runs until SIGTERM or SIGINT. Limits stay in force after it.
pub async fn run(place: Place, args: &RunArgs) -> anyhow::Result<()> {
    if let Some(need) = privilege::missing()?.first() {
        anyhow::bail!("this process lacks {}, which {}; run it as root", need.name, need.reason);
    }
    privilege::drop_to(Stage::Start).context("giving up capabilities")?;
    let _lock = place.lock().map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => {
            anyhow::anyhow!("another agent uses {}; stop it first", place.state_dir.display())
        }
        _ => anyhow::Error::new(error).context(format!("locking {}", place.state_dir.display())),
    })?;
    let listener = listen(args.metrics).await?;
    // Watches are open before the first reading, so no change is missed.
    let file_watch = StateWatch::open(&place.state_file)?;
    let mut node_watch = Watch::open()?;
    let (mut node, mut desired, refusal) = first(&place).await?;
    let rounds = Arc::new(Rounds::default());
    rounds.note(true, true, node.actions);
    privilege::drop_to(Stage::Life).context("giving up capabilities")?;
    if let Some(listener) = listener {
        let collector = Collector::new(place.clone(), node.programs.known().to_vec(), Arc::clone(&rounds));
        tokio::spawn(metrics::serve(listener, Arc::new(collector)));
    }
    tell_ready(&desired);
    if let Some(reason) = refusal {
        refuse(&place, &reason);
    }
    heap::give_back();

    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut timer = tokio::time::interval(REREAD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.reset();
    let mut watchdog = Watchdog::open();
    loop {
        tokio::select! {
            () = watchdog.sign() => continue,
            _ = hangup.recv() => {}
            _ = timer.tick() => {}
            () = file_watch.changed() => {}
            changed = node_watch.changed() => changed?,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        step(&place, &file_watch, &mut node, &mut desired, &rounds).await;
        heap::give_back();
    }
    tracing::info!("stopping; limits stay in force");
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    Ok(())
}

/// Reads the file again and reconciles. A refused file or a failed round is told and leaves the last
/// good state in force.
async fn step(
    place: &Place,
    file_watch: &StateWatch,
    node: &mut Node,
    desired: &mut Desired,
    rounds: &Rounds,
) {
    let before = node.actions;
    let refusal = match read_changed(place, file_watch) {
        Ok(read) => match reconcile(node, read.as_ref().map_or(desired, |read| &read.desired)).await {
            Ok(_) => {
                rounds.note(true, read.is_some(), node.actions - before);
                let noted = match read {
                    None => state::forget_refusal(place),
                    Some(read) => {
                        let noted = read.note_applied(place);
                        *desired = read.desired;
                        tell_ready(desired);
                        noted
                    }
                };
                if let Err(error) = noted {
                    tracing::error!(%error, "keeping a copy of the state");
                }
                return;
            }
            Err(error) => match read {
                Some(read) => read.explain(error).to_string(),
                None => error.to_string(),
            },
        },
        Err(reason) => reason,
    };
    refuse(place, &refusal);
    let fallback = reconcile(node, desired).await;
    rounds.note(fallback.is_ok(), false, node.actions - before);
    if let Err(error) = fallback {
        tracing::error!(%error, "the last good state could not be put in force either");
    }
}

/// The state file where it changed, unless somebody writes it right now.
fn read_changed(place: &Place, file_watch: &StateWatch) -> Result<Option<Source>, String> {
    let unfinished =
        || format!("{}: it is being written and is read when that ends", place.state_file.display());
    let source = Source::read_changed(place).map_err(|error| error.to_string());
    // Asked after the reading, so that what was written before it is known.
    if file_watch.is_being_written() { Err(unfinished()) } else { source }
}

/// Puts the state file in force, or what was last in force where the file is refused: a node that
/// starts with a broken file must not run without limits. Then also why it was refused.
async fn first(place: &Place) -> anyhow::Result<(Node, Desired, Option<String>)> {
    match Box::pin(put_in_force(place, &place.state_file)).await {
        Ok((node, source)) => {
            source.note_applied(place).context("keeping a copy of the state")?;
            Ok((node, source.desired, None))
        }
        Err(error) => match Box::pin(put_in_force(place, &place.applied())).await {
            Ok((node, source)) => Ok((node, source.desired, Some(format!("{error:#}")))),
            Err(_) => Err(error),
        },
    }
}

async fn put_in_force(place: &Place, file: &Path) -> anyhow::Result<(Node, Source)> {
    let source = Source::read(file).map_err(|error| anyhow::anyhow!(error))?;
    let mut node = open(place, &source).await?;
    reconcile(&mut node, &source.desired).await.map_err(|error| source.explain(error))?;
    Ok((node, source))
}

fn refuse(place: &Place, reason: &str) {
    tracing::error!(reason, "the state file is refused, the last good state stays in force");
    state::note_refused(place, reason);
    let _ = sd_notify::notify(&[NotifyState::Status(&format!("state file refused: {reason}"))]);
}

async fn open(place: &Place, source: &Source) -> anyhow::Result<Node> {
    let mut netlink = Netlink::open()?;
    let room = growth::make_room(&place.pins, &source.desired, &mut netlink).await;
    room.map_err(|error| source.explain(error))?;
    let programs = Programs::load(&place.pins, &sizing::sizes(&source.desired))?;
    let maps = Maps::open(&place.pins)?.context("the maps just pinned are gone")?;
    let undo = Undo::open(&place.state_dir).context("reading the record for uninstall")?;
    Ok(Node { maps, programs, netlink, undo, actions: 0 })
}

/// The socket for metrics, where there is to be one: a taken port is told before anything changes.
async fn listen(address: MetricsAddress) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address.0 else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    Ok(Some(
        listener.with_context(|| format!("metrics on {address}; choose another with --metrics, or off"))?,
    ))
}

fn tell_ready(desired: &Desired) {
    let (networks, instances) = (desired.networks.len(), desired.instances.len());
    tracing::info!(networks, instances, "in force");
    let status = format!("{networks} networks and {instances} instances in force");
    let _ = sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
}
