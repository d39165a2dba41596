//! What the program can be told to do.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use limiter_api::params::NewUser;
use limiter_domain::Settings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::timeout;

use crate::app::{App, Call, Caller, Clock};
use crate::args::{Cli, Command, RunArgs};
use crate::serve::Doors;
use crate::store::Store;
use crate::{http, jobs, secret};

/// How long the database may take to close.
const CLOSING: Duration = Duration::from_secs(2);

/// Does what `cli` says.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    if matches!(cli.command, Command::Openapi) {
        println!("{}", http::openapi().to_pretty_json()?);
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match cli.command {
            Command::Run(args) => serve(&cli.database, &args).await,
            Command::Operator { name, password_file } => {
                operator(&cli.database, name, password_file.as_deref()).await
            }
            Command::Backup { file } => backup(&cli.database, &file).await,
            Command::Restored => restored(&cli.database).await,
            Command::Openapi => Ok(()),
        }
    })
}

async fn serve(database: &str, args: &RunArgs) -> anyhow::Result<()> {
    log(args.log_json);
    raise_open_files();
    let doors = Doors::bind(args).await?;
    let store = open(database).await?;
    let app = App::new(store.clone(), Settings::default(), Clock::system());
    tracing::info!(address = ?doors.address(), socket = args.socket, "serving");
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    // Without a certificate there is nothing to read again; unheard, the signal would end the process.
    let _hangup = signal(SignalKind::hangup())?;
    let work = tokio::spawn(jobs::work(app.clone()));
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    };
    let served = doors.serve(http::router(app), stop).await;
    work.abort();
    let _ = work.await;
    // A call that does not end is no reason to stay: the next start finds the same in the log of the database.
    let _ = timeout(CLOSING, store.close()).await;
    served
}

/// Every agent that waits holds a connection, and the usual limit is 1,024 files.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, limit = limit.current, "the number of open files stays as it is");
    }
}

async fn open(database: &str) -> anyhow::Result<Store> {
    if let Some(folder) = database.strip_prefix("sqlite:").and_then(|path| Path::new(path).parent()) {
        fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    }
    Ok(Store::open(database, Timestamp::now()).await?)
}

/// The first operator: whoever may open the database may make one.
async fn operator(database: &str, name: String, password_file: Option<&Path>) -> anyhow::Result<()> {
    let (password, made) = match password_file {
        Some(file) => {
            let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
            (text.trim_end_matches('\n').to_owned(), false)
        }
        None => (secret::new_token().0, true),
    };
    let app = App::new(open(database).await?, Settings::default(), Clock::system());
    let caller = Caller::system("local", Arc::from("operator"));
    let user = NewUser { name, password: password.clone(), role: "operator".to_owned(), account: None };
    let user = app.create_user(&Call::plain(caller, "operator"), user).await?;
    eprintln!("operator {} may sign in", user.name);
    if made {
        println!("{password}");
    }
    Ok(())
}

async fn backup(database: &str, file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        bail!("{} is there already; name a new file", file.display());
    }
    exists(database)?;
    Store::open(database, Timestamp::now()).await?.backup(file).await?;
    eprintln!("{} holds a copy; once it is in place, `limiter-control restored` tells nodes", file.display());
    Ok(())
}

/// What is copied or was restored is there; only `run` and `operator` make a database.
fn exists(database: &str) -> anyhow::Result<()> {
    match database.strip_prefix("sqlite:").map(Path::new) {
        Some(path) if !path.exists() => {
            bail!("there is no database {}; name it with --database", path.display())
        }
        _ => Ok(()),
    }
}

async fn restored(database: &str) -> anyhow::Result<()> {
    exists(database)?;
    let incarnation = Store::renew_incarnation(database, Timestamp::now()).await?;
    eprintln!("the database is {incarnation} now; every node fetches its whole state");
    Ok(())
}

fn log(json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,sqlx=warn,sea_orm=warn"));
    // The journal is no terminal: colours would be noise there. An event that cannot be written, since its
    // disk is full or nobody reads it, ends no request.
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .log_internal_errors(false);
    if json { builder.json().init() } else { builder.init() }
}
