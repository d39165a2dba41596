//! Runs a program of the tests as a verb: the playground as `demo`, the benches as `bench`.

use std::ffi::OsString;
use std::process::{Command, exit};

use anyhow::{Context, Result};

use crate::{process, setup, workspace};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments for the program; `--help` lists them.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Builds the agent, the control plane and the program `bin`, and takes over its exit status.
pub(crate) fn run(bin: &str, args: &Args) -> Result<()> {
    setup::ensure(&[setup::Need::Object, setup::Need::Network])?;
    let packages = ["limiter-agent", "limiter-control", "limiter-tests"].map(|name| ["--package", name]);
    let bins = ["limiter-agent", "limiter-control", bin].map(|name| ["--bin", name]);
    process::show(process::cargo(["build", "--release"]).args(packages.concat()).args(bins.concat()))?;
    let path = workspace::target().join("release").join(bin);
    let status = Command::new(&path).args(&args.args).status();
    let status = status.with_context(|| format!("cannot run {}", path.display()))?;
    exit(status.code().unwrap_or(1));
}
