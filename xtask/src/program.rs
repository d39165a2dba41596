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

/// Programs that the demo and the benches start, as (package, name).
const BESIDE: [(&str, &str); 3] =
    [("limiter-agent", "limiter-agent"), ("limiter-control", "limiter-control"), ("limiter-cli", "limiter")];

/// Builds the program `bin` and those that it runs, and takes over its exit status.
pub(crate) fn run(bin: &str, args: &Args) -> Result<()> {
    setup::ensure(&[setup::Need::Object, setup::Need::Network])?;
    let mut build = process::cargo(["build", "--release", "--package", "limiter-tests", "--bin", bin]);
    for (package, beside) in BESIDE {
        build.args(["--package", package, "--bin", beside]);
    }
    process::show(&mut build)?;
    let path = workspace::target().join("release").join(bin);
    let status = Command::new(&path).args(&args.args).status();
    let status = status.with_context(|| format!("cannot run {}", path.display()))?;
    exit(status.code().unwrap_or(1));
}
