//! The agent's binary: reads the command line and calls the library.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use limiter_agent::args::{Cli, Command};
use limiter_agent::{command, run};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_env("LIMITER_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let result = runtime.map_err(anyhow::Error::new).and_then(|runtime| runtime.block_on(dispatch(cli)));
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", command::show::error(&error));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let place = match cli.command {
        // Its own arguments say whose the state is from now on.
        Command::Run(_) => cli.place(),
        _ => cli.place().as_left(),
    };
    match cli.command {
        Command::Run(args) => run::run(place, &args).await?,
        Command::Plan { json } => command::plan::run(&place, json).await?,
        Command::Status(args) => command::status::run(args, &place).await?,
        Command::Doctor { json } => return command::doctor::run(&place, json).await,
        Command::Uninstall { yes } => command::uninstall::run(&place, yes).await?,
        Command::Bypass { switch } => command::bypass::run(&place, switch)?,
        Command::Rule(args) => command::rule::run(args, &place)?,
        Command::Network(args) => command::network::run(args, &place)?,
        Command::Instance(args) => command::instance::run(args, &place)?,
    }
    Ok(ExitCode::SUCCESS)
}
