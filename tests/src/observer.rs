//! An independent count of what a device receives, by nftables, checked against the device's own.

use std::collections::BTreeMap;
use std::ops::Sub;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::netns::Namespace;

/// Packets and their IP bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets; to nftables a GSO buffer is one.
    pub packets: u64,
    /// IP bytes; to nftables a GSO buffer has the headers of one packet.
    pub bytes: u64,
}

/// Counts at the ingress of a device, before anything of the namespace has seen the packet. The device
/// must get every packet by itself: nothing before it may hand over GSO buffers, nor GRO make any.
#[derive(Debug)]
pub struct Observer<'a> {
    at: &'a Namespace,
    device: &'a str,
    /// What the device had counted before.
    before: Count,
}

/// Bytes of a MAC header, which the device counts and we do not.
const MAC_HEADER_BYTES: u64 = 14;
/// What the device has counted is behind the hook of nftables after this time.
const UNDER_WAY: Duration = Duration::from_millis(10);

impl<'a> Observer<'a> {
    /// Counts what `device` inside `at` receives from these addresses.
    pub fn start(at: &'a Namespace, device: &'a str, v4: &str, v6: &str) -> Self {
        at.run("nft add table netdev observer");
        let hook = format!("type filter hook ingress device {device} priority 0 ;");
        at.run(&format!("nft add chain netdev observer arrival {{ {hook} }}"));
        for (counter, packets) in [
            ("watched", format!("ip saddr {v4}")),
            ("watched", format!("ip6 saddr {v6}")),
            ("every", String::new()),
        ] {
            at.run(&format!("nft add counter netdev observer {counter}"));
            at.run(&format!("nft add rule netdev observer arrival {packets} counter name {counter}"));
        }
        let mut observer = Self { at, device, before: Count::default() };
        let (device, counters) = observer.read();
        observer.before = device - counters["every"];
        observer
    }

    /// What came from the addresses.
    ///
    /// # Panics
    /// Where nftables and the device do not agree on all that arrived.
    pub fn watched(&self) -> Count {
        let (device, counters) = self.read();
        assert_eq!(counters["every"], device - self.before, "nftables and {} disagree", self.device);
        counters["watched"]
    }

    /// The counts of the device and of nftables at a moment when nothing was between the two.
    fn read(&self) -> (Count, BTreeMap<String, Count>) {
        loop {
            let device = self.device();
            thread::sleep(UNDER_WAY);
            let counters = counters(self.at, "netdev observer");
            if device == self.device() {
                return (device, counters);
            }
        }
    }

    fn device(&self) -> Count {
        let links = json(&self.at.ip(&format!("-s -j link show dev {}", self.device)));
        let read = |field| links[0]["stats64"]["rx"][field].as_u64().expect("statistics of a device");
        let packets = read("packets");
        Count { packets, bytes: read("bytes") - MAC_HEADER_BYTES * packets }
    }
}

/// The named counters of a table of nftables inside `at`.
pub fn counters(at: &Namespace, table: &str) -> BTreeMap<String, Count> {
    let list = json(&at.run(&format!("nft -j list counters table {table}")));
    let objects = list["nftables"].as_array().expect("objects").iter();
    let counters = objects.map(|object| &object["counter"]).filter(|counter| counter.is_object());
    let read = |counter: &Value, field: &str| counter[field].as_u64().expect("a number");
    let named = counters.map(|counter| {
        let count = Count { packets: read(counter, "packets"), bytes: read(counter, "bytes") };
        (counter["name"].as_str().expect("a name").to_owned(), count)
    });
    named.collect()
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self { packets: self.packets - before.packets, bytes: self.bytes - before.bytes }
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
