//! What must hold beside the tests: format, lints, dependencies, layout, generated files.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::outcome::Tally;
use crate::process::{cargo, show};
use crate::setup::{self, Need};
use crate::{object, openapi, tidy, workspace};

/// A check and its name.
type Check = (&'static str, fn() -> Result<()>);

const CHECKS: [Check; 6] = [
    ("format", format),
    ("lints", lints),
    ("lints of the kernel programs", kernel_lints),
    ("dependencies", dependencies),
    ("layout", layout),
    ("generated files", generated),
];

pub(crate) fn run() -> Result<()> {
    let tally = tally();
    if !tally.is_good() {
        bail!("{} of {} checks failed", tally.failed, CHECKS.len());
    }
    println!("{} checks passed", tally.passed);
    Ok(())
}

/// Runs every check, also after a failed one, and counts.
pub(crate) fn tally() -> Tally {
    let mut tally = Tally::default();
    for (name, check) in CHECKS {
        println!("check: {name}");
        match check() {
            Ok(()) => tally.passed += 1,
            Err(error) => {
                println!("check: {name} failed: {error:#}");
                tally.failed += 1;
            }
        }
    }
    tally
}

fn format() -> Result<()> {
    show(&mut cargo(["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    setup::ensure(&[Need::Object])?;
    show(&mut cargo(["clippy", "--quiet", "--all-targets", "--", "--deny", "warnings"]))
}

/// clippy has no compiler for the kernel's target, so it reads the same lines as if they were for this machine.
fn kernel_lints() -> Result<()> {
    let mut clippy = cargo(["clippy", "--quiet", "--package", "limiter-ebpf", "--", "--deny", "warnings"]);
    clippy
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", "-C panic=abort")
        .env("CARGO_TARGET_DIR", workspace::target().join("bpf-lints"));
    show(&mut clippy)
}

fn dependencies() -> Result<()> {
    setup::ensure(&[Need::Checks])?;
    let deny = workspace::find_program("cargo-deny").context("cargo-deny is missing")?;
    let mut command = Command::new(deny);
    show(command.current_dir(workspace::root()).args([
        "--log-level",
        "warn",
        "check",
        "bans",
        "licenses",
        "sources",
    ]))
}

fn layout() -> Result<()> {
    let report = tidy::check()?;
    print!("{}", report.lengths);
    if !report.problems.is_empty() {
        bail!("\n  {}", report.problems.join("\n  "));
    }
    Ok(())
}

/// Files that a verb writes and that are checked in.
fn generated() -> Result<()> {
    setup::ensure(&[Need::Object])?;
    object::compare()?;
    openapi::compare()
}
