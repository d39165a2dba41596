//! What the verbs share: tables, values as text, changes of the state file.

use std::net::{IpAddr, Ipv6Addr};

use clap::Args;
use limiter_common::key::{Address, AddressKey};
use rustix::time::{ClockId, clock_gettime};

use crate::desired::edit::EditError;
use crate::desired::{self, LimitSource, NodeState, Rate};
use crate::place::Place;

/// How a change of the state file is written.
#[derive(Args, Clone, Copy, Debug)]
pub struct WriteArgs {
    /// Allow that comments inside the file are lost where it has to be rewritten.
    #[arg(long)]
    drop_comments: bool,
}

impl WriteArgs {
    /// Puts what `edit` makes of the state into the state file.
    pub fn update(
        self,
        place: &Place,
        edit: impl FnOnce(NodeState) -> Result<NodeState, EditError>,
    ) -> anyhow::Result<()> {
        desired::update(&place.state_file, self.drop_comments, edit)?;
        let running = place.is_locked();
        let when = if running {
            "the agent puts it in force now"
        } else {
            "no agent runs: it will hold when one starts"
        };
        println!("{} changed; {when}.", place.state_file.display());
        Ok(())
    }
}

/// A rate, or that there is none.
pub fn rate(rate: Option<Rate>) -> String {
    rate.map_or_else(|| "unlimited".into(), |rate| rate.to_string())
}

/// Where a limit comes from.
pub fn source(source: &LimitSource) -> String {
    match source {
        LimitSource::None => "-".into(),
        LimitSource::Own => "own".into(),
        LimitSource::Rule(name) => format!("rule {name}"),
        LimitSource::DefaultRule(name) => format!("default rule {name}"),
    }
}

/// The address of a key.
pub fn address(key: AddressKey) -> IpAddr {
    let [a, b, c, d] = key.address.map(u64::from);
    let octets = Address { high: a | b << 32, low: c | d << 32 }.octets();
    let v6 = Ipv6Addr::from(octets);
    v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4)
}

/// The clock of the kernel program, nanoseconds.
pub fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Prints rows under their heads, or as JSON objects with the heads as names.
pub fn list<const N: usize>(
    json: bool,
    heads: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> anyhow::Result<()> {
    if json {
        let objects: Vec<serde_json::Value> = rows
            .map(|row| {
                heads
                    .iter()
                    .map(|head| head.replace(' ', "_"))
                    .zip(row.map(serde_json::Value::from))
                    .collect()
            })
            .collect();
        println!("{}", serde_json::to_string_pretty(&objects)?);
    } else {
        print!("{}", table(heads, &rows.collect::<Vec<_>>()));
    }
    Ok(())
}

/// Columns as wide as their widest cell, two spaces apart.
pub fn table<const N: usize>(heads: [&str; N], rows: &[[String; N]]) -> String {
    let heads = heads.map(str::to_uppercase);
    let width = |column: usize| {
        let cells = rows.iter().chain([&heads]).map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let mut text = String::new();
    for row in [&heads].into_iter().chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["office/web".to_owned(), "2Mbps".to_owned()], ["b".to_owned(), "unlimited".to_owned()]];
        assert_eq!(
            table(["instance", "up"], &rows),
            "INSTANCE    UP\noffice/web  2Mbps\nb           unlimited\n"
        );
    }

    #[test]
    fn a_key_gives_its_address_back() {
        for text in ["10.1.2.3", "fd00::1", "2001:db8:1:2:3:4:5:6"] {
            let ip: IpAddr = text.parse().expect("address");
            assert_eq!(address(AddressKey::new(7, crate::reconcile::cover::address(ip))), ip);
        }
    }
}
