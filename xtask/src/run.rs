//! Starts the programs of the test package: bench and playground.

use std::env;
use std::ffi::OsString;
use std::process::{Command, exit};

use anyhow::{Context, Result};

use crate::{ebpf, process, setup, workspace};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments for the program; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Measures, with the floor program beside ours.
pub(crate) fn bench(args: &Args) -> Result<()> {
    setup::ensure(&[setup::Need::Object, setup::Need::Network])?;
    let target = workspace::target().join("bpf");
    let floor =
        ebpf::build(&workspace::root(), &target, "floor", env::consts::ARCH).map_err(anyhow::Error::msg)?;
    start("bench", args, |program| program.env("LIMITER_FLOOR_OBJECT", floor))
}

/// Shows the limiter at work.
pub(crate) fn demo(args: &Args) -> Result<()> {
    setup::ensure(&[setup::Need::Object, setup::Need::Network])?;
    start("playground", args, |program| program)
}

/// Builds the agent and the program, and takes over the program's exit status.
fn start(name: &str, args: &Args, with: impl FnOnce(&mut Command) -> &mut Command) -> Result<()> {
    let packages = ["--package", "limiter-agent", "--package", "limiter-tests"];
    let bins = ["--bin", "limiter-agent", "--bin", name];
    process::show(process::cargo(["build", "--release"]).args(packages).args(bins))?;
    let path = workspace::target().join("release").join(name);
    let mut program = Command::new(&path);
    let status =
        with(program.args(&args.args)).status().with_context(|| format!("cannot run {}", path.display()))?;
    exit(status.code().unwrap_or(1));
}
