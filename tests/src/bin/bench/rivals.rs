//! What a path can be limited with. Every limit is far above the traffic, so that all is compared is cost.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use limiter_common::meter::{Direction, Owner};
use limiter_tests::agent::Agent;
use tempfile::NamedTempFile;

use crate::path::{Layout, Path, address, batch};

/// A way to limit every destination by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rival {
    Nothing,
    /// This program, policing.
    Limiter,
    /// One class a destination, found by two hash tables of u32.
    Htb,
    /// One qdisc a device.
    Tbf,
    /// One named limit a destination, found by a map.
    Nft,
}

impl Rival {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Limiter => "limiter",
            Self::Htb => "HTB, hashed u32",
            Self::Tbf => "TBF",
            Self::Nft => "nftables limit",
        }
    }

    /// Sets up the limits and returns the milliseconds that took, with the agent where there is one.
    pub(crate) fn set_up(self, path: &Path) -> anyhow::Result<(f64, Option<Agent<'_>>)> {
        let (node, start) = (&path.node, Instant::now());
        let mut agent = None;
        match self {
            Self::Nothing => {}
            Self::Limiter => agent = Some(Agent::start(node, &state(path))),
            Self::Htb => batch(node, "tc", &htb(path.instances))?,
            Self::Tbf => batch(node, "tc", &tbf(path.instances))?,
            Self::Nft => {
                let file = NamedTempFile::new()?;
                fs::write(file.path(), nft(path.instances))?;
                node.run(&format!("nft -f {}", file.path().display()));
            }
        }
        Ok((start.elapsed().as_secs_f64() * 1e3, agent))
    }

    /// Packets that went through the limits, where they are counted there.
    pub(crate) fn counted(self, path: &Path, agent: Option<&Agent<'_>>) -> Option<u64> {
        match self {
            Self::Limiter => agent.map(|agent| {
                let maps = agent.maps();
                let meters = maps.meters();
                let slots = (0..meters.slots()).filter(|&slot| meters.owner(slot).kind == Owner::INSTANCE);
                slots.map(|slot| meters.read(slot, Direction::Down).passed_packets).sum()
            }),
            Self::Htb => sent(&path.node.run("tc -s class show dev inst0 classid 1:1")),
            Self::Tbf => path.node.run("tc -s qdisc show").split("qdisc tbf").skip(1).map(sent).sum(),
            Self::Nothing | Self::Nft => None,
        }
    }
}

/// The packets in ` Sent 12 bytes 3 pkt`.
fn sent(text: &str) -> Option<u64> {
    text.split_once(" bytes ")?.1.split_whitespace().next()?.parse().ok()
}

fn state(path: &Path) -> String {
    let mut text = "version: 1\ninterfaces:\n".to_owned();
    match path.layout {
        Layout::Shared => text.push_str("  - match: inst0\n    mode: police\n"),
        Layout::Devices => {
            for number in 0..path.instances {
                let _ =
                    write!(text, "  - match: inst{number}\n    instance: net/i{number}\n    mode: police\n");
            }
        }
    }
    text.push_str(
        "networks:\n  - name: net\n    prefixes: [10.0.0.0/8]\n    up: 100Gbps\n    down: 100Gbps\n    \
         instances:\n",
    );
    for number in 0..path.instances {
        let _ = write!(
            text,
            "      - name: i{number}\n        addresses: [{}]\n        up: 10Gbps\n        down: 10Gbps\n",
            address(number)
        );
    }
    text
}

fn htb(instances: u32) -> String {
    let filter = "filter add dev inst0 parent 1: protocol ip prio 1";
    let mut text = format!(
        "qdisc add dev inst0 root handle 1: htb\n\
         class add dev inst0 parent 1: classid 1:1 htb rate 100gbit ceil 100gbit quantum 60000\n\
         {filter} u32\n{filter} handle 2: u32 divisor 256\n\
         {filter} u32 ht 800:: match ip dst 10.0.0.0/8 hashkey mask 0x0000ff00 at 16 link 2:\n"
    );
    for table in 0..instances.div_ceil(256) {
        let net = address(table * 256);
        let _ = write!(
            text,
            "{filter} handle {:x}: u32 divisor 256\n\
             {filter} u32 ht 2:{table:x}: match ip dst {net}/24 hashkey mask 0x000000ff at 16 link {:x}:\n",
            table + 16,
            table + 16
        );
    }
    for number in 0..instances {
        let _ = write!(
            text,
            "class add dev inst0 parent 1:1 classid 1:{:x} htb rate 10gbit ceil 10gbit quantum 60000\n\
             {filter} u32 ht {:x}:{:x}: match ip dst {}/32 flowid 1:{:x}\n",
            number + 16,
            number / 256 + 16,
            number % 256,
            address(number),
            number + 16
        );
    }
    text
}

fn tbf(instances: u32) -> String {
    let line = |number| format!("qdisc add dev inst{number} root tbf rate 10gbit burst 2mb limit 10mb\n");
    (0..instances).map(line).collect()
}

fn nft(instances: u32) -> String {
    let mut text = "table ip bench {\n".to_owned();
    for number in 0..instances {
        let _ = writeln!(text, "  limit i{number} {{ rate over 1250 mbytes/second burst 100 mbytes }}");
    }
    text.push_str("  map limits { type ipv4_addr : limit; elements = {\n");
    for number in 0..instances {
        let _ = writeln!(text, "    {} : \"i{number}\",", address(number));
    }
    text.push_str(
        "  } }\n  chain forward { type filter hook forward priority 0; limit name ip daddr map @limits drop; }\n}\n",
    );
    text
}
