//! Paced datagrams and a sink that counts them, in IP bytes.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::UdpGsoSegment;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::netns::Namespace;
use crate::series::Series;

/// What a sender offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Datagrams.
    pub packets: u64,
    /// IP bytes.
    pub bytes: u64,
    /// From before the first datagram to after the last.
    pub elapsed: Duration,
    /// Longest time without one: the sender had no CPU.
    pub longest_pause: Duration,
}

/// Bytes of IP and UDP header.
pub fn header_bytes(to: IpAddr) -> u64 {
    if to.is_ipv4() { 20 + 8 } else { 40 + 8 }
}

/// Sends datagrams of `packet_bytes` IP bytes at `rate_bps` for `duration`, from inside `from`.
pub fn send(from: &Namespace, to: SocketAddr, rate_bps: u64, packet_bytes: u64, duration: Duration) -> Sent {
    from.enter(|| {
        let socket = UdpSocket::bind(any(to.ip())).expect("socket");
        socket.connect(to).expect("connect");
        let payload = vec![0_u8; (packet_bytes - header_bytes(to.ip())) as usize];
        pace(rate_bps, packet_bytes, duration, || {
            // Refused with "connection refused" where nobody listens yet: offered all the same.
            let _ = socket.send(&payload);
        })
    })
}

/// Sends `count` buffers of `buffer_bytes` payload, which the kernel cuts into datagrams of
/// `segment_bytes` payload, the last one shorter: GSO where the device takes it.
pub fn send_buffers(
    from: &Namespace,
    to: SocketAddr,
    count: u64,
    buffer_bytes: usize,
    segment_bytes: u16,
) -> Sent {
    from.enter(|| {
        let socket = UdpSocket::bind(any(to.ip())).expect("socket");
        socket.connect(to).expect("connect");
        setsockopt(&socket, UdpGsoSegment, &i32::from(segment_bytes)).expect("UDP_SEGMENT");
        let payload = vec![0_u8; buffer_bytes];
        let start = Instant::now();
        for _ in 0..count {
            socket.send(&payload).expect("sent");
        }
        let packets = count * buffer_bytes.div_ceil(usize::from(segment_bytes)) as u64;
        let bytes = count * buffer_bytes as u64 + packets * header_bytes(to.ip());
        Sent { packets, bytes, elapsed: start.elapsed(), ..Sent::default() }
    })
}

/// Calls `send` for each packet that is due at `rate_bps` for `duration`.
pub(crate) fn pace(rate_bps: u64, packet_bytes: u64, duration: Duration, mut send: impl FnMut()) -> Sent {
    let gap = Duration::from_nanos(packet_bytes * 8 * 1_000_000_000 / rate_bps);
    let start = Instant::now();
    let mut due = start;
    let mut sent = Sent::default();
    while start.elapsed() < duration {
        let now = Instant::now();
        if now < due {
            // Short waits are spun: a sleep takes longer than a packet at high rates.
            if due - now > Duration::from_micros(200) {
                thread::sleep((due - now).saturating_sub(Duration::from_micros(100)));
            }
            continue;
        }
        due += gap;
        send();
        sent.packets += 1;
        sent.bytes += packet_bytes;
        let elapsed = start.elapsed();
        sent.longest_pause = sent.longest_pause.max(elapsed.saturating_sub(sent.elapsed));
        sent.elapsed = elapsed;
    }
    sent
}

/// Counts what arrives at a port until it is finished.
#[derive(Debug)]
pub struct Sink {
    stop: Arc<AtomicBool>,
    counter: JoinHandle<Series>,
}

impl Sink {
    /// Listens inside `at` on `address`.
    pub fn start(at: &Namespace, address: SocketAddr) -> Self {
        let socket =
            at.enter(|| UdpSocket::bind(address).unwrap_or_else(|error| panic!("{address}: {error}")));
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
        // What waits while the counter is not scheduled must not be lost at the sink.
        set_socket_recv_buffer_size_force(&socket, 16 << 20).expect("a large buffer needs root");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let counter = thread::spawn(move || {
            let mut series = Series::start();
            let mut buffer = vec![0; 65_536];
            while !stopped.load(Ordering::Relaxed) {
                if let Ok(bytes) = socket.recv(&mut buffer) {
                    series.add(bytes as u64 + header_bytes(address.ip()));
                }
            }
            series
        });
        Self { stop, counter }
    }

    /// Waits for what is under way and returns the count.
    pub fn finish(self) -> Series {
        thread::sleep(Duration::from_millis(300));
        self.stop.store(true, Ordering::Relaxed);
        self.counter.join().expect("sink")
    }
}

/// Sends single datagrams until one arrives, so that neighbours are known before a measurement.
///
/// # Panics
/// Where nothing arrives for ten seconds.
pub fn meet(from: &Namespace, at: &Namespace, to: SocketAddr) {
    for _ in 0..100 {
        let sink = Sink::start(at, to);
        send(from, to, 1_000_000, 120, Duration::from_millis(1));
        thread::sleep(Duration::from_millis(50));
        if sink.finish().packets() > 0 {
            return;
        }
    }
    panic!("nothing reaches {to} from {}", from.name());
}

/// The unspecified address of a family, any port.
pub(crate) fn any(like: IpAddr) -> SocketAddr {
    if like.is_ipv4() { SocketAddr::from(([0, 0, 0, 0], 0)) } else { SocketAddr::from(([0_u16; 8], 0)) }
}
