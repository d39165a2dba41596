//! Builds the agent for release and shows the size of the kernel programs.

use anyhow::Result;

use crate::{object, process, setup, workspace};

pub(crate) fn run() -> Result<()> {
    setup::ensure(&[setup::Need::Object])?;
    process::show(&mut process::cargo(["build", "--release", "--package", "limiter-agent"]))?;
    print!("{}", object::table(&object::read(&object::build()?)?));
    println!("{}", workspace::target().join("release/limiter-agent").display());
    Ok(())
}
