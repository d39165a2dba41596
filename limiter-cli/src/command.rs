//! What each command does, one file a verb group.

mod account;
mod address;
mod bill;
mod event;
mod explain;
mod instance;
mod login;
mod network;
mod node;
mod order;
mod paying;
mod plan;
mod price;
mod quote;
mod rule;
mod setup;
mod status;
mod token;
mod usage;
mod user;

use clap::CommandFactory as _;
use limiter_api::client::Client;

use crate::args::{Cli, Command, Global, IfVersion};
use crate::confirm::Confirm;
use crate::credential;
use crate::endpoint;
use crate::failure::Failure;
use crate::lookup::Lookup;
use crate::output::{self, Output};

/// What a command needs: the control plane, the output, the person.
#[derive(Debug)]
struct Session {
    client: Client,
    output: Output,
    confirm: Confirm,
    account: Option<String>,
}

impl Session {
    /// A session of the caller that the arguments and stored secrets make.
    fn open(global: &Global) -> Result<Self, Failure> {
        let endpoint = endpoint::endpoint(global)?;
        let token = credential::token(global, &endpoint)?;
        Ok(Self {
            client: Client::new(endpoint, token.as_deref())?,
            output: Output::new(global.output, global.quiet),
            confirm: Confirm { yes: global.yes },
            account: global.account.clone(),
        })
    }

    /// The account to say where something of `owner` is made: operators have none of their own.
    async fn account_for(&self, owner: &str) -> Result<Option<String>, Failure> {
        if self.account.is_some() {
            return Ok(self.account.clone());
        }
        let is_without = self.client.me().await?.account.is_none();
        Ok(is_without.then(|| owner.to_owned()))
    }

    /// The account whose money is meant: the one that is named, or the caller's own.
    async fn purse_of(&self, named: Option<String>) -> Result<String, Failure> {
        if let Some(account) = named.or_else(|| self.account.clone()) {
            return Ok(account);
        }
        let own = self.client.me().await?.account;
        own.ok_or_else(|| {
            Failure::Usage(
                "name the account: you have none of your own, and --account is not given".to_owned(),
            )
        })
    }

    /// The account of a new user or token: those of other roles have none, whatever the environment says.
    fn account_of_role(&self, role: &str) -> Option<String> {
        self.account.clone().filter(|_| matches!(role, "customer" | "viewer"))
    }

    /// A client whose changes are refused where somebody else was first.
    fn client_at(&self, version: &IfVersion) -> Client {
        self.client.at_version(version.if_version)
    }

    fn find(&self) -> Lookup<'_> {
        Lookup { client: &self.client, account: self.account.as_deref() }
    }
}

/// Does what the command line says.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    let session = || Session::open(&cli.global);
    match cli.command {
        Command::Network(command) => network::run(&session()?, command).await,
        Command::Instance(command) => instance::run(&session()?, command).await,
        Command::Plan(command) => plan::run(&session()?, command).await,
        Command::Rule(command) => rule::run(&session()?, command).await,
        Command::Node(command) => node::run(&session()?, command).await,
        Command::Address(command) => address::run(&session()?, command).await,
        Command::Usage(command) => usage::run(&session()?, command).await,
        Command::Explain(command) => explain::run(&session()?, command).await,
        Command::Token(command) => token::run(&session()?, command).await,
        Command::Event(command) => event::run(&session()?, command).await,
        Command::Account(command) => account::run(&session()?, command).await,
        Command::Price(command) => price::run(&session()?, command).await,
        Command::Quote(command) => quote::run(&session()?, command).await,
        Command::Order(command) => order::run(&session()?, command).await,
        Command::Bill(command) => bill::run(&session()?, command).await,
        Command::User(command) => user::run(&session()?, command).await,
        Command::Login(args) => login::login(&cli.global, args).await,
        Command::Logout => login::logout(&cli.global).await,
        Command::Apply(args) => setup::apply(&session()?, args).await,
        Command::Diff(args) => setup::diff(&session()?, args).await,
        Command::Export => setup::export(&session()?).await,
        Command::Status => status::run(&session()?).await,
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "limiter", &mut text);
            output::print(&String::from_utf8_lossy(&text))
        }
    }
}

/// A list as a change has it: absent where nothing was given.
fn given(list: Vec<String>) -> Option<Vec<String>> {
    Some(list).filter(|list| !list.is_empty())
}

/// Refuses a change that changes nothing.
fn something(is_given: bool) -> Result<(), Failure> {
    if is_given {
        Ok(())
    } else {
        Err(Failure::Usage("nothing to change; see --help for what can be changed".to_owned()))
    }
}
