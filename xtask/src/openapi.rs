//! Compares the description of the API with the one that is checked in.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::process::{capture, cargo};
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Check in the description as it is; read the difference before a commit.
    #[arg(long)]
    bless: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    if args.bless {
        let path = path();
        return fs::write(&path, described()?).with_context(|| format!("cannot write {}", path.display()));
    }
    compare()
}

/// Fails where the routes say something else than the file.
pub(crate) fn compare() -> Result<()> {
    let path = path();
    let file = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let described = described()?;
    let differs = file.lines().zip(described.lines()).position(|(file, now)| file != now);
    let line = differs.or_else(|| (file != described).then(|| file.lines().count()));
    match line {
        None => Ok(()),
        Some(line) => bail!(
            "{} is not what the routes say, from line {} on; run `cargo xtask openapi --bless` and read the difference",
            path.display(),
            line + 1
        ),
    }
}

fn described() -> Result<String> {
    capture(&mut cargo(["run", "--quiet", "--package", "limiter-control", "--", "openapi"]))
}

fn path() -> PathBuf {
    workspace::root().join("openapi/limiter.json")
}
