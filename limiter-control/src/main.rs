//! Starts the control plane.

use std::process::ExitCode;

use clap::Parser as _;
use limiter_control::args::Cli;
use limiter_control::command;

fn main() -> ExitCode {
    match command::run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("limiter-control: {error:#}");
            ExitCode::FAILURE
        }
    }
}
