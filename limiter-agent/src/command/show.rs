//! Values as text.

use std::net::{IpAddr, Ipv6Addr};

use limiter_common::key::{Address, AddressKey};
use serde::Serialize;

use super::table::{self, Column, table};
use crate::desired::{LimitSource, Rate};

/// A limit, or that there is none.
pub fn limit(bps: Option<u64>) -> String {
    match bps {
        None => "unlimited".into(),
        Some(bps) => Rate::new(bps).map_or_else(|_| format!("{bps}bps"), |rate| rate.to_string()),
    }
}

/// A measured rate, with three digits.
pub fn measured(bps: u64) -> String {
    scaled(bps, "bps")
}

/// A number of bytes, with three digits.
pub fn bytes(bytes: u64) -> String {
    scaled(bytes, "B")
}

fn scaled(value: u64, unit: &str) -> String {
    let (mut whole, mut rest, mut prefix) = (value, 0, "");
    for larger in ["k", "M", "G", "T", "P", "E"] {
        if whole < 1000 {
            break;
        }
        (whole, rest, prefix) = (whole / 1000, whole % 1000, larger);
    }
    match whole {
        _ if prefix.is_empty() => format!("{whole}{unit}"),
        0..10 => format!("{whole}.{:02}{prefix}{unit}", rest / 10),
        10..100 => format!("{whole}.{}{prefix}{unit}", rest / 100),
        _ => format!("{whole}{prefix}{unit}"),
    }
}

/// An error with its causes; many name theirs already, which is not said twice.
pub fn error(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).fold(String::new(), |text, cause| match text {
        text if text.is_empty() => cause,
        text if text.ends_with(&cause) => text,
        text => format!("{text}: {cause}"),
    })
}

/// Where a limit comes from.
pub fn source(source: &LimitSource) -> String {
    match source {
        LimitSource::None => "none".into(),
        LimitSource::Own => "own".into(),
        LimitSource::Rule(name) => format!("rule {name}"),
        LimitSource::DefaultRule(name) => format!("default rule {name}"),
        LimitSource::Plan(name) => format!("plan {name}"),
        LimitSource::Expired(Some(name)) => format!("plan {name} expired"),
        LimitSource::Expired(None) => "term expired".into(),
    }
}

/// The address of a key.
pub fn address(key: AddressKey) -> IpAddr {
    let [a, b, c, d] = key.address.map(u64::from);
    let octets = Address { high: a | b << 32, low: c | d << 32 }.octets();
    let v6 = Ipv6Addr::from(octets);
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

/// Prints a list, as a table or as JSON.
pub fn list<T: Serialize, const N: usize>(
    json: bool,
    items: &[T],
    columns: [Column; N],
    row: impl Fn(&T) -> [String; N],
) -> anyhow::Result<()> {
    let text = if json {
        serde_json::to_string_pretty(items)? + "\n"
    } else {
        let width = table::terminal().map(|(width, _)| width);
        table(columns, &items.iter().map(row).collect::<Vec<_>>(), width)
    };
    Ok(table::print(&text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_its_address_back() {
        for text in ["10.1.2.3", "fd00::1", "2001:db8:1:2:3:4:5:6"] {
            let ip: IpAddr = text.parse().expect("address");
            assert_eq!(address(AddressKey::new(7, crate::reconcile::cover::address(ip))), ip);
        }
    }

    #[test]
    fn a_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("map METERS: {source}")]
        struct Outer {
            source: std::io::Error,
        }
        let outer = Outer { source: std::io::Error::other("no such file") };
        let chain = anyhow::Error::new(outer).context("opening");
        assert_eq!(error(&chain), "opening: map METERS: no such file");
    }

    #[test]
    fn figures_have_three_digits() {
        for (value, text) in [
            (0, "0B"),
            (999, "999B"),
            (1000, "1.00kB"),
            (1_999, "1.99kB"),
            (12_345, "12.3kB"),
            (999_999, "999kB"),
            (4_980_000, "4.98MB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn limits_are_written_as_in_the_state_file() {
        let texts = [None, Some(5_000_000), Some(1)].map(limit);
        assert_eq!(texts, ["unlimited", "5Mbps", "1bps"]);
    }
}
