//! Numbered datagrams, of which not one may be missing.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size_force;

use crate::netns::Namespace;

/// A stream of numbers under way.
#[derive(Debug)]
pub struct Sequence {
    is_done: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
    receiver: JoinHandle<Vec<u64>>,
}

/// Whatever is under way arrives within this time.
const UNDER_WAY: Duration = Duration::from_millis(300);

impl Sequence {
    /// Sends a number each `gap`, or somewhat later, from inside `from` to `to` inside `at`.
    pub fn start(from: &Namespace, at: &Namespace, to: SocketAddr, gap: Duration) -> Self {
        let inbox = at.enter(|| UdpSocket::bind(to)).unwrap_or_else(|error| panic!("{to}: {error}"));
        inbox.set_read_timeout(Some(UNDER_WAY)).expect("timeout");
        set_socket_recv_buffer_size_force(&inbox, 16 << 20).expect("a large buffer needs root");
        let any: SocketAddr = if to.is_ipv4() { ([0, 0, 0, 0], 0).into() } else { ([0_u16; 8], 0).into() };
        let outbox = from.enter(|| UdpSocket::bind(any)).expect("socket");
        outbox.connect(to).expect("connect");
        let is_done = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&is_done);
        let sender = thread::spawn(move || {
            let mut number = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                outbox.send(&number.to_be_bytes()).expect("sent");
                number += 1;
                thread::sleep(gap);
            }
            number
        });
        let stop = Arc::clone(&is_done);
        let receiver = thread::spawn(move || {
            let (mut numbers, mut bytes) = (Vec::new(), [0; 8]);
            loop {
                match inbox.recv(&mut bytes) {
                    Ok(_) => numbers.push(u64::from_be_bytes(bytes)),
                    Err(_) if stop.load(Ordering::Relaxed) => return numbers,
                    Err(_) => {}
                }
            }
        });
        Self { is_done, sender, receiver }
    }

    /// Ends the stream; returns how many were sent.
    ///
    /// # Panics
    /// Where not every number arrived, once and in order.
    pub fn finish(self) -> u64 {
        self.is_done.store(true, Ordering::Relaxed);
        let sent = self.sender.join().expect("sender");
        let arrived = self.receiver.join().expect("receiver");
        let wrong = (0..).zip(&arrived).find(|(expected, number)| expected != *number);
        assert_eq!(
            (wrong, arrived.len() as u64),
            (None, sent),
            "numbers are missing, doubled or out of order"
        );
        sent
    }
}
