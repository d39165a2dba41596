//! Shape or police: what is in force in each zone and direction, and why.

use std::collections::BTreeMap;

use limiter_common::meter::Direction;

use super::bound::Shaping;
use super::interfaces::uplinks;
use super::observed::Observed;
use crate::desired::{Desired, Mode};

/// What is in force in each zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    zones: Vec<[InForce; 2]>,
    mtu_bytes: Vec<u32>,
}

/// What is in force in one direction of a zone.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct InForce {
    /// What becomes of packets above the rate.
    pub shaping: Shaping,
    /// The reason.
    pub why: String,
}

impl Modes {
    /// What becomes of packets above the rate.
    pub fn shaping(&self, zone: usize, direction: Direction) -> Shaping {
        self.in_force(zone, direction).shaping
    }

    /// What is in force, with the reason.
    pub fn in_force(&self, zone: usize, direction: Direction) -> &InForce {
        &self.zones[zone][direction as usize]
    }

    /// Longest IP packet on the zone's interfaces, bytes.
    pub fn mtu_bytes(&self, zone: usize) -> u32 {
        self.mtu_bytes[zone]
    }
}

/// Packets on an interface of usual size.
const USUAL_MTU_BYTES: u32 = 1500;

/// Computes the modes from the schedulers that are there: up, the uplinks release the packets; down,
/// the zone's interfaces do. One device without `fq` and the whole direction is policed, since a
/// network's packets may leave through it.
pub fn in_force(desired: &Desired, observed: &Observed, matched: &BTreeMap<u32, usize>) -> Modes {
    let uplinks = uplinks(desired, observed).unwrap_or_default();
    let mut modes = Modes::default();
    for zone in 0..desired.zones.len() {
        let entries = matched.iter().filter(|(_, entry)| desired.interfaces[**entry].zone == zone);
        let asked = desired
            .interfaces
            .iter()
            .filter(|entry| entry.zone == zone)
            .any(|entry| entry.mode == Mode::Police);
        let down: Vec<u32> = entries.map(|(&ifindex, _)| ifindex).collect();
        let mtu = down.iter().filter_map(|&ifindex| observed.link(ifindex)).map(|link| link.mtu_bytes).max();
        modes.mtu_bytes.push(mtu.unwrap_or(USUAL_MTU_BYTES).max(USUAL_MTU_BYTES));
        modes.zones.push([
            if asked {
                asked_for()
            } else {
                by_devices(observed, &uplinks, "no uplink: no default route and none named")
            },
            if asked {
                asked_for()
            } else {
                by_devices(observed, &down, "no interface of the zone is there yet")
            },
        ]);
    }
    modes
}

fn asked_for() -> InForce {
    InForce { shaping: Shaping::Police, why: "the state file says so".into() }
}

fn by_devices(observed: &Observed, devices: &[u32], none: &str) -> InForce {
    let police = |why: String| InForce { shaping: Shaping::Police, why };
    if devices.is_empty() {
        return police(none.into());
    }
    match devices.iter().find(|&&ifindex| !observed.has_fq(ifindex)) {
        Some(&ifindex) => police(format!("{} has no fq", observed.device(ifindex))),
        None => InForce { shaping: Shaping::Shape, why: "fq on every egress device".into() },
    }
}
