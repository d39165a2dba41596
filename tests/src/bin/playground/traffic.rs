//! Real traffic between instances and the Internet host, counted where it arrives.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use limiter_tests::netns::Namespace;
use limiter_tests::series::Series;
use limiter_tests::tcp::Flows;
use limiter_tests::topology::{Topology, host_address};
use limiter_tests::udp::{Sink, meet, send};

use crate::internet::Span;
use crate::world::World;

/// Time that a scene is watched, after its first second.
pub(crate) const WATCHED: Duration = Duration::from_secs(5);
/// What is sent before it does not count: the burst, and TCP finding its rate.
pub(crate) const SETTLED: Duration = Duration::from_secs(1);

/// An instance: its network and its place there.
pub(crate) type Place = (usize, usize);
pub(crate) const RED_A: Place = (0, 0);
pub(crate) const RED_B: Place = (0, 1);
pub(crate) const BLUE_A: Place = (1, 0);

/// Datagrams at a steady rate.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// From an instance to the Internet.
    Up(Place, u64),
    /// From the Internet to an instance.
    Down(Place, u64),
}

impl Stream {
    /// Who sends, who receives, where to, how much.
    fn ends(self, topology: &Topology, port: u16) -> (&Namespace, &Namespace, SocketAddr, u64) {
        match self {
            Self::Up((network, place), offered_bps) => {
                let from = &topology.instance(network, place).namespace;
                (from, &topology.host, SocketAddr::new(host_address(false), port), offered_bps)
            }
            Self::Down((network, place), offered_bps) => {
                let to = topology.instance(network, place);
                (&topology.host, &to.namespace, SocketAddr::new(to.address(false), port), offered_bps)
            }
        }
    }
}

/// Offers all `streams` while `during` goes on; gives what arrived of each, and what `during` gave.
pub(crate) fn offer<'a, T>(
    world: &mut World<'a>,
    streams: &[Stream],
    during: impl FnOnce(&mut World<'a>) -> T,
) -> (Vec<Series>, T) {
    let topology = world.topology;
    let ends: Vec<_> = (9000..).zip(streams).map(|(port, stream)| stream.ends(topology, port)).collect();
    for &(from, at, to, _) in &ends {
        meet(from, at, to);
    }
    let sinks: Vec<_> = ends.iter().map(|&(_, at, to, _)| Sink::start(at, to)).collect();
    let over = AtomicBool::new(false);
    let given = thread::scope(|scope| {
        for &(from, _, to, offered_bps) in &ends {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    send(from, to, offered_bps, 1400, Duration::from_millis(500));
                }
            });
        }
        let given = during(world);
        over.store(true, Ordering::Relaxed);
        given
    });
    (sinks.into_iter().map(Sink::finish).collect(), given)
}

/// The rate of each stream after the first second.
pub(crate) fn rates<const N: usize>(world: &mut World<'_>, streams: [Stream; N]) -> [f64; N] {
    let (arrived, span) = offer(world, &streams, |world| settled(world));
    std::array::from_fn(|place| arrived[place].rate_bps(span.from, span.to))
}

/// Watches until what changed last has settled, and then the time that counts.
pub(crate) fn settled(world: &World<'_>) -> Span {
    world.watch(SETTLED.as_secs());
    world.watch(WATCHED.as_secs())
}

/// Eight downloads of an instance.
pub(crate) fn downloads(topology: &Topology, (network, place): Place) -> Flows {
    let to = topology.instance(network, place);
    Flows::fetch(&to.namespace, &topology.host, SocketAddr::new(host_address(false), 9100), 8)
}
