//! The benches: what a packet, a state and a forwarding path cost, as ratios within one run, and what the
//! control plane takes.

mod apply;
mod bed;
mod control;
mod egress;
mod forward;
mod metering;
mod packet;
mod path;
mod report;
mod rivals;
mod rounds;
mod translate;
mod usage;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use report::Output;

/// What things cost, measured side by side in interleaved rounds. Needs root.
#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// The programs against an empty classifier and against a floor that does the least a meter must.
    Packet {
        /// Also measure another build of the programs (target/bpf/bpfel-unknown-none/release/limiter of
        /// another commit) over the same maps, and say by what this one is cheaper.
        #[arg(long, value_name = "OBJECT")]
        against: Option<PathBuf>,
        #[command(flatten)]
        options: Options,
    },
    /// Putting a state in force, and the memory that it takes.
    Apply(Options),
    /// Metering: the reading of each second and the transaction of each 10 s.
    Meter(Options),
    /// Egress addresses: all of a node's from nothing, and a change of one.
    Egress(Options),
    /// A forwarding path with the limiter, with HTB, TBF and nftables, and with nothing.
    Forward(Options),
    /// The control plane with 100,000 instances, and with 1,000 agents. Needs no root.
    Control(Options),
    /// What nodes report of 10,000 instances, stored on SQLite and on PostgreSQL. Needs no root.
    Usage(Options),
}

#[derive(Args)]
struct Options {
    /// Fewer rounds and smaller sizes: shows that it works, its figures say little.
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    output: Output,
}

fn main() -> anyhow::Result<()> {
    let (report, options) = match Cli::parse().bench {
        Bench::Packet { against, options } => (packet::run(options.quick, against.as_deref())?, options),
        Bench::Apply(options) => (apply::run(options.quick)?, options),
        Bench::Meter(options) => (metering::run(options.quick)?, options),
        Bench::Control(options) => (control::run(options.quick)?, options),
        Bench::Egress(options) => (egress::run(options.quick)?, options),
        Bench::Usage(options) => (usage::run(options.quick)?, options),
        Bench::Forward(options) => (forward::run(options.quick)?, options),
    };
    options.output.show(&report)
}
