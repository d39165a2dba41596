//! Build, check, test, bench and demo: the verbs.

mod build;
mod check;
mod disassembly;
mod ebpf;
mod object;
mod openapi;
mod outcome;
mod process;
mod program;
mod promises;
mod setup;
mod test;
mod tidy;
mod vm;
mod workspace;

use anyhow::Result;
use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, check, test, bench and demo.")]
enum Verb {
    /// Find what is missing on this machine and install it.
    Setup(setup::Args),
    /// Build the programs for release and show the size of the kernel programs.
    Build,
    /// Compare the kernel object with its budget.
    Object(object::Args),
    /// Compare the description of the API with the one that is checked in.
    Openapi(openapi::Args),
    /// Check format, lints, dependencies, layout rules and generated files.
    Check,
    /// Run every test, on this kernel and, if asked, on others.
    Test(test::Args),
    /// Measure what packets, states and forwarding cost, against what else could do it.
    Bench(program::Args),
    /// Show real traffic held to its limits, in namespaces of this machine.
    Demo(program::Args),
}

fn main() -> Result<()> {
    match Verb::parse() {
        Verb::Setup(args) => setup::run(&args),
        Verb::Build => build::run(),
        Verb::Object(args) => object::run(&args),
        Verb::Openapi(args) => openapi::run(&args),
        Verb::Check => check::run(),
        Verb::Test(args) => test::run(&args),
        Verb::Bench(args) => program::run("bench", &args),
        Verb::Demo(args) => program::run("playground", &args),
    }
}
