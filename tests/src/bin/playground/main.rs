//! The demo: a plan from its purchase to its end, with real traffic through a node that follows a control plane.

mod internet;
mod outcome;
mod scene;
mod traffic;
mod world;

use std::io::BufRead as _;
use std::process::ExitCode;

use limiter_tests::program_file;
use limiter_tests::topology::Topology;

use crate::scene::SCENES;
use crate::world::World;

/// What a person should know first.
const INTRODUCTION: [&str; 6] = [
    "Two networks (red, blue) with two instances each, a node that routes, an Internet host.",
    "A control plane says what holds, the agent on the node puts it in force. Every change below is the",
    "command that is shown; all traffic is real, counted where it arrives. Each second: what passed the",
    "meters of both networks, and the addresses that the Internet host sees its packets come from (Mbps).",
    "198.51.100.10 is the node's, which networks share; a plan has its own, from 198.51.100.20 on.",
    "",
];

fn main() -> ExitCode {
    let keep = std::env::args().any(|word| word == "--keep");
    for line in INTRODUCTION {
        println!("{line}");
    }
    let topology = Topology::new(&[2, 2]);
    let mut world = World::start(&topology);
    let mut outcomes = Vec::new();
    for (number, (text, play)) in (1..).zip(SCENES) {
        scene::heading(number, text);
        outcomes.extend(play(&mut world));
    }
    let held = outcome::table(&outcomes);
    if keep {
        stay(&world);
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says how to go on by hand, and waits.
fn stay(world: &World<'_>) {
    let program = program_file::find("limiter", "LIMITER_BIN");
    let folder = program.parent().unwrap_or(&program).display();
    let (node, instance) = (world.topology.node.name(), world.topology.instance(0, 0).namespace.name());
    let agent = world.agent.command(&["status", "--watch"]);
    let words = agent.get_args().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
    println!("\nStill up. In another terminal, as root:");
    println!("  export PATH=\"{folder}:$PATH\" LIMITER_CONTROL={} LIMITER_ACCOUNT=demo", world.url());
    println!("  limiter status");
    println!("  limiter plan create --network red --peak 20Mbps");
    println!("  nsenter --net=/run/netns/{node} limiter-agent {words}");
    println!("  nsenter --net=/run/netns/{instance} ping 198.51.100.2   # as instance red/a");
    println!("Enter ends it.");
    let _ = std::io::stdin().lock().lines().next();
}
