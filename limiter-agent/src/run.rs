//! The agent's life: load, reconcile, wait for whatever may have changed, reconcile again.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::MissedTickBehavior;

use crate::args::{MetricsAddress, RunArgs};
use crate::control::{Link, LinkArgs, Record};
use crate::dataplane::heap;
use crate::life::{Life, Refused};
use crate::metering::Metering;
use crate::metrics::{self, Collector};
use crate::netlink::Watch;
use crate::place::Place;
use crate::privilege::{self, Stage};
use crate::state;
use crate::state_watch::StateWatch;
use crate::watchdog::Watchdog;

/// Everything is read again after this time, should a notification have been lost.
const REREAD: Duration = Duration::from_secs(30);

/// Why the agent ends when the thread of the link did.
const LINK_ENDED: &str = "the link to the control plane broke off by a fault of the agent's, which is logged before; \
                          limits stay in force, start the agent again";

/// Why the agent ends when the thread of metering did.
const METERING_ENDED: &str = "metering broke off by a fault of the agent's, which is logged before; limits stay in \
                              force, start the agent again";

/// While no state is in force yet, it is tried again after this time.
const RETRY: Duration = Duration::from_secs(10);

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
    let mut ends = Ends::open()?;
    // From the start on, since a signal that nobody awaits ends the process.
    let mut hangup = signal(SignalKind::hangup())?;
    let (place, metering, link) = owner(place, &args.link)?;
    // Watches are open before the first reading, so no change is missed.
    let file_watch = StateWatch::open(&place.state_file)?;
    let mut node_watch = Watch::open()?;
    let begun = match &link {
        None => Life::begin(&place, None).await.map(Some).map_err(|refused| refused.reason)?,
        Some(link) => begin_controlled(&place, link, metering.as_ref(), &file_watch, &mut ends).await?,
    };
    let Some((mut life, refused)) = begun else { return Ok(()) };
    privilege::drop_to(Stage::Life).context("giving up capabilities")?;
    if let Some(listener) = listener {
        let known = life.node.programs.known().to_vec();
        let collector = Collector::new(place.clone(), known, Arc::clone(&life.rounds));
        tokio::spawn(metrics::serve(listener, Arc::new(collector)));
    }
    life.tell_ready();
    let mut said = None;
    tell(&place, link.as_ref(), &life, refused, &mut said);
    heap::give_back();

    let mut timer = tokio::time::interval(REREAD);
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer.reset();
    let mut watchdog = Watchdog::open();
    loop {
        tokio::select! {
            () = watchdog.sign() => continue,
            // Whoever asks wants to be told again.
            _ = hangup.recv() => said = said.map(|_| String::new()),
            _ = timer.tick() => {}
            () = file_watch.changed() => {}
            () = life.next_end() => {}
            changed = node_watch.changed() => changed?,
            () = ended(link.as_ref()) => anyhow::bail!(LINK_ENDED),
            () = metering_ended(metering.as_ref()) => anyhow::bail!(METERING_ENDED),
            () = ends.asked() => break,
        }
        let refused = life.step(&file_watch).await;
        tell(&place, link.as_ref(), &life, refused, &mut said);
        heap::give_back();
    }
    tracing::info!("stopping; limits stay in force");
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    if let Some(metering) = &metering {
        metering.settle().await;
    }
    Ok(())
}

/// Whose the state is from now on, with metering and the link where it is the control plane's.
fn owner(place: Place, args: &LinkArgs) -> anyhow::Result<(Place, Option<Metering>, Option<Link>)> {
    if let Some(endpoint) = &args.control {
        let place = place.controlled();
        let metering = Metering::start(&place).context("starting the thread of metering")?;
        let link = Link::start(&place, args, endpoint, &metering)?;
        return Ok((place, Some(metering), Some(link)));
    }
    if Record::give_back_to_file(&place).context("giving the node back to the state file")? {
        tracing::warn!("the bypass of this node ends: the state file says what passes from now on");
    }
    Ok((place, None, None))
}

/// Puts the first state of the control plane in force, or the one that is left from before, however long
/// that takes; none where the agent is asked to end.
async fn begin_controlled(
    place: &Place,
    link: &Link,
    metering: Option<&Metering>,
    file_watch: &StateWatch,
    ends: &mut Ends,
) -> anyhow::Result<Option<(Life, Option<Refused>)>> {
    let mut said = None;
    loop {
        let refused = match Life::begin(place, metering).await {
            Ok(begun) => {
                if place.has_received_nothing() {
                    tracing::info!(
                        control = link.control,
                        "nothing received yet; what was in force last stays"
                    );
                }
                return Ok(Some(begun));
            }
            Err(refused) => refused,
        };
        let status = format!("no state in force yet, waiting for one from {}", link.control);
        let why = if place.has_received_nothing() && !place.applied().exists() {
            if said.is_none() {
                tracing::info!("{status}");
            }
            said = said.or(Some(String::new()));
            Record::read(place).and_then(|record| record.problem).unwrap_or_default()
        } else {
            let why = refused.why();
            if said.as_ref() != Some(&why) {
                tracing::warn!("{status}: {why}");
            }
            said = Some(why.clone());
            why
        };
        let status = format!("{status}: {why}");
        let patience = u32::try_from((3 * RETRY).as_micros()).unwrap_or(u32::MAX);
        let status = NotifyState::Status(status.trim_end_matches(": "));
        let _ = sd_notify::notify(&[status, NotifyState::ExtendTimeoutUsec(patience)]);
        if let Some(origin) = refused.origin {
            link.tell_refused(origin, why);
        }
        tokio::select! {
            () = file_watch.changed() => {}
            () = tokio::time::sleep(RETRY) => {}
            () = link.ended() => anyhow::bail!(LINK_ENDED),
            () = metering_ended(metering) => anyhow::bail!(METERING_ENDED),
            () = ends.asked() => return Ok(None),
        }
    }
}

/// Tells whoever must know what is in force, and what is not; the log only what was not `said` to it last.
fn tell(
    place: &Place,
    link: Option<&Link>,
    life: &Life,
    refused: Option<Refused>,
    said: &mut Option<String>,
) {
    let sentence = refused.as_ref().map(Refused::sentence);
    if let Some(sentence) = &sentence {
        if said.as_ref() != Some(sentence) {
            tracing::error!("{sentence}");
        }
        state::note_refused(place, sentence);
        let _ = sd_notify::notify(&[NotifyState::Status(sentence)]);
    }
    if sentence.is_none() && said.is_some() {
        tracing::info!("nothing is refused any more");
        life.notify_ready();
    }
    *said = sentence;
    if let Some(link) = link {
        link.tell(life.in_force(refused));
    }
}

/// Waits until the link is gone; for ever where there is to be none.
async fn ended(link: Option<&Link>) {
    match link {
        Some(link) => link.ended().await,
        None => pending().await,
    }
}

/// Waits until the thread of metering is gone; for ever where there is to be none.
async fn metering_ended(metering: Option<&Metering>) {
    match metering {
        Some(metering) => metering.ended().await,
        None => pending().await,
    }
}

/// The signals that end the agent.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn open() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The socket for metrics, where there is to be one: a taken port is told before anything changes.
async fn listen(address: MetricsAddress) -> anyhow::Result<Option<TcpListener>> {
    let Some(address) = address.0 else { return Ok(None) };
    let listener = TcpListener::bind(address).await;
    Ok(Some(
        listener.with_context(|| format!("metrics on {address}; choose another with --metrics, or off"))?,
    ))
}
