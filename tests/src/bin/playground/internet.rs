//! What the Internet host sees: who its packets are from.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use limiter_tests::netns::Namespace;
use limiter_tests::series::Series;
use rustix::net::sockopt::{Timeout, set_socket_recv_buffer_size_force, set_socket_timeout};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketType, ipproto, recv, socket};

/// What was measured, from when to when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// The host, which notes the source of each packet of TCP and UDP that reaches it.
pub(crate) struct Internet {
    heard: Arc<Heard>,
    threads: Vec<JoinHandle<()>>,
}

struct Heard {
    /// Nothing yet; each source's bytes begin with it.
    start: Series,
    sources: Mutex<BTreeMap<Ipv4Addr, Series>>,
    stop: AtomicBool,
}

/// IP bytes that are read of a packet: the header without options.
const HEADER_BYTES: usize = 20;

/// What arrived at a moment is noted after this time, also on a busy machine.
const NOTED: Duration = Duration::from_millis(50);

/// A source that sends less is not shown: it answers.
const SHOWN_BPS: f64 = 5_000.0;

impl Internet {
    /// Begins to listen.
    pub(crate) fn start(host: &Namespace) -> Self {
        let (start, sources) = (Series::start(), Mutex::default());
        let heard = Arc::new(Heard { start, sources, stop: AtomicBool::new(false) });
        let listen = |protocol| {
            let (socket, heard) = (host.enter(|| ear(protocol)), Arc::clone(&heard));
            thread::spawn(move || heard.listen(&socket))
        };
        let threads = [ipproto::TCP, ipproto::UDP].map(listen).into();
        Self { heard, threads }
    }

    /// IP bytes that came from `source`, bits a second.
    pub(crate) fn rate_bps(&self, source: Ipv4Addr, span: Span) -> f64 {
        self.heard.sources().get(&source).map_or(0.0, |series| series.rate_bps(span.from, span.to))
    }

    /// Says that nothing has come from `source` since an answer of the control plane.
    ///
    /// # Panics
    /// Where something has.
    pub(crate) fn is_silent(&self, source: Ipv4Addr, since: Instant) {
        let span = Span { from: since + NOTED, to: Instant::now() };
        let bps = self.rate_bps(source, span);
        assert!(bps == 0.0, "{bps} bit/s still came from {source}");
        println!("   since the answer no packet came from {source}");
    }

    /// Each source with its rate in Mbps; empty where nothing came.
    pub(crate) fn line(&self, span: Span) -> String {
        let sources = self.heard.sources();
        let rates = sources.iter().map(|(source, series)| (source, series.rate_bps(span.from, span.to)));
        let shown = rates.filter(|(_, bps)| *bps >= SHOWN_BPS);
        let shown: Vec<_> = shown.map(|(source, bps)| format!("{source} {:.2}", bps / 1e6)).collect();
        if shown.is_empty() { String::new() } else { format!("from {}", shown.join(", ")) }
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        self.heard.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Heard {
    fn listen(&self, socket: &OwnedFd) {
        let mut header = [0; HEADER_BYTES];
        while !self.stop.load(Ordering::Relaxed) {
            let read = recv(socket, &mut header[..], RecvFlags::TRUNC);
            let Ok((HEADER_BYTES, bytes)) = read else { continue };
            let source = Ipv4Addr::new(header[12], header[13], header[14], header[15]);
            let mut sources = self.sources();
            sources.entry(source).or_insert_with(|| self.start.clone()).add(bytes as u64);
        }
    }

    fn sources(&self) -> MutexGuard<'_, BTreeMap<Ipv4Addr, Series>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A socket that gets a copy of each packet of a protocol, with its IP header.
fn ear(protocol: Protocol) -> OwnedFd {
    let socket = socket(AddressFamily::INET, SocketType::RAW, Some(protocol)).expect("needs root");
    set_socket_timeout(&socket, Timeout::Recv, Some(Duration::from_millis(20))).expect("timeout");
    set_socket_recv_buffer_size_force(&socket, 16 << 20).expect("a large buffer needs root");
    socket
}
