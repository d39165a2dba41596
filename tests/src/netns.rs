//! Network namespaces of a test, gone with it.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// A named network namespace.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace with the loopback device up; `label` tells namespaces of a test apart.
    ///
    /// # Panics
    /// Without the right to: needs root and iproute2.
    pub fn new(label: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lt{}-{number}-{label}", std::process::id());
        must(Command::new("ip").args(["netns", "add", &name]));
        let namespace = Self { name };
        namespace.ip("link set lo up");
        namespace
    }

    /// Its name, for `ip netns` and `ip link ... netns`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` on a thread inside the namespace. Only the network changes, not /sys.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                self.join();
                work()
            });
            inside.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn join(&self) {
        let path = format!("/run/netns/{}", self.name);
        let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .unwrap_or_else(|error| panic!("entering {path}: {error}; run the tests as root"));
    }

    /// Runs `ip` in the namespace with these words.
    pub fn ip(&self, words: &str) -> String {
        must(Command::new("ip").args(["-n", &self.name]).args(words.split_whitespace()))
    }

    /// Index of a device.
    pub fn ifindex(&self, device: &str) -> u32 {
        let links = self.ip(&format!("-o link show {device}"));
        links.split(':').next().and_then(|text| text.trim().parse().ok()).expect("an index")
    }

    /// Runs a command line in the namespace and returns what it printed.
    ///
    /// # Panics
    /// Where it fails, with its output.
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().expect("a command"));
        command.args(words);
        self.enter(move || must(&mut command))
    }

    /// Starts a command in the namespace.
    pub fn spawn(&self, mut command: Command) -> Child {
        self.enter(move || {
            let program = command.get_program().display().to_string();
            command.spawn().unwrap_or_else(|error| panic!("{program}: {error}"))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

/// Runs a command that must succeed.
fn must(command: &mut Command) -> String {
    let line = format!("{command:?}");
    let output = command.output().unwrap_or_else(|error| panic!("{line}: {error}; run `cargo xtask setup`"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {}\n{text}{errors}\nthe tests need root", output.status);
    text
}
