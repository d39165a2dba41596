//! The life of a plan as a customer lives it, and what passes meanwhile.

use std::time::Instant;

use crate::outcome::{Outcome, bold};
use crate::traffic::{BLUE_A, RED_A, RED_B, SETTLED, Stream, WATCHED, downloads, offer, rates};
use crate::world::World;

/// A scene, which gives what it measured.
pub(crate) type Scene = fn(&mut World<'_>) -> Vec<Outcome>;

/// All scenes, in their order: each goes on where the one before ended.
pub(crate) const SCENES: [(&str, Scene); 7] = [
    ("Basic bandwidth: 5 Mbps for a network, free. Red sends 10, and 10 are sent to blue.", basic),
    ("Red buys a plan of 20 Mbps while eight downloads run; watch red down.", bought),
    ("A rule holds red/a to 2 Mbps up and 1 down. Red/b beside it sends 10.", ruled),
    ("The plan is resized to 50 Mbps while eight downloads run.", resized),
    ("The agent is killed, later the control plane, while red/b sends 60 Mbps: 50 hold throughout.", killed),
    (
        "The plan leaves red, its rule goes with it: red is basic again. Blue gets the plan and its peak.",
        moved,
    ),
    ("The plan is deleted in spite of the network that uses it: blue is basic again.", deleted),
];

/// Its heading.
pub(crate) fn heading(number: usize, text: &str) {
    println!("\n{}", bold(&format!("{number}. {text}")));
}

fn basic(world: &mut World<'_>) -> Vec<Outcome> {
    let [a, b, down] = rates(
        world,
        [Stream::Up(RED_A, 5_000_000), Stream::Up(RED_B, 5_000_000), Stream::Down(BLUE_A, 10_000_000)],
    );
    vec![
        Outcome::udp("network red shares basic 5 Mbps up (UDP, 10 offered)", a + b, 5e6),
        Outcome::udp("network blue gets basic 5 Mbps down (UDP, 10 offered)", down, 5e6),
    ]
}

/// Downloads run while `line` changes the peak of red: what they got before it and after.
fn changed(
    world: &mut World<'_>,
    line: &str,
    scenes: [&'static str; 2],
    before_bps: f64,
    after_bps: f64,
) -> Vec<Outcome> {
    let flows = downloads(world.topology, RED_B);
    world.watch(1);
    let early = Instant::now();
    world.watch(3);
    let change = Instant::now();
    world.limiter(line);
    let late = Instant::now() + SETTLED;
    world.watch((SETTLED + WATCHED).as_secs());
    let arrived = flows.finish();
    let (before, after) =
        (arrived.payload.rate_bps(early, change), arrived.payload.rate_bps(late, late + WATCHED));
    let broken = arrived.broken.len();
    vec![
        Outcome::tcp(scenes[0], before, before_bps, broken),
        Outcome::tcp(scenes[1], after, after_bps, broken),
    ]
}

fn bought(world: &mut World<'_>) -> Vec<Outcome> {
    let scenes = ["red down, basic (8 TCP flows)", "red down, plan of 20 Mbps (the same flows)"];
    changed(world, "plan create --network red --peak 20Mbps --external-id gold", scenes, 5e6, 20e6)
}

fn ruled(world: &mut World<'_>) -> Vec<Outcome> {
    world.limiter("rule create slow --plan gold --up 2Mbps --down 1Mbps --instance red/a");
    let [up, down, beside] = rates(
        world,
        [Stream::Up(RED_A, 4_000_000), Stream::Down(RED_A, 2_000_000), Stream::Up(RED_B, 10_000_000)],
    );
    vec![
        Outcome::udp("rule: red/a held to 2 Mbps up (UDP, 4 offered)", up, 2e6),
        Outcome {
            least: 0.98,
            ..Outcome::udp("rule: red/a held to 1 Mbps down (UDP, 2 offered)", down, 1e6)
        },
        Outcome::udp("red/b is not: all that it sends arrives (UDP, 10 offered)", beside, 10e6),
    ]
}

fn resized(world: &mut World<'_>) -> Vec<Outcome> {
    let scenes =
        ["red down before the resize (8 TCP flows)", "red down, resized to 50 Mbps (the same flows)"];
    changed(world, "plan resize red --peak 50Mbps", scenes, 20e6, 50e6)
}

fn killed(world: &mut World<'_>) -> Vec<Outcome> {
    const DEAD: u64 = 3;
    let (arrived, windows) = offer(world, &[Stream::Up(RED_B, 60_000_000)], |world| {
        world.watch(2);
        let agent = Instant::now();
        world.agent.kill();
        println!("   the agent is dead");
        world.watch(DEAD);
        world.agent.launch();
        println!("   the agent is back");
        world.watch(1);
        let control = Instant::now();
        world.control.kill();
        println!("   the control plane is dead");
        world.watch(DEAD);
        world.control.launch();
        println!("   the control plane is back");
        world.watch(1);
        [(agent, control), (control, Instant::now())]
    });
    let outcome = |scene, (from, to): (Instant, Instant)| {
        Outcome::disturbed(scene, arrived[0].rate_bps(from, to), 50e6, (to - from).as_secs_f64())
    };
    vec![
        outcome("50 Mbps up while the agent dies and comes back (UDP)", windows[0]),
        outcome("50 Mbps up while the control plane dies and comes back (UDP)", windows[1]),
    ]
}

fn moved(world: &mut World<'_>) -> Vec<Outcome> {
    world.limiter("plan dissociate red --yes");
    let rules = world.limiter("rule list --quiet");
    assert!(rules.is_empty(), "rules are left: {rules}");
    println!("   no rule is left");
    let [basic] = rates(world, [Stream::Up(RED_A, 10_000_000)]);
    world.limiter("plan associate gold --network blue");
    let [still, premium] = rates(world, [Stream::Up(RED_A, 10_000_000), Stream::Up(BLUE_A, 60_000_000)]);
    vec![
        Outcome::udp("red/a up, dissociated: basic, and no rule (UDP, 10 offered)", basic, 5e6),
        Outcome::udp("red/a up, still basic while blue has the plan", still, 5e6),
        Outcome::udp("blue/a up, associated: 50 Mbps (UDP, 60 offered)", premium, 50e6),
    ]
}

fn deleted(world: &mut World<'_>) -> Vec<Outcome> {
    world.limiter("plan delete gold --force --yes");
    let [basic] = rates(world, [Stream::Up(BLUE_A, 10_000_000)]);
    vec![Outcome::udp("blue/a up, plan deleted: basic 5 Mbps (UDP, 10 offered)", basic, 5e6)]
}
