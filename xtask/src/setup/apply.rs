//! Carries out a plan: packages first, then the per-user cache.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::kernel;
use super::plan::Plan;
use super::thing::{Install, Tool, VIRTME};
use crate::ebpf::cache_dir;
use crate::process::{cargo, show};
use crate::workspace::find_program;

/// Holds off other setups of this user as long as it lives.
pub(crate) fn lock() -> Result<File> {
    let cache = cache_dir();
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let file = File::create(cache.join("lock")).context("cannot make the lock of the per-user cache")?;
    file.lock().context("cannot lock the per-user cache")?;
    Ok(file)
}

/// Installs everything in `plan`; the first error ends it, and a second run goes on from there.
pub(crate) fn apply(plan: &Plan) -> Result<()> {
    let from_debian =
        !plan.packages.is_empty() || plan.installs.iter().any(|at| matches!(at, Install::Kernel(_)));
    if from_debian {
        packages(&plan.packages)?;
    }
    for install in &plan.installs {
        eprintln!("setup: {install}");
        match install {
            Install::Tool(tool) => cargo_install(*tool)?,
            Install::Virtme => virtme()?,
            Install::Kernel(version) => kernel::install(version)?,
        }
    }
    Ok(())
}

fn packages(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if find_program("apt-get").is_none() {
        bail!("this is no Debian: install what these packages of Debian hold and run setup again: {list}");
    }
    if !is_root()? {
        if packages.is_empty() {
            return Ok(());
        }
        bail!("only root may install packages: run `sudo apt-get install --no-install-recommends {list}`");
    }
    show(apt().arg("update"))?;
    if packages.is_empty() {
        return Ok(());
    }
    show(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.arg("--quiet=2").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    apt
}

fn cargo_install(tool: Tool) -> Result<()> {
    let root = cache_dir().join("tools");
    let mut install =
        cargo(["install", "--locked", "--quiet", tool.name, "--version", tool.version, "--root"]);
    install.arg(root);
    if !tool.optimised {
        install.arg("--debug").env("CARGO_PROFILE_DEV_DEBUG", "0");
    }
    // bpf-linker has to read what the compiler writes: rustc-web uses LLVM 22.
    let llvm = Path::new("/usr/lib/llvm-22");
    if tool.name == "bpf-linker" && llvm.is_dir() {
        install.args(["--no-default-features", "--features", "llvm-22"]).env("LLVM_PREFIX", llvm);
    }
    show(&mut install)
}

fn virtme() -> Result<()> {
    let folder = cache_dir().join(format!("virtme-ng-{VIRTME}"));
    show(Command::new("/usr/bin/python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let package = format!("virtme-ng=={VIRTME}");
    show(Command::new(folder.join("bin/pip")).args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &package,
    ]))
}

fn is_root() -> Result<bool> {
    let own = fs::metadata("/proc/self").context("cannot read /proc/self")?;
    Ok(own.uid() == 0)
}
