//! Builds the programs for release and shows the size of the kernel programs.

use anyhow::Result;

use crate::{object, process, setup, workspace};

pub(crate) fn run() -> Result<()> {
    setup::ensure(&[setup::Need::Object])?;
    let packages = ["--package", "limiter-agent", "--package", "limiter-control", "--package", "limiter-cli"];
    process::show(process::cargo(["build", "--release"]).args(packages))?;
    print!("{}", object::table(&object::read(&object::build()?)?));
    for program in ["limiter-agent", "limiter-control", "limiter"] {
        println!("{}", workspace::target().join("release").join(program).display());
    }
    Ok(())
}
