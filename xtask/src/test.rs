//! Runs every test and ends with one line: `N passed, N failed`.

use std::fmt::Write as _;
use std::process::exit;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::outcome::{self, Tally};
use crate::process::{self, End, cargo};
use crate::setup::{self, Need};
use crate::vm::{self, TestBinary};
use crate::{check, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Also boot these kernels, such as `6.1,6.12`, and run the tests named kernel_* and vm_* there.
    #[arg(long, value_delimiter = ',', value_name = "SERIES")]
    vm: Vec<String>,
    /// Run the checks of `cargo xtask check` first and count each as a test.
    #[arg(long)]
    checks: bool,
    /// Only tests whose name, or whose file's name, contains this.
    filter: Option<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let mut needs = vec![Need::Object, Need::Network, Need::Tests];
    needs.extend(args.vm.iter().cloned().map(Need::Kernel));
    setup::ensure(&needs)?;
    let filter = args.filter.as_deref();
    let mut tally = Tally::default();
    if args.checks {
        tally = tally + check::tally();
    }
    tally = tally + part("tests on this kernel", native(filter));
    tally = tally + part("examples in the documentation", examples(filter));
    tally = tally + part("interleavings under loom", loom(filter));
    if !args.vm.is_empty() {
        tally = tally + part("tests on other kernels", other_kernels(&args.vm, filter));
    }
    if let (Some(filter), true) = (filter, tally == Tally::default()) {
        bail!("no test and no file of tests has {filter:?} in its name");
    }
    println!("{tally}");
    exit(i32::from(!tally.is_good()));
}

/// The tally of a part; a part that could not run is a failure.
fn part(name: &str, outcome: Result<Tally>) -> Tally {
    let tally = outcome.unwrap_or_else(|error| {
        println!("{name}: {error:#}");
        Tally::BROKEN
    });
    println!("{name}: {} good, {} bad\n", tally.passed, tally.failed);
    tally
}

/// Unit and property tests, and those that use this kernel. The tests start the agent's program, so it is built first.
fn native(filter: Option<&str>) -> Result<Tally> {
    process::show(&mut cargo(["build", "--bins"]))?;
    let nextest = workspace::find_program("cargo-nextest").context("cargo-nextest is missing")?;
    let mut command = std::process::Command::new(nextest);
    command.current_dir(workspace::root()).args(["nextest", "run", "--no-fail-fast", "--no-tests=pass"]);
    // Inside a virtual machine only.
    let mut set = "not binary(/^vm_/)".to_owned();
    if let Some(filter) = filter {
        // nextest takes a name of which there is no binary for a mistake, hence the other one.
        let _ = write!(set, " and (test(~{filter}) or binary(/{filter}|^vm_/))");
    }
    command.args(["--filterset", &set]);
    counted(command, outcome::of_nextest, filter)
}

fn examples(filter: Option<&str>) -> Result<Tally> {
    let mut command = cargo(["test", "--doc", "--"]);
    command.args(filter);
    let mut tally = Tally::default();
    let end = process::watch(command, |line| {
        println!("{line}");
        tally = tally + outcome::of_libtest(line).unwrap_or_default();
    })?;
    Ok(tally.ended(end == End::Good))
}

/// loom replaces the atomics when the whole crate is compiled for it, hence the target folder of its own.
fn loom(filter: Option<&str>) -> Result<Tally> {
    let mut command = cargo(["test", "--release", "--package", "limiter-common", "--test", "loom", "--"]);
    command
        .args(filter)
        .env("RUSTFLAGS", "--cfg loom")
        .env("CARGO_TARGET_DIR", workspace::target().join("loom"));
    counted(command, outcome::of_libtest, filter)
}

/// Shows and sums what a runner prints; without a filter, running nothing is an error.
fn counted(
    command: std::process::Command,
    read: impl Fn(&str) -> Option<Tally>,
    filter: Option<&str>,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let end = process::watch(command, |line| {
        println!("{line}");
        tally = tally + read(line).unwrap_or_default();
    })?;
    if tally == Tally::default() && filter.is_none() {
        bail!("no test ran");
    }
    Ok(tally.ended(end == End::Good))
}

/// The very binaries that ran on this kernel, or that are for virtual machines only, on each kernel of `versions`.
fn other_kernels(versions: &[String], filter: Option<&str>) -> Result<Tally> {
    let mut build = cargo(["test", "--no-run", "--message-format", "json"]);
    let mut binaries: Vec<_> = process::capture(&mut build)?.lines().filter_map(test_binary).collect();
    binaries.retain(|binary| ["kernel_", "vm_"].iter().any(|prefix| binary.name.starts_with(prefix)));
    binaries.sort_by(|a, b| a.name.cmp(&b.name));
    if binaries.is_empty() {
        bail!("the package limiter-tests has no test named kernel_* or vm_*");
    }
    // A file that is named runs whole.
    let filter = match filter.filter(|filter| binaries.iter().any(|binary| binary.name.contains(filter))) {
        Some(file) => {
            binaries.retain(|binary| binary.name.contains(file));
            None
        }
        None => filter,
    };
    let mut tally = Tally::default();
    for version in versions {
        let of_this = vm::run(version, &binaries, filter)?;
        if of_this == Tally::default() && filter.is_none() {
            bail!("no test ran on kernel {version}");
        }
        tally = tally + of_this;
    }
    Ok(tally)
}

/// The test binary that a line of cargo's JSON messages tells of.
fn test_binary(message: &str) -> Option<TestBinary> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_test = target["kind"].as_array()?.iter().any(|kind| kind == "test");
    let (name, path) = (target["name"].as_str()?.to_owned(), message["executable"].as_str()?.into());
    is_test.then_some(TestBinary { name, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_binaries_are_found_in_the_messages() {
        let message = r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"vm_shape"},
            "executable":"/t/debug/deps/vm_shape-1"}"#;
        let expected = TestBinary { name: "vm_shape".to_owned(), path: "/t/debug/deps/vm_shape-1".into() };
        assert_eq!(test_binary(message), Some(expected));
        assert_eq!(test_binary(&message.replace(r#"["test"]"#, r#"["lib"]"#)), None);
        assert_eq!(test_binary(r#"{"reason":"build-finished","success":true}"#), None);
    }

    #[test]
    fn a_part_that_cannot_run_has_failed() {
        assert_eq!(part("x", Err(anyhow::anyhow!("no"))), Tally::BROKEN);
    }
}
