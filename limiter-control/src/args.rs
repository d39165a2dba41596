//! The command line of the control plane.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Plans, rules and networks of a deployment, and what each node is to enforce.
#[derive(Debug, Parser)]
#[command(name = "limiter-control", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// The database: `sqlite:/PATH` or `postgres://USER@HOST/NAME`.
    #[arg(
        long,
        global = true,
        default_value = "sqlite:/var/lib/limiter-control/limiter.db",
        env = "LIMITER_DATABASE",
        hide_env_values = true
    )]
    pub database: String,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the API and work what is due, until told to stop.
    Run(RunArgs),
    /// Make an operator who signs in with a password, and print nothing but the password where it was made here.
    Operator {
        /// What is typed to sign in.
        name: String,
        /// File with the password; absent: one is made and printed.
        #[arg(long)]
        password_file: Option<PathBuf>,
    },
    /// Write a copy of the database while it is in use.
    Backup {
        /// A file that is not there yet.
        file: PathBuf,
    },
    /// Mark the database as restored from a copy, so that nodes fetch their whole state anew; stop `run` first.
    Restored,
    /// Print the description of the API.
    Openapi,
}

/// How to serve.
#[derive(Args, Debug)]
pub struct RunArgs {
    /// Address for TCP; `off` for none. Other than loopback only with TLS.
    #[arg(long, default_value = "127.0.0.1:9440", env = "LIMITER_LISTEN", value_parser = listen)]
    pub listen: Listen,
    /// Socket for local operators; `off` for none. Who may open it may do everything.
    #[arg(long, default_value = "/run/limiter/control.sock", env = "LIMITER_SOCKET")]
    pub socket: String,
    /// Certificate chain in PEM, read again on SIGHUP.
    #[arg(long, requires = "tls_key", env = "LIMITER_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Private key in PEM, read again on SIGHUP.
    #[arg(long, requires = "tls_cert", env = "LIMITER_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// Logs as JSON.
    #[arg(long, env = "LIMITER_LOG_JSON")]
    pub log_json: bool,
}

/// Where TCP is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub Option<SocketAddr>);

fn listen(text: &str) -> Result<Listen, String> {
    if text == "off" {
        return Ok(Listen(None));
    }
    let address =
        text.parse().map_err(|_| "write ADDRESS:PORT or off, for example 127.0.0.1:9440".to_owned())?;
    Ok(Listen(Some(address)))
}
