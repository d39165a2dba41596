//! The life of a plan as a customer lives it, and what passes meanwhile.

use std::net::Ipv4Addr;
use std::time::Instant;

use crate::internet::Span;
use crate::outcome::{Outcome, bold};
use crate::traffic::{BLUE_A, RED_A, RED_B, Stream, downloads, offer, rates, settled};
use crate::world::{OWN, SHARED, World};

/// A scene, which gives what it measured.
pub(crate) type Scene = fn(&mut World<'_>) -> Vec<Outcome>;

/// All scenes, in their order: each goes on where the one before ended.
pub(crate) const SCENES: [(&str, Scene); 7] = [
    ("Basic bandwidth: 5 Mbps for a network, free. Red sends 10, and 10 are sent to blue.", basic),
    ("Red buys a plan of 20 Mbps and its address while red/a sends 30; watch both.", bought),
    ("A rule holds red/a to 2 Mbps up and 1 down. Red/b beside it sends 10.", ruled),
    ("The plan is resized to 50 Mbps while eight downloads run: none breaks.", resized),
    ("The agent is killed, later the control plane, while red/b sends 60 Mbps: 50 hold throughout.", killed),
    (
        "The plan leaves red, with its rule and its address: red is basic again. Blue gets peak and address.",
        moved,
    ),
    (
        "The plan is deleted in spite of the network that uses it. Its address rests, and who had it is known.",
        deleted,
    ),
];

/// Its heading.
pub(crate) fn heading(number: usize, text: &str) {
    println!("\n{}", bold(&format!("{number}. {text}")));
}

fn basic(world: &mut World<'_>) -> Vec<Outcome> {
    let streams =
        [Stream::Up(RED_A, 5_000_000), Stream::Up(RED_B, 5_000_000), Stream::Down(BLUE_A, 10_000_000)];
    let (arrived, span) = offer(world, &streams, |world| settled(world));
    let down = arrived[2].rate_bps(span.from, span.to);
    vec![
        through(world, SHARED, span, "red up, basic, through the shared address (UDP, 10 offered)", 5e6),
        Outcome::udp("network blue gets basic 5 Mbps down (UDP, 10 offered)", down, 5e6),
    ]
}

/// What the Internet host got from an address.
fn through(world: &World<'_>, from: Ipv4Addr, span: Span, scene: &'static str, limit_bps: f64) -> Outcome {
    Outcome::udp(scene, world.internet.rate_bps(from, span), limit_bps)
}

fn bought(world: &mut World<'_>) -> Vec<Outcome> {
    let (_, (before, since, after)) = offer(world, &[Stream::Up(RED_A, 30_000_000)], |world| {
        world.watch(1);
        let before = world.watch(2);
        world.limiter("plan create --network red --peak 20Mbps --external-id gold");
        (before, Instant::now(), settled(world))
    });
    world.internet.is_silent(SHARED, since);
    vec![
        through(world, SHARED, before, "red up, basic, through the shared address (UDP, 30 offered)", 5e6),
        through(world, OWN, after, "red up, plan of 20 Mbps, through its own (the same stream)", 20e6),
    ]
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
        // Nothing holds it: what is missing was not sent, because the sender had no CPU.
        Outcome {
            least: 0.98,
            ..Outcome::udp("red/b is not: what it sends arrives (UDP, 10 offered)", beside, 10e6)
        },
    ]
}

fn resized(world: &mut World<'_>) -> Vec<Outcome> {
    let flows = downloads(world.topology, RED_B);
    world.watch(1);
    let before = world.watch(3);
    world.limiter("plan resize red --peak 50Mbps");
    let after = settled(world);
    let arrived = flows.finish();
    let rate = |span: Span| arrived.payload.rate_bps(span.from, span.to);
    let broken = arrived.broken.len();
    vec![
        Outcome::tcp("red down before the resize (8 TCP flows)", rate(before), 20e6, broken),
        Outcome::tcp("red down, resized to 50 Mbps (the same flows)", rate(after), 50e6, broken),
    ]
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
    let (_, (since, basic)) = offer(world, &[Stream::Up(RED_A, 10_000_000)], |world| {
        world.watch(2);
        world.limiter("plan dissociate red --yes");
        (Instant::now(), settled(world))
    });
    world.internet.is_silent(OWN, since);
    let rules = world.limiter("rule list --quiet");
    assert!(rules.is_empty(), "rules are left: {rules}");
    println!("   no rule is left");
    let both = [Stream::Up(RED_A, 10_000_000), Stream::Up(BLUE_A, 60_000_000)];
    let (_, premium) = offer(world, &both, |world| {
        world.watch(2);
        world.limiter("plan associate gold --network blue");
        settled(world)
    });
    vec![
        through(world, SHARED, basic, "red up, dissociated: basic, shared address (UDP, 10 offered)", 5e6),
        through(world, SHARED, premium, "red up, still basic while blue has the plan", 5e6),
        through(world, OWN, premium, "blue up, associated: 50 Mbps, the plan's address (60 offered)", 50e6),
    ]
}

fn deleted(world: &mut World<'_>) -> Vec<Outcome> {
    let (_, (since, basic)) = offer(world, &[Stream::Up(BLUE_A, 60_000_000)], |world| {
        world.watch(2);
        world.limiter("plan delete gold --force --yes");
        (Instant::now(), settled(world))
    });
    world.internet.is_silent(OWN, since);
    let rests = world.shown(&format!("address show {OWN}"));
    assert!(rests.contains("quarantined"), "{OWN} does not rest");
    let uses = world.shown(&format!("address uses {OWN}"));
    assert!(uses.contains("red") && uses.contains("blue"), "nobody had {OWN}");
    vec![through(world, SHARED, basic, "blue up, plan deleted: basic, shared address (60 offered)", 5e6)]
}
