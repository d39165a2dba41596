//! Parallel TCP flows, counted where they arrive, in payload bytes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::netns::Namespace;
use crate::series::Series;

/// Flows under way.
#[derive(Debug)]
pub struct Flows {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Result<(), String>>>,
    receivers: Vec<JoinHandle<Series>>,
}

/// What came of the flows.
#[derive(Debug)]
pub struct Arrived {
    /// Payload bytes of all flows over time.
    pub payload: Series,
    /// Connections that broke before they were told to end, each with the reason.
    pub broken: Vec<String>,
}

impl Flows {
    /// Opens `count` connections to `at`, which listens inside `receiver`, and sends on all of them
    /// from inside `sender` until [`Self::finish`].
    pub fn start(sender: &Namespace, receiver: &Namespace, at: SocketAddr, count: usize) -> Self {
        Self::open(sender, receiver, at, count, |client, server| (client, server))
    }

    /// As [`Self::start`], but the receiver opens the connections, to `at`, where the sender listens: so a client
    /// downloads, also from behind address translation.
    pub fn fetch(receiver: &Namespace, sender: &Namespace, at: SocketAddr, count: usize) -> Self {
        Self::open(receiver, sender, at, count, |client, server| (server, client))
    }

    /// Connects from inside `client` to `at` inside `server`; `ends` says which end sends, the first, and which
    /// receives. Each flow begins before the next one connects: those that begin at once lose packets at once.
    fn open(
        client: &Namespace,
        server: &Namespace,
        at: SocketAddr,
        count: usize,
        ends: fn(TcpStream, TcpStream) -> (TcpStream, TcpStream),
    ) -> Self {
        let listener = server.enter(|| TcpListener::bind(at).unwrap_or_else(|error| panic!("{at}: {error}")));
        let stop = Arc::new(AtomicBool::new(false));
        let mut flows = Self { stop: Arc::clone(&stop), senders: Vec::new(), receivers: Vec::new() };
        for _ in 0..count {
            let stream = client.enter(|| TcpStream::connect_timeout(&at, Duration::from_secs(10)));
            let stream = stream.unwrap_or_else(|error| panic!("connecting to {at}: {error}"));
            let (accepted, _) = listener.accept().expect("accept");
            let (sends, receives) = ends(stream, accepted);
            let stopped = Arc::clone(&stop);
            flows.senders.push(thread::spawn(move || push(sends, &stopped)));
            flows.receivers.push(thread::spawn(move || drain(receives)));
        }
        flows
    }

    /// Lets them run for `duration`, then ends them.
    pub fn finish_after(self, duration: Duration) -> Arrived {
        thread::sleep(duration);
        self.finish()
    }

    /// Ends the flows and counts.
    pub fn finish(self) -> Arrived {
        self.stop.store(true, Ordering::Relaxed);
        let broken =
            self.senders.into_iter().filter_map(|sender| sender.join().expect("sender").err()).collect();
        let mut payload: Option<Series> = None;
        for receiver in self.receivers {
            let series = receiver.join().expect("receiver");
            match &mut payload {
                Some(sum) => sum.merge(&series),
                None => payload = Some(series),
            }
        }
        Arrived { payload: payload.expect("at least one flow"), broken }
    }
}

/// Carries `bytes` over one connection from inside `sender` to `at` inside `receiver`, both ends closed.
///
/// # Panics
/// Where not all of it arrives.
pub fn carry(sender: &Namespace, receiver: &Namespace, at: SocketAddr, bytes: usize) {
    let listener = receiver.enter(|| TcpListener::bind(at).unwrap_or_else(|error| panic!("{at}: {error}")));
    let connected = sender.enter(|| TcpStream::connect_timeout(&at, Duration::from_secs(10)));
    let mut stream = connected.unwrap_or_else(|error| panic!("connecting to {at}: {error}"));
    let (accepted, _) = listener.accept().expect("accept");
    let arrival = thread::spawn(move || drain(accepted).bytes());
    stream.write_all(&vec![0; bytes]).expect("sent");
    stream.shutdown(Shutdown::Write).expect("end of sending");
    // The other side closes when it has everything.
    assert_eq!(stream.read(&mut [0]).expect("the other end"), 0);
    assert_eq!(arrival.join().expect("receiver"), bytes as u64);
}

/// Sends until stopped. A stalled flow is seen by the time limit of a write.
fn push(mut stream: TcpStream, stop: &AtomicBool) -> Result<(), String> {
    stream.set_write_timeout(Some(Duration::from_millis(200))).expect("timeout");
    let block = vec![0_u8; 64 << 10];
    let mut moved = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match stream.write(&block) {
            Ok(_) => moved = Instant::now(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if moved.elapsed() > Duration::from_secs(20) {
                    return Err("nothing moved for 20 s".into());
                }
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok(())
}

/// Reads until the sender is gone or silent for long.
fn drain(mut stream: TcpStream) -> Series {
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("timeout");
    let mut series = Series::start();
    let mut block = vec![0_u8; 256 << 10];
    loop {
        match stream.read(&mut block) {
            Ok(0) | Err(_) => return series,
            Ok(bytes) => series.add(bytes as u64),
        }
    }
}
