//! What the devices show: other programs at our hooks, and paths that no hook of ours sees.

use std::collections::BTreeMap;
use std::path::Path;

use limiter_common::meter::Direction;

use super::Finding;
use crate::command::around;
use crate::dataplane::attach;
use crate::desired::Desired;
use crate::netlink::{Filter, Link, Netlink};
use crate::reconcile::interfaces::{matched, uplinks};
use crate::reconcile::observed::Observed;

/// Devices named in one finding before the rest is only counted.
const NAMED_MAX: usize = 5;

const SYS: &str = "/sys/class/net";

/// Everything that is worth a word about the interfaces of `state` and its uplinks.
pub(super) async fn findings(
    state: &Desired,
    observed: &Observed,
    netlink: &mut Netlink,
) -> anyhow::Result<Vec<Finding>> {
    let ours = match matched(state, observed) {
        Ok(ours) => ours,
        Err(error) => {
            return Ok(vec![Finding::warning("interfaces", error.to_string(), "change the state file")]);
        }
    };
    let uplinks = uplinks(state, observed)?;
    let has_tcx = attach::has_tcx();
    let mut concerns = Concerns::default();
    for link in &observed.links {
        let (is_ours, is_uplink) = (ours.contains_key(&link.ifindex), uplinks.contains(&link.ifindex));
        if !is_ours && !is_uplink {
            continue;
        }
        for (note, remedy) in around::of_hardware(Path::new(SYS), &link.name) {
            concerns.add("around", &note, remedy, &link.name);
        }
        if is_ours {
            concerns.of_kind(link);
            for direction in Direction::ALL {
                concerns.neighbours(
                    &neighbours(observed, link, direction, has_tcx, netlink).await?,
                    direction,
                    link,
                );
            }
        } else if has_programs(link, netlink, has_tcx).await? {
            concerns.add(
                "around",
                "a program at the ingress of an uplink may hand packets to instances behind our hooks (redirect_peer)",
                "let it pass packets to the stack for limited instances (Cilium: bpf.hostLegacyRouting=true)",
                &link.name,
            );
        }
    }
    let mut findings = vec![counted(ours.len(), uplinks.len())];
    findings.extend(concerns.findings());
    Ok(findings)
}

fn counted(ours: usize, uplinks: usize) -> Finding {
    let note = format!("{ours} instance-facing, {uplinks} towards the Internet");
    match (ours, uplinks) {
        (0, _) => Finding::warning("devices", note, "no device matches `interfaces` of the state file"),
        (_, 0) => {
            Finding::warning("devices", note, "add a default route or name `uplinks` in the state file")
        }
        _ => Finding::ok("devices", note),
    }
}

/// Who else sees the packets of a hook, on the side where it matters: before ours at ingress, after
/// ours at egress.
async fn neighbours(
    observed: &Observed,
    link: &Link,
    direction: Direction,
    has_tcx: bool,
    netlink: &mut Netlink,
) -> anyhow::Result<Vec<String>> {
    let filters = netlink.filters(link.ifindex, direction).await?;
    let hooked = observed.hooks.get(&(link.ifindex, direction));
    let ours: Vec<u32> = hooked.into_iter().flatten().map(|hooked| hooked.program).collect();
    if !has_tcx {
        let is_ours = |filter: &Filter| filter.program_id.is_some_and(|id| ours.contains(&id));
        return Ok(outer(&filters, is_ours, direction)
            .into_iter()
            .filter(|filter| is_real(filter))
            .map(named)
            .collect());
    }
    let chain = attach::chain(link.ifindex, direction)?;
    let programs = outer(&chain, |id| ours.contains(id), direction);
    let programs = programs.into_iter().map(|id| format!("program {id}"));
    // Filters see a packet after every TCX program, so at ingress they are behind ours.
    let filters = filters.iter().filter(|filter| direction == Direction::Down && is_real(filter)).map(named);
    Ok(programs.chain(filters).collect())
}

