//! The grammar of the command line: what is common to all commands, and which commands there are.

mod access;
mod address;
mod money;
mod place;
mod plan;
mod rule;
mod setup;
mod usage;
mod value;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use jiff::SignedDuration;

pub(crate) use access::{AccountCommand, LoginArgs, TokenCommand, UserCommand};
pub(crate) use address::{AddressCommand, ChangeArgs};
pub(crate) use money::{BillCommand, MonthArgs, NoteArgs, OrderCommand, PriceCommand, QuoteCommand};
pub(crate) use place::{Import, InstanceCommand, NetworkCommand, NodeCommand, NodeEgress, Switch};
pub(crate) use plan::{EndArgs, PlanCommand};
pub(crate) use rule::RuleCommand;
pub(crate) use setup::{ApplyArgs, EventCommand, FileArgs};
pub(crate) use usage::{ExplainCommand, RangeArgs, SeriesArgs, UsageCommand};

use crate::output::Format;

/// Bandwidth plans for the networks of Linux nodes.
#[derive(Debug, Parser)]
#[command(name = "limiter", version, arg_required_else_help = true)]
#[command(
    after_help = "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 control plane unreachable, 4 timed out."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Global {
    /// The control plane: `https://HOST`, `http://127.0.0.1:PORT` or `unix:/PATH` [default: the local one]
    #[arg(long, global = true, env = "LIMITER_CONTROL", value_name = "URL")]
    pub(crate) control: Option<String>,
    /// Certificate authorities to trust alone, as a PEM file
    #[arg(long, global = true, env = "LIMITER_CA", value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// File with the token; else `LIMITER_TOKEN`, else what `limiter login` stored
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// The account that is meant, by id or name; operators only
    #[arg(long, global = true, env = "LIMITER_ACCOUNT", value_name = "ACCOUNT")]
    pub(crate) account: Option<String>,
    /// Form of the result
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORM")]
    pub(crate) output: Format,
    /// Print ids only
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Do it without asking
    #[arg(short, long, global = true)]
    pub(crate) yes: bool,
}

/// How long to wait for nodes.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// Return at once, while nodes have yet to follow
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Longest time to wait for nodes
    #[arg(long, default_value = "60s", value_parser = value::duration, value_name = "TIME")]
    pub(crate) timeout: SignedDuration,
}

/// Nothing is changed where somebody else was first.
#[derive(Debug, Args)]
pub(crate) struct IfVersion {
    /// Only while it has this version, as `show` tells it
    #[arg(long, value_name = "NUMBER")]
    pub(crate) if_version: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Networks: instances that share one Internet budget
    #[command(subcommand, visible_alias = "networks")]
    Network(NetworkCommand),
    /// Instances: the machines that are limited
    #[command(subcommand, visible_alias = "instances")]
    Instance(InstanceCommand),
    /// Plans: premium bandwidth for networks
    #[command(subcommand, visible_alias = "plans")]
    Plan(PlanCommand),
    /// Rules: limits for each of the instances bound to them
    #[command(subcommand, visible_alias = "rules")]
    Rule(RuleCommand),
    /// Nodes: machines with an agent
    #[command(subcommand, visible_alias = "nodes")]
    Node(NodeCommand),
    /// Addresses: what plans have of their own, for networks to leave through
    #[command(subcommand, visible_alias = "addresses")]
    Address(AddressCommand),
    /// What passed: bytes and rates over time
    #[command(subcommand)]
    Usage(UsageCommand),
    /// What held traffic back, for how long, and how much was refused
    #[command(subcommand)]
    Explain(ExplainCommand),
    /// Tokens: access for machines
    #[command(subcommand, visible_alias = "tokens")]
    Token(TokenCommand),
    /// What happened
    #[command(subcommand, visible_alias = "events")]
    Event(EventCommand),
    /// Accounts: owners of networks and plans
    #[command(subcommand, visible_alias = "accounts")]
    Account(AccountCommand),
    /// Prices: versions of the price book
    #[command(subcommand, visible_alias = "prices")]
    Price(PriceCommand),
    /// What an operation would cost
    #[command(subcommand)]
    Quote(QuoteCommand),
    /// Orders: what was paid for plans
    #[command(subcommand, visible_alias = "orders")]
    Order(OrderCommand),
    /// Bills: what months cost
    #[command(subcommand, visible_alias = "bills")]
    Bill(BillCommand),
    /// Users: people who sign in
    #[command(subcommand, visible_alias = "users")]
    User(UserCommand),
    /// Sign in; the session is stored for this control plane
    Login(LoginArgs),
    /// Sign out
    Logout,
    /// Put a whole setup in force, after showing what changes
    Apply(ApplyArgs),
    /// Show what a setup would change
    Diff(FileArgs),
    /// Print the setup that is in force, as YAML
    Export,
    /// The whole on one screen
    Status,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_secret_is_an_argument() {
        fn walk(command: &clap::Command) {
            for argument in command.get_arguments() {
                let id = argument.get_id().as_str();
                let secret = id.contains("password") || id.contains("token") || id.contains("secret");
                let switch = !argument.get_action().takes_values();
                assert!(!secret || switch || id.ends_with("file"), "{id}");
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
    }

    #[test]
    fn every_command_line_of_the_documentation_parses() {
        let text = concat!(
            include_str!("../../docs/cli.md"),
            include_str!("../../docs/control.md"),
            include_str!("../../docs/billing.md"),
            include_str!("../../README.md")
        );
        let mut seen = 0;
        for line in text.lines().filter(|line| line.starts_with("limiter ")) {
            let line = line.split(" # ").next().unwrap_or(line).split(" > ").next().unwrap_or(line);
            if let Err(error) = Cli::try_parse_from(value::words(line)) {
                panic!("`{line}`: {error}");
            }
            seen += 1;
        }
        assert!(seen > 30, "{seen} examples");
    }

    #[test]
    fn nonsense_is_refused() {
        for line in [
            "limiter network create office",
            "limiter network create office --prefix nonsense",
            "limiter plan create --peak 20mbps",
            "limiter plan create --peak 20Mbps --duration 5d",
            "limiter rule create web --plan office --up 1Mbps",
            "limiter node bypass n1 maybe",
            "limiter node update n1 --shared-address 2001:db8::1",
            "limiter node update n1 --shared-address 198.51.100.1 --no-shared-address",
            "limiter node create n1 --interface veth-* --egress-addresses both",
            "limiter network update office --egress own",
            "limiter network move-egress office",
            "limiter address import",
            "limiter address list --state used",
            "limiter address show 198.51.100.0/28",
            "limiter address uses 198.51.100.7 --at noon",
            "limiter usage",
            "limiter usage plan office --last 6h --from 2h",
            "limiter usage network office --period 5m",
            "limiter usage instance office/web --csv -o json",
            "limiter usage top office --limit 0",
            "limiter plan dissociate office --timeout fast",
            "limiter bill show november",
            "limiter bill show 2026-11 -o json --csv",
            "limiter account top-up acme 1.005 --reason x",
            "limiter account top-up acme -5 --reason x",
            "limiter account top-up acme 5",
            "limiter quote renew office",
            "limiter -o xml network list",
        ] {
            assert!(Cli::try_parse_from(value::words(line)).is_err(), "{line}");
        }
    }
}
