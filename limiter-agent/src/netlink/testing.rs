//! A network namespace of a test's own.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::Netlink;

/// A namespace that goes with this value; needs root and the program `ip` (iproute2).
pub(super) struct Namespace {
    name: String,
}

impl Namespace {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("netlink-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        command("ip", &["netns", "add", &name]);
        Self { name }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `ip` with these words in the namespace.
    pub(super) fn ip(&self, words: &str) -> String {
        let words: Vec<_> = ["-n", &self.name].into_iter().chain(words.split(' ')).collect();
        command("ip", &words)
    }

    /// Runs `tc` with these words in the namespace.
    pub(super) fn tc(&self, words: &str) -> String {
        let words: Vec<_> = ["-n", &self.name].into_iter().chain(words.split(' ')).collect();
        command("tc", &words)
    }

    pub(super) fn ifindex(&self, device: &str) -> u32 {
        let line = self.ip(&format!("-o link show dev {device}"));
        line.split(':').next().and_then(|number| number.parse().ok()).expect("a device number")
    }

    /// Runs `body` on a thread of its own in the namespace.
    pub(super) fn run<T: Send>(&self, body: impl AsyncFnOnce(&mut Netlink) -> T + Send) -> T {
        let enter = || {
            let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace");
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("enter it as root");
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { body(&mut Netlink::open().expect("a socket")).await })
        };
        std::thread::scope(|scope| match scope.spawn(enter).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.name]).status();
    }
}

fn command(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; install iproute2"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {}: {err}; needs root", words.join(" "));
    out.into_owned()
}
