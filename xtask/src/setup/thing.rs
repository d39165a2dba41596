//! The things that building and testing need, how each is recognised, and what installs it.

use std::fs;
use std::path::PathBuf;

use super::kernel;
use crate::ebpf::{self, cache_dir};
use crate::workspace::find_program;

/// What a verb needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Need {
    /// To compile and read the kernel object.
    Object,
    /// To make networks in namespaces and to compare with other limiters.
    Network,
    /// To check the dependencies.
    Checks,
    /// To run the tests.
    Tests,
    /// To boot the newest kernel of this series, such as `6.12`, in a virtual machine.
    Kernel(String),
}

/// A crate whose program is installed into the per-user cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tool {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    /// A build for use now and then compiles three times faster without optimisation.
    pub(crate) optimised: bool,
}

const BPF_LINKER: Tool = Tool { name: "bpf-linker", version: "0.13.0", optimised: true };
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2", optimised: false };
const NEXTEST: Tool = Tool { name: "cargo-nextest", version: "0.9.143", optimised: false };

/// The version of virtme-ng, which boots a kernel over the host's file system.
pub(crate) const VIRTME: &str = "1.42";

/// One thing that is there or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Thing {
    /// A compiler for the kernel programs.
    Compiler,
    /// A program of a Debian package.
    Program { name: &'static str, package: &'static str },
    /// A program of a crate.
    Tool(Tool),
    /// Server and clients of PostgreSQL.
    Postgres,
    /// virtme-ng, in a Python environment of its own.
    Virtme,
    /// A kernel series with its modules.
    Kernel(String),
}

/// What installs a thing after its Debian packages are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Install {
    Tool(Tool),
    Virtme,
    Kernel(String),
}

impl Need {
    pub(crate) fn things(&self) -> Vec<Thing> {
        let program = |name, package| Thing::Program { name, package };
        match self {
            Self::Object => {
                vec![Thing::Compiler, Thing::Tool(BPF_LINKER), program("llvm-objdump", "llvm-22")]
            }
            Self::Network => {
                vec![program("ip", "iproute2"), program("nft", "nftables"), program("ethtool", "ethtool")]
            }
            Self::Checks => vec![Thing::Tool(DENY)],
            Self::Tests => vec![Thing::Tool(NEXTEST), Thing::Postgres],
            Self::Kernel(version) => vec![
                program("qemu-system-x86_64", "qemu-system-x86"),
                program("depmod", "kmod"),
                program("busybox", "busybox-static"),
                program("strings", "binutils"),
                Thing::Virtme,
                Thing::Kernel(version.clone()),
            ],
        }
    }
}

impl Thing {
    /// Looks for it on this machine.
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Compiler => ebpf::find_compiler().is_ok(),
            Self::Program { name, .. } => find_program(name).is_some(),
            Self::Tool(tool) => tool.is_there(),
            Self::Postgres => find_initdb().is_some(),
            Self::Virtme => virtme_run().is_file(),
            Self::Kernel(version) => kernel::image(version).is_ok(),
        }
    }

    /// The Debian packages that are it, or that its installation needs.
    pub(crate) fn packages(&self) -> Vec<&'static str> {
        match self {
            Self::Compiler => vec!["rustc-web", "libstd-rust-web-dev-bpf", "rust-web-llvm"],
            Self::Program { package, .. } => vec![package],
            Self::Tool(tool) if *tool == BPF_LINKER => vec!["g++", "llvm-22-dev", "libpolly-22-dev"],
            Self::Tool(_) | Self::Kernel(_) => vec![],
            Self::Postgres => vec!["postgresql"],
            Self::Virtme => vec!["python3-venv"],
        }
    }

    /// What is to do beside the packages.
    pub(crate) fn install(&self) -> Option<Install> {
        match self {
            Self::Compiler | Self::Program { .. } | Self::Postgres => None,
            Self::Tool(tool) => Some(Install::Tool(*tool)),
            Self::Virtme => Some(Install::Virtme),
            Self::Kernel(version) => Some(Install::Kernel(version.clone())),
        }
    }
}

impl Tool {
    /// A program of the user's own counts whatever its version; ours has the version that is named here.
    fn is_there(self) -> bool {
        let ours = cache_dir().join("tools");
        match find_program(self.name) {
            Some(path) if path.starts_with(&ours) => {
                let installed = fs::read_to_string(ours.join(".crates.toml")).unwrap_or_default();
                installed.contains(&format!("\"{} {} (", self.name, self.version))
            }
            found => found.is_some(),
        }
    }
}

/// The program that only the server's package has; Debian keeps it out of the path, by version.
fn find_initdb() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let by_version = versions.map(|version| version.path().join("bin/initdb")).find(|file| file.is_file());
    by_version.or_else(|| find_program("initdb"))
}

/// Where virtme-ng is.
pub(crate) fn virtme_run() -> PathBuf {
    cache_dir().join(format!("virtme-ng-{VIRTME}/bin/virtme-run"))
}
