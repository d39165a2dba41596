//! Round trips of single datagrams.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::netns::Namespace;

/// Round trips of a run of probes.
#[derive(Clone, Debug, Default)]
pub struct RoundTrips {
    /// Sorted.
    times: Vec<Duration>,
    /// Probes without an answer.
    pub lost: usize,
}

impl RoundTrips {
    /// The time that `share` of the answered probes did not exceed.
    pub fn percentile(&self, share: f64) -> Duration {
        let place = ((self.times.len() as f64 * share).ceil() as usize).saturating_sub(1);
        self.times.get(place).copied().unwrap_or(Duration::MAX)
    }
}

/// Sends `count` probes, one each `gap`, from inside `from` to an echo at `to` inside `at`.
pub fn probe(from: &Namespace, at: &Namespace, to: SocketAddr, count: usize, gap: Duration) -> RoundTrips {
    let echo = at.enter(|| UdpSocket::bind(to).unwrap_or_else(|error| panic!("{to}: {error}")));
    echo.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let echoing = thread::spawn(move || {
        let mut buffer = [0; 64];
        while !stopped.load(Ordering::Relaxed) {
            if let Ok((bytes, peer)) = echo.recv_from(&mut buffer) {
                let _ = echo.send_to(&buffer[..bytes], peer);
            }
        }
    });
    let trips = from.enter(|| {
        let local: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let socket = UdpSocket::bind(local).expect("socket");
        socket.connect(to).expect("connect");
        socket.set_read_timeout(Some(Duration::from_secs(2))).expect("timeout");
        let mut trips = RoundTrips::default();
        for number in 0..count as u64 {
            let start = Instant::now();
            let _ = socket.send(&number.to_be_bytes());
            let mut answer = [0; 8];
            // Answers of earlier probes that came late are passed over.
            let answered = loop {
                match socket.recv(&mut answer) {
                    Ok(8) if answer == number.to_be_bytes() => break true,
                    Ok(_) => {}
                    Err(_) => break false,
                }
            };
            if answered {
                trips.times.push(start.elapsed());
            } else {
                trips.lost += 1;
            }
            thread::sleep(gap.saturating_sub(start.elapsed()));
        }
        trips.times.sort_unstable();
        trips
    });
    stop.store(true, Ordering::Relaxed);
    echoing.join().expect("echo");
    trips
}
