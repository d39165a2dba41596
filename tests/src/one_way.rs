//! Datagrams that carry the moment they were sent, on many flows, with a delivery time of the sender's own.

use std::io::IoSlice;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::libc;
use nix::sys::socket::sockopt::TxTime;
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg, setsockopt};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::netns::Namespace;
use crate::series::Series;
use crate::udp::{Sent, any, header_bytes, pace};
use limiter_agent::clock::monotonic_ns;

/// What a sender sends.
#[derive(Clone, Copy, Debug)]
pub struct Stream {
    /// Where to.
    pub to: SocketAddr,
    /// Sockets, each with a port of its own, that take turns.
    pub flows: usize,
    /// IP bits a second of all flows together.
    pub rate_bps: u64,
    /// IP bytes of a datagram.
    pub packet_bytes: u64,
    /// How long.
    pub duration: Duration,
    /// The delivery time that the sender sets (`SO_TXTIME`), from the moment of sending.
    pub delivery_ns: Option<i64>,
}

/// Sends a stream from inside `from`.
pub fn send(from: &Namespace, stream: Stream) -> Sent {
    let Stream { to, flows, rate_bps, packet_bytes, duration, delivery_ns } = stream;
    from.enter(|| {
        let socket = |_| {
            let socket = UdpSocket::bind(any(to.ip())).expect("socket");
            socket.connect(to).expect("connect");
            if delivery_ns.is_some() {
                let clock = libc::sock_txtime { clockid: libc::CLOCK_MONOTONIC, flags: 0 };
                setsockopt(&socket, TxTime, &clock).expect("SO_TXTIME");
            }
            socket
        };
        let sockets: Vec<UdpSocket> = (0..flows).map(socket).collect();
        let mut turns = sockets.iter().cycle();
        let mut payload = vec![0_u8; (packet_bytes - header_bytes(to.ip())) as usize];
        pace(rate_bps, packet_bytes, duration, || {
            let socket = turns.next().expect("a flow");
            let sent_ns = monotonic_ns();
            payload[..8].copy_from_slice(&sent_ns.to_be_bytes());
            let delivery_ns = delivery_ns.map(|offset_ns| sent_ns.saturating_add_signed(offset_ns).max(1));
            let control: Vec<_> = delivery_ns.iter().map(ControlMessage::TxTime).collect();
            let data = [IoSlice::new(&payload)];
            sendmsg::<()>(socket.as_raw_fd(), &data, &control, MsgFlags::empty(), None).expect("send");
        })
    })
}

/// What arrived.
#[derive(Debug)]
pub struct Arrived {
    /// IP bytes over time.
    pub series: Series,
    /// Sorted.
    delays: Vec<Duration>,
}

impl Arrived {
    /// The delay that `share` of the datagrams did not exceed.
    pub fn delay(&self, share: f64) -> Duration {
        let place = ((self.delays.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.delays.get(place).copied().unwrap_or(Duration::MAX)
    }
}

/// Takes what arrives at a port until it is finished.
#[derive(Debug)]
pub struct Sink {
    stop: Arc<AtomicBool>,
    taker: JoinHandle<Arrived>,
}

impl Sink {
    /// Listens inside `at` on `address`.
    pub fn start(at: &Namespace, address: SocketAddr) -> Self {
        let socket =
            at.enter(|| UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}")));
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
        // What waits while the taker is not scheduled must not be lost at the sink.
        set_socket_recv_buffer_size_force(&socket, 16 << 20).expect("a large buffer needs root");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let taker = thread::spawn(move || {
            let mut arrived = Arrived { series: Series::start(), delays: Vec::new() };
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                let Ok(bytes) = socket.recv(&mut buffer) else { continue };
                arrived.series.add(bytes as u64 + header_bytes(address.ip()));
                let sent_ns = u64::from_be_bytes(buffer[..8].try_into().expect("eight bytes"));
                arrived.delays.push(Duration::from_nanos(monotonic_ns().saturating_sub(sent_ns)));
            }
            arrived.delays.sort_unstable();
            arrived
        });
        Self { stop, taker }
    }

    /// Waits for what is under way, at most `longest`, and returns what arrived.
    pub fn finish_after(self, longest: Duration) -> Arrived {
        thread::sleep(longest);
        self.stop.store(true, Ordering::Relaxed);
        self.taker.join().expect("sink")
    }
}
