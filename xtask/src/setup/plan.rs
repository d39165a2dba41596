//! What there is to install, as data.

use std::fmt;

use super::thing::{Install, Need, Thing, VIRTME};

/// The installations that are missing, in order.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Debian packages, installed first.
    pub(crate) packages: Vec<&'static str>,
    /// What goes into the per-user cache.
    pub(crate) installs: Vec<Install>,
}

/// What is to install so that `needs` are met, on a machine that has what `is_there` says.
pub(crate) fn plan(needs: &[Need], is_there: impl Fn(&Thing) -> bool) -> Plan {
    let mut plan = Plan::default();
    for thing in needs.iter().flat_map(Need::things).filter(|thing| !is_there(thing)) {
        for package in thing.packages() {
            if !plan.packages.contains(&package) {
                plan.packages.push(package);
            }
        }
        plan.installs.extend(thing.install().filter(|install| !plan.installs.contains(install)));
    }
    plan
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.installs.is_empty()
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return writeln!(formatter, "nothing is missing");
        }
        writeln!(formatter, "missing, to be installed:")?;
        if !self.packages.is_empty() {
            writeln!(formatter, "  Debian packages: {}", self.packages.join(" "))?;
        }
        for install in &self.installs {
            writeln!(formatter, "  into the per-user cache: {install}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Install {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(tool) => write!(formatter, "{} {} (compiled, some minutes)", tool.name, tool.version),
            Self::Virtme => write!(formatter, "virtme-ng {VIRTME} (from PyPI)"),
            Self::Kernel(version) => write!(formatter, "Linux {version} of Debian (100 MB)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs() -> Vec<Need> {
        let kernels = ["6.1", "6.12"].map(|version| Need::Kernel(version.to_owned()));
        [Need::Object, Need::Network, Need::Checks, Need::Tests].into_iter().chain(kernels).collect()
    }

    #[test]
    fn a_complete_machine_needs_nothing() {
        let plan = plan(&needs(), |_| true);
        assert!(plan.is_empty());
        assert_eq!(plan.to_string(), "nothing is missing\n");
    }

    #[test]
    fn a_bare_machine_gets_each_thing_once() {
        let plan = plan(&needs(), |_| false);
        for package in
            ["rustc-web", "llvm-22-dev", "nftables", "qemu-system-x86", "python3-venv", "postgresql"]
        {
            assert_eq!(plan.packages.iter().filter(|named| **named == package).count(), 1, "{package}");
        }
        let installs: Vec<_> = plan.installs.iter().map(ToString::to_string).collect();
        let names: Vec<_> = installs.iter().filter_map(|text| text.split(" (").next()).collect();
        let expected = ["bpf-linker 0.13.0", "cargo-deny 0.20.2", "cargo-nextest 0.9.143", "virtme-ng 1.42"];
        assert_eq!(names[..4], expected);
        assert_eq!(names[4..], ["Linux 6.1 of Debian", "Linux 6.12 of Debian"]);
    }

    #[test]
    fn only_what_is_missing_is_planned() {
        let plan = plan(&needs(), |thing| !matches!(thing, Thing::Virtme));
        assert_eq!(plan, Plan { packages: vec!["python3-venv"], installs: vec![Install::Virtme] });
    }

    #[test]
    fn a_machine_without_virtual_machines_needs_no_emulator() {
        let plan = plan(&[Need::Object, Need::Network], |_| false);
        assert!(!plan.packages.contains(&"qemu-system-x86"), "{plan}");
        assert_eq!(plan.installs.len(), 1, "{plan}");
    }
}
