//! The capabilities that the agent keeps, and how it gives up all others.

use std::io;

use rustix::thread::{CapabilitySet, CapabilitySets};
use rustix::thread::{capabilities, set_capabilities};
use rustix::thread::{
    capability_is_in_bounding_set, clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_no_new_privs,
};

/// A capability that the agent needs.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Its name.
    pub name: &'static str,
    /// Its bit.
    pub capability: CapabilitySet,
    /// It is kept for the agent's life; otherwise it goes when the first state is in force.
    pub for_life: bool,
    /// What the kernel asks it for.
    pub reason: &'static str,
}

/// All of them.
pub const NEEDS: [Need; 5] = [
    Need {
        name: "CAP_NET_ADMIN",
        capability: CapabilitySet::NET_ADMIN,
        for_life: true,
        reason: "changes schedulers, filters and addresses of devices, attaches and detaches programs and asks what is attached; `nft`, which the agent runs, changes its table of nftables with it",
    },
    Need {
        name: "CAP_BPF",
        capability: CapabilitySet::BPF,
        for_life: false,
        reason: "makes maps and loads programs",
    },
    Need {
        name: "CAP_PERFMON",
        capability: CapabilitySet::PERFMON,
        for_life: false,
        reason: "lets the verifier take the programs as they are; without it they are refused",
    },
    Need {
        name: "CAP_SYS_ADMIN",
        capability: CapabilitySet::SYS_ADMIN,
        for_life: false,
        reason: "mounts bpffs where it is missing, finds programs that an agent before this one left attached",
    },
    Need {
        name: "CAP_NET_RAW",
        capability: CapabilitySet::NET_RAW,
        for_life: false,
        reason: "opens the socket that announces egress addresses",
    },
];

/// How much a thread may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Load, adopt, attach.
    Start,
    /// Follow changes of state and devices.
    Life,
    /// Nothing beyond any process.
    Nothing,
}

impl Stage {
    /// What a thread keeps in this stage.
    pub fn keeps(self) -> CapabilitySet {
        let kept = NEEDS.iter().filter(|need| match self {
            Self::Start => true,
            Self::Life => need.for_life,
            Self::Nothing => false,
        });
        kept.fold(CapabilitySet::empty(), |kept, need| kept | need.capability)
    }
}

/// What the calling thread lacks of what an agent needs to start.
pub fn missing() -> io::Result<Vec<&'static Need>> {
    let has = capabilities(None)?.effective;
    Ok(NEEDS.iter().filter(|need| !has.contains(need.capability)).collect())
}

/// Keeps in the calling thread, and in those it starts from now on, what the stage needs and nothing
/// else; what is gone does not come back.
///
/// Capabilities belong to threads: each one that runs already has to call this too.
///
/// # Errors
/// The kernel's. Nothing that the thread lacks is an error: see [`missing`].
pub fn drop_to(stage: Stage) -> io::Result<()> {
    let had = capabilities(None)?;
    let kept = had.permitted & stage.keeps();
    // The agent executes one program, nft, which gets no more than this. What is not inheritable before the
    // bounding set goes can never be.
    let handed_on = kept & CapabilitySet::NET_ADMIN;
    set_capabilities(None, CapabilitySets { inheritable: handed_on, ..had })?;
    if had.effective.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().iter() {
            if capability_is_in_bounding_set(capability).unwrap_or(false) {
                remove_capability_from_bounding_set(capability)?;
            }
        }
    }
    clear_ambient_capability_set()?;
    for capability in handed_on.iter() {
        configure_capability_in_ambient_set(capability, true)?;
    }
    set_no_new_privs(true)?;
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: handed_on })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use rustix::thread::capability_is_in_ambient_set;

    use super::*;

    #[test]
    fn every_stage_keeps_less() {
        assert_eq!(Stage::Life.keeps(), CapabilitySet::NET_ADMIN);
        assert!(Stage::Start.keeps().contains(Stage::Life.keeps()));
        assert!(Stage::Nothing.keeps().is_empty());
    }

    #[test]
    fn what_is_dropped_is_gone_from_every_set() {
        // A thread of its own: capabilities belong to threads, and so does their loss.
        let thread = std::thread::spawn(|| {
            assert!(missing().expect("readable").is_empty(), "run the tests as root");
            for stage in [Stage::Start, Stage::Life, Stage::Nothing] {
                drop_to(stage).expect("dropped");
                let kept = stage.keeps();
                let inheritable = kept & CapabilitySet::NET_ADMIN;
                let sets = CapabilitySets { effective: kept, permitted: kept, inheritable };
                assert_eq!(capabilities(None).expect("readable"), sets);
                let is_ambient =
                    |capability: &CapabilitySet| capability_is_in_ambient_set(*capability).unwrap_or(false);
                assert_eq!(
                    CapabilitySet::all().iter().filter(is_ambient).collect::<CapabilitySet>(),
                    inheritable
                );
            }
            for capability in CapabilitySet::all().iter() {
                assert!(!capability_is_in_bounding_set(capability).unwrap_or(false), "{capability:?}");
            }
            assert!(rustix::thread::no_new_privs().expect("readable"));
            drop_to(Stage::Start).expect("nothing is left to drop");
            assert_eq!(missing().expect("readable").len(), NEEDS.len(), "nothing comes back");
        });
        thread.join().expect("no panic");
    }

    #[test]
    fn the_documentation_gives_each_its_reason() {
        let documented = include_str!("../../docs/capabilities.md");
        for need in NEEDS {
            let until = if need.for_life { "always" } else { "until the first state is in force" };
            let line = format!("| `{}` | {until} | {} |", need.name, need.reason);
            assert!(documented.contains(&line), "docs/capabilities.md has no line {line}");
        }
    }
}
