//! Where in its file a state stands that is right by itself and does not fit the node.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;

use limiter_state::{EgressSpec, NodeState};

use super::error::{FieldPath, StateError};
use super::parse::{parse, place};

/// The part of a state that a node cannot follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Room for all of it.
    Capacity,
    /// The first network that has this egress address.
    Egress(Ipv4Addr),
    /// The interface entries together.
    Interfaces,
    /// The mode of the entry at this place.
    Mode(usize),
    /// The pattern of the entry at this place.
    Pattern(usize),
    /// No part more than others.
    Whole,
    /// The uplink of this name.
    Uplink(&'a str),
}

/// The error of a part of the state in `bytes`, which were read from `path` and are no more wrong than that.
pub fn unfit(path: &Path, bytes: &[u8], part: Part<'_>, reason: impl fmt::Display) -> Box<StateError> {
    let text = String::from_utf8_lossy(bytes);
    let field = parse(bytes).map_or_else(|_| FieldPath::default(), |(state, _)| part.field(&state));
    place(StateError::new(field, reason), &text).file(path)
}

impl Part<'_> {
    fn field(self, state: &NodeState) -> FieldPath {
        match self {
            Self::Capacity if state.capacity.instances.is_some() => {
                FieldPath::root("capacity").key("instances")
            }
            Self::Capacity | Self::Whole => FieldPath::default(),
            Self::Egress(address) => {
                let has = |spec: &EgressSpec| {
                    matches!(spec, EgressSpec::Shared(text) | EgressSpec::Exclusive(text)
                        if text.parse() == Ok(address))
                };
                let network = state.networks.iter().position(|network| has(&network.egress));
                network.map_or_else(FieldPath::default, |index| {
                    FieldPath::element("networks", index).key("egress")
                })
            }
            Self::Interfaces => FieldPath::root("interfaces"),
            Self::Mode(index) => FieldPath::element("interfaces", index).key("mode"),
            Self::Pattern(index) => FieldPath::element("interfaces", index).key("match"),
            Self::Uplink(name) => {
                let index = state.uplinks.iter().position(|uplink| uplink == name);
                index.map_or_else(|| FieldPath::root("uplinks"), |index| FieldPath::element("uplinks", index))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_found_in_the_file() {
        let text =
            "version: 1\nuplinks: [wan1, wan0]\ninterfaces:\n  - match: a*\n  - match: b*\n    mode: shape\n";
        let error = |text: &str, part| unfit(Path::new("s"), text.as_bytes(), part, "no").to_string();
        for (part, expected) in [
            (Part::Uplink("wan0"), "s:2:17: uplinks[1]: no"),
            (Part::Interfaces, "s:4:3: interfaces: no"),
            (Part::Pattern(0), "s:4:12: interfaces[0].match: no"),
            (Part::Mode(1), "s:6:11: interfaces[1].mode: no"),
            (Part::Capacity, "s:1:1: no"),
            (Part::Whole, "s:1:1: no"),
        ] {
            assert_eq!(error(text, part), expected);
        }
        let capacity = format!("{text}capacity: {{instances: 5}}\n");
        assert_eq!(error(&capacity, Part::Capacity), "s:7:23: capacity.instances: no");
    }
}
