//! What the node as a whole has.

use std::fs;

use super::Finding;
use crate::command::around;
use crate::dataplane::Maps;
use crate::dataplane::feature::{FEATURES, Feature, KERNEL_FLOOR, kernel_release};
use crate::desired::{Desired, StateError};
use crate::netlink::Netlink;
use crate::place::Place;
use crate::privilege;

pub(super) fn kernel() -> Finding {
    let (major, minor) = KERNEL_FLOOR;
    let running = rustix::system::uname().release().to_string_lossy().into_owned();
    if kernel_release().is_some_and(|release| release >= KERNEL_FLOOR) {
        return Finding::ok("kernel", format!("Linux {running}, at least {major}.{minor}"));
    }
    Finding::missing("kernel", format!("Linux {running}"), format!("run Linux {major}.{minor} or later"))
}

pub(super) fn features() -> impl Iterator<Item = Finding> {
    FEATURES.iter().map(|feature: &Feature| match (feature.is_there(), feature.required) {
        (true, _) => Finding::ok(feature.name, feature.purpose),
        (false, true) => Finding::missing(feature.name, feature.purpose, feature.remedy),
        (false, false) => Finding::warning(feature.name, feature.purpose, feature.remedy),
    })
}

pub(super) fn capabilities() -> Vec<Finding> {
    match privilege::missing() {
        Err(error) => vec![Finding::warning("capabilities", error.to_string(), "run it as root")],
        Ok(missing) if missing.is_empty() => {
            vec![Finding::ok("capabilities", "all that the agent needs to start")]
        }
        Ok(missing) => {
            let lack = |need: &&privilege::Need| Finding::missing(need.name, need.reason, "run it as root");
            missing.iter().map(lack).collect()
        }
    }
}

pub(super) async fn fair_queue() -> Finding {
    let has_fq = match Netlink::open() {
        Ok(mut netlink) => netlink.has_fq().await,
        Err(error) => Err(error),
    };
    match has_fq {
        Ok(true) => Finding::ok("fq", "packets above a rate can wait: shaping"),
        Ok(false) => Finding::warning(
            "fq",
            "the kernel has no fq: every direction is policed",
            "a kernel with CONFIG_NET_SCH_FQ; modprobe sch_fq",
        ),
        Err(error) => Finding::warning("fq", error.to_string(), "run it as root"),
    }
}

pub(super) fn forwarding() -> Vec<Finding> {
    let families = [
        ("IPv4 forwarding", "net.ipv4.ip_forward", "/proc/sys/net/ipv4/ip_forward"),
        ("IPv6 forwarding", "net.ipv6.conf.all.forwarding", "/proc/sys/net/ipv6/conf/all/forwarding"),
    ];
    let of = |(what, switch, path): (&str, &str, &str)| match fs::read_to_string(path) {
        Ok(value) if value.trim() != "0" => Finding::ok(what, "the node routes"),
        Ok(_) => Finding::warning(
            what,
            "off: fine for a bridge, not for a router",
            format!("sysctl -w {switch}=1"),
        ),
        Err(_) => Finding::ok(what, "the kernel has no such family"),
    };
    families.into_iter().map(of).collect()
}

pub(super) fn state_file(state: &Result<Desired, Box<StateError>>) -> Finding {
    match state {
        Ok(state) => {
            let (networks, instances) = (state.networks.len(), state.instances.len());
            Finding::ok("state file", format!("{networks} networks, {instances} instances"))
        }
        Err(error) => Finding::warning("state file", error.to_string(), "docs/state-file.md has every field"),
    }
}

pub(super) fn installed(place: &Place) -> Finding {
    match (Maps::open(&place.pins), place.is_locked()) {
        (Err(error), _) => Finding::missing("maps", error.to_string(), "run it as root"),
        (Ok(None), _) => Finding::ok("maps", "not installed yet: `limiter-agent run` does it"),
        (Ok(Some(_)), false) => Finding::warning(
            "agent",
            "limits hold, but no agent runs to change or repair them",
            "start the agent",
        ),
        (Ok(Some(maps)), true) => {
            let sizes = maps.sizes();
            let note =
                format!("runs, with room for {} networks and instances", sizes.slots.saturating_sub(1));
            Finding::ok("agent", note)
        }
    }
}

pub(super) fn vhost_user() -> Finding {
    let unix = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    match around::vhost_user(&unix)[..] {
        [] => Finding::ok("vhost-user", "no guest is seen that has its device in user space"),
        [first, ..] => Finding::warning(
            "vhost-user",
            format!("{first}: a guest behind it has no device here, so nothing of it is limited"),
            "give limited guests a tap with vhost-net",
        ),
    }
}
