//! An Internet host that tells everybody who they seem to be, and remembers whom it saw when.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::netns::Namespace;

/// A packet that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Whom it seems to be from.
    pub from: SocketAddr,
    /// With its headers.
    pub bytes: u64,
}

/// The host's server.
#[derive(Debug)]
pub struct Mirror {
    seen: Arc<Mutex<Vec<Seen>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Headers of a UDP packet over IPv4.
const HEADER_BYTES: u64 = 28;

impl Mirror {
    /// Starts to answer at `address`.
    pub fn start(at: &Namespace, address: SocketAddr) -> Self {
        let socket = at.enter(|| UdpSocket::bind(address).expect("the mirror's port is free"));
        socket.set_read_timeout(Some(Duration::from_millis(20))).expect("timeout");
        set_socket_recv_buffer_size_force(&socket, 16 << 20).expect("a large buffer needs root");
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (seen_there, stopped) = (Arc::clone(&seen), Arc::clone(&stop));
        let thread = thread::spawn(move || {
            let mut buffer = [0; 2048];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((bytes, from)) = socket.recv_from(&mut buffer) else { continue };
                lock(&seen_there).push(Seen { at: Instant::now(), from, bytes: bytes as u64 + HEADER_BYTES });
                let _ = socket.send_to(from.to_string().as_bytes(), from);
            }
        });
        Self { seen, stop, thread: Some(thread) }
    }

    /// What arrived so far.
    pub fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(seen: &Mutex<Vec<Seen>>) -> MutexGuard<'_, Vec<Seen>> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Who `from` seems to be to the mirror at `to`; none where no answer comes back.
pub fn who_am_i(from: &Namespace, to: SocketAddr) -> Option<IpAddr> {
    from.enter(|| {
        let local: SocketAddr = if to.is_ipv4() { ([0; 4], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(local).expect("socket");
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("timeout");
        for _ in 0..4 {
            let _ = socket.send_to(b"who am I", to);
            let mut answer = [0; 64];
            if let Ok((bytes, _)) = socket.recv_from(&mut answer) {
                let text = String::from_utf8_lossy(&answer[..bytes]).into_owned();
                return text.parse().ok().map(|seen: SocketAddr| seen.ip());
            }
        }
        None
    })
}