/// The elements of a chain between ours and the wire outside the node's stack; none where ours is not
/// there.
fn outer<T>(chain: &[T], is_ours: impl Fn(&T) -> bool, direction: Direction) -> Vec<&T> {
    let mut outer: Vec<&T> = match direction {
        Direction::Up => chain.iter().take_while(|one| !is_ours(one)).collect(),
        Direction::Down => chain.iter().rev().take_while(|one| !is_ours(one)).collect(),
    };
    if !chain.iter().any(is_ours) {
        outer.clear();
    }
    outer
}

/// False for the entry of a whole priority that precedes its filters in a listing.
fn is_real(filter: &Filter) -> bool {
    filter.handle != 0
}

fn named(filter: &Filter) -> String {
    let name = filter.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
    format!("filter {}{name} with priority {}", filter.kind, filter.priority)
}

async fn has_programs(link: &Link, netlink: &mut Netlink, has_tcx: bool) -> anyhow::Result<bool> {
    let filters = netlink.filters(link.ifindex, Direction::Up).await?;
    let is_program = filters.iter().any(|filter| filter.kind == "bpf" && is_real(filter));
    Ok(is_program || has_tcx && !attach::chain(link.ifindex, Direction::Up)?.is_empty())
}

/// What was found, by its text, with the devices it holds for.
#[derive(Default)]
struct Concerns {
    found: BTreeMap<(&'static str, String, &'static str), Vec<String>>,
}

impl Concerns {
    fn add(&mut self, what: &'static str, note: &str, remedy: &'static str, device: &str) {
        self.found.entry((what, note.to_owned(), remedy)).or_default().push(device.to_owned());
    }

    fn of_kind(&mut self, link: &Link) {
        if let Some(why) = around::of_device(link) {
            self.add("around", &why, "change how the instance is connected", &link.name);
        }
        if link.kind.as_deref() == Some("netkit") {
            self.add(
                "around",
                "on netkit a program may hand packets to the instance behind our hook (redirect_peer)",
                "let it pass packets to the stack for limited instances",
                &link.name,
            );
        }
    }

    fn neighbours(&mut self, neighbours: &[String], direction: Direction, link: &Link) {
        let note = match direction {
            Direction::Up => "others see packets before us: what they drop or redirect is not counted",
            Direction::Down => "others see packets after us: what they drop was counted",
        };
        for other in neighbours {
            let device = format!("{} ({other})", link.name);
            self.add("others", note, "`tc filter show` and `bpftool net` show whose they are", &device);
        }
    }

    fn findings(self) -> impl Iterator<Item = Finding> {
        self.found.into_iter().map(|((what, note, remedy), devices)| {
            let named = devices[..devices.len().min(NAMED_MAX)].join(", ");
            let more = devices.len().saturating_sub(NAMED_MAX);
            let devices = if more > 0 { format!("{named} and {more} more") } else { named };
            Finding::warning(what, format!("{devices}: {note}"), remedy)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_on_the_outer_side_matter() {
        let outer_of = |chain: &[u32], direction| {
            outer(chain, |id| *id == 7, direction).into_iter().copied().collect::<Vec<_>>()
        };
        assert_eq!(outer_of(&[5, 7, 9], Direction::Up), [5]);
        assert_eq!(outer_of(&[5, 7, 9], Direction::Down), [9]);
        assert!(outer_of(&[7, 9], Direction::Up).is_empty() && outer_of(&[5, 7], Direction::Down).is_empty());
        assert!(outer_of(&[5, 9], Direction::Up).is_empty(), "nobody is before us where we are not");
    }

    #[test]
    fn devices_with_the_same_trouble_are_one_finding() {
        let mut concerns = Concerns::default();
        for number in 0..7 {
            concerns.add("others", "x", "y", &format!("tap{number}"));
        }
        concerns.add("others", "z", "y", "tap0");
        let notes: Vec<String> = concerns.findings().map(|finding| finding.note).collect();
        assert_eq!(notes, ["tap0, tap1, tap2, tap3, tap4 and 2 more: x", "tap0: z"]);
    }
}
