//! What a node shows of itself: compared before and after, it tells what was left behind.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::netns::Namespace;

/// Links, addresses, qdiscs, filters, nftables and sysctls of a node, a line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    lines: Vec<String>,
}

/// What a carrier brings along is there within a second, on a busy machine within some.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sysctls that a namespace shows and the whole machine changes: they follow modules that others load, or
/// count what others do.
const OF_THE_MACHINE: [&str; 6] = [
    "net.bridge.",
    "net.ipv4.tcp_allowed_congestion_control",
    "net.ipv4.tcp_available_",
    "net.mptcp.available_",
    "net.netfilter.nf_conntrack_",
    "net.netfilter.nf_log.",
];

impl Trace {
    /// What the node shows once its devices have come to rest.
    ///
    /// A carrier is told late, and with it a device gets its queue, its flags and its link-local address.
    ///
    /// # Panics
    /// Where they do not come to rest.
    pub fn settled(node: &Namespace) -> Self {
        let start = Instant::now();
        let mut last = Self::now(node);
        loop {
            let now = Self::now(node);
            let waiting: Vec<_> = now.lines.iter().filter(|line| is_unsettled(line)).collect();
            if waiting.is_empty() && now == last {
                return now;
            }
            assert!(start.elapsed() < PATIENCE, "devices do not come to rest: {waiting:#?}");
            last = now;
        }
    }

    /// What the node shows at this moment.
    pub fn now(node: &Namespace) -> Self {
        let links = node.run("ip -d -o link");
        let mut trace = Self { lines: Vec::new() };
        trace.extend("link", &links);
        trace.extend("address", &node.run("ip -o addr"));
        trace.extend("qdisc", &node.run("tc -d qdisc"));
        for device in links.lines().filter_map(device) {
            for hook in ["ingress", "egress"] {
                let filters = node.run(&format!("tc filter show dev {device} {hook}"));
                trace.extend(&format!("filter of {device}"), &filters);
            }
        }
        trace.extend("nftables", &node.run("nft list ruleset"));
        let sysctls = node.run("sysctl -a --pattern ^net");
        let of_the_node = |line: &&str| !OF_THE_MACHINE.iter().any(|prefix| line.starts_with(prefix));
        trace.lines.extend(sysctls.lines().filter(of_the_node).map(|line| format!("sysctl {line}")));
        trace
    }

    /// Lines that only one of both has: `-` the earlier one, `+` the later one.
    pub fn changes(&self, later: &Self) -> Vec<String> {
        let only = |sign: char, here: &Self, there: &Self| {
            let mut count: HashMap<&str, u32> = HashMap::new();
            for line in &there.lines {
                *count.entry(line).or_default() += 1;
            }
            let is_new = |line: &&String| match count.get_mut(line.as_str()) {
                Some(left) if *left > 0 => {
                    *left -= 1;
                    false
                }
                _ => true,
            };
            here.lines.iter().filter(is_new).map(|line| format!("{sign} {line}")).collect::<Vec<_>>()
        };
        [only('-', self, later), only('+', later, self)].concat()
    }

    /// Changes that stay: what a device does late comes to an end by itself, what was left behind does not.
    pub fn lasting_changes(&self, node: &Namespace) -> Vec<String> {
        let start = Instant::now();
        loop {
            let changes = self.changes(&Self::now(node));
            if changes.is_empty() || start.elapsed() > PATIENCE {
                return changes;
            }
        }
    }

    fn extend(&mut self, what: &str, text: &str) {
        self.lines.extend(text.lines().map(|line| format!("{what} {}", line.trim_end())));
    }
}

/// The name in a line of `ip -o link`.
fn device(line: &str) -> Option<&str> {
    line.split_whitespace().nth(1)?.split(['@', ':']).next()
}

/// True for a device that is up and has no carrier yet, and for an address that may still be refused.
fn is_unsettled(line: &str) -> bool {
    let words = || line.split([' ', ',', '<', '>']);
    let has = |word| words().any(|found| found == word);
    match words().next() {
        Some("link") => has("UP") && !has("LOOPBACK") && (!has("LOWER_UP") || has("noop") || has("DOWN")),
        Some("address") => has("tentative"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(lines: &[&str]) -> Trace {
        Trace { lines: lines.iter().map(|&line| line.to_owned()).collect() }
    }

    #[test]
    fn only_changed_lines_are_told() {
        let before = trace(&["link a", "qdisc noqueue", "qdisc noqueue", "sysctl x = 1"]);
        let after = trace(&["link a", "qdisc noqueue", "qdisc fq", "sysctl x = 1"]);
        assert_eq!(before.changes(&after), ["- qdisc noqueue", "+ qdisc fq"]);
        assert_eq!(before.changes(&before), [""; 0]);
    }

    #[test]
    fn a_device_is_settled_with_its_carrier() {
        let up = "link 2: uplink@if2: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc noqueue state UP mode";
        assert!(!is_unsettled(up));
        assert!(is_unsettled(&up.replace("UP,LOWER_UP", "NO-CARRIER,UP")));
        assert!(is_unsettled(&up.replace("noqueue", "noop")));
        assert!(is_unsettled(&up.replace("state UP", "state DOWN")));
        assert!(!is_unsettled("link 1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue state UNKNOWN"));
        assert!(!is_unsettled("link 3: spare: <BROADCAST,MULTICAST> mtu 1500 qdisc noop state DOWN"));
        assert!(is_unsettled("address 2: eth0 inet6 fe80::1/64 scope link tentative"));
    }
}
