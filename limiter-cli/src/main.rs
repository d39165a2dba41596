//! The command line of the control plane: reads the arguments, calls the command, says how it ended.

mod args;
mod command;
mod confirm;
mod credential;
mod csv;
mod endpoint;
mod failure;
#[cfg(test)]
mod fixture;
mod lookup;
mod output;
mod password;
mod setup_file;
mod wait;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::Cli;
use crate::failure::Failure;
use crate::output::Format;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.global.output;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(command::run(cli)),
        Err(error) => Err(Failure::NotDone(format!("no runtime: {error}"))),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if !matches!(failure, Failure::OutputClosed) {
        let problem =
            (format == Format::Json).then(|| serde_json::to_string(&failure.problem()).ok()).flatten();
        output::note(&problem.unwrap_or_else(|| failure.line()));
    }
    failure.exit_code()
}
