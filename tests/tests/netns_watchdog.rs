//! The signs of life that the service manager waits for.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::{Duration, Instant};

use limiter_tests::agent::Agent;
use limiter_tests::topology::Topology;
use rustix::fs::{CWD, FileType, Mode, mknodat};

const STATE: &str = "version: 1\n";
const WATCHDOG: Duration = Duration::from_millis(200);

/// Signs that arrive within `time`.
fn signs(socket: &UnixDatagram, time: Duration) -> usize {
    let (start, mut signs, mut buffer) = (Instant::now(), 0, [0; 4096]);
    while start.elapsed() < time {
        match socket.recv(&mut buffer) {
            Ok(bytes) => signs += usize::from(buffer[..bytes].starts_with(b"WATCHDOG=1")),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => panic!("{error}"),
        }
    }
    signs
}

#[test]
fn signs_of_life_end_when_the_loop_hangs() {
    let topology = Topology::new(&[]);
    let mut agent = Agent::stopped(&topology.node, STATE);
    let socket = agent.launch_watched(Some(WATCHDOG));
    let time = 5 * WATCHDOG;
    let alive = signs(&socket, time);
    assert!((3..=11).contains(&alive), "{alive} signs in {time:?}");

    // The note of a refusal is written into a pipe that nobody reads, and the loop waits for a reader.
    let pipe = agent.records().join("refused.txt");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    agent.write_state("version: nonsense\n");
    signs(&socket, WATCHDOG);
    assert_eq!(signs(&socket, time), 0, "signs of life from a loop that hangs");

    let reason = fs::read_to_string(&pipe).expect("the note");
    assert!(reason.contains("version"), "{reason}");
    assert!(signs(&socket, time) > 0, "no sign of life from a loop that goes on");
}

#[test]
fn nobody_who_does_not_ask_gets_signs_of_life() {
    let topology = Topology::new(&[]);
    let mut agent = Agent::stopped(&topology.node, STATE);
    let socket = agent.launch_watched(None);
    assert_eq!(signs(&socket, 2 * WATCHDOG), 0);
}
