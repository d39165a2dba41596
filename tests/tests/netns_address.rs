//! The address of a plan from the API to packets: whose packets leave through it, and that never two nodes
//! have it, however late one is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use limiter_api::params::{AddressRanges, Associate, MoveEgress, NetworkChange, NodeChange};
use limiter_api::views::{Network, Plan};
use limiter_tests::agent::Agent;
use limiter_tests::control::Control;
use limiter_tests::mirror::{Mirror, who_am_i};
use limiter_tests::netns::Namespace;
use limiter_tests::topology::{HOST_V4, Topology};
use rustix::process::{Pid, Signal, kill_process};

/// Where the Internet host says who one seems to be.
const MIRROR: SocketAddr = SocketAddr::new(IpAddr::V4(HOST_V4), 9000);
/// The first two addresses for plans.
const POOL: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 51, 100, 20), Ipv4Addr::new(198, 51, 100, 21)];
/// What node 1 and node 2 share.
const SHARED: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 51, 100, 11), Ipv4Addr::new(198, 51, 100, 12)];
/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// A control plane with an account.
struct Bed {
    control: Control,
    account: String,
}

impl Bed {
    fn new() -> Self {
        let control = Control::start();
        let account = control.account("acme");
        Self { control, account }
    }

    fn import(&self) {
        let [first, last] = POOL;
        let ranges = AddressRanges { ranges: vec![format!("{first}-{last}")], ..AddressRanges::default() };
        self.control.must(async |client| client.import_addresses(&ranges).await);
    }

    /// Node `number`, from 0, with its agent in `at`.
    fn agent<'a>(&self, number: usize, at: &'a Namespace) -> Agent<'a> {
        let name = format!("edge-{}", number + 1);
        let token = self.control.node(&name, "inst*");
        let shared = Some(Some(SHARED[number].to_string()));
        self.change_node(&name, &NodeChange { shared_address: shared, ..NodeChange::default() });
        let mut agent = Agent::stopped(at, "nobody's business\n");
        let token = std::fs::read_to_string(token).expect("token");
        agent.follow(&format!("unix:{}", self.control.socket().display()), token.trim());
        agent.launch();
        agent
    }

    fn change_node(&self, name: &str, change: &NodeChange) {
        self.control.must(async |client| client.update_node(name, change).await);
    }

    /// Network `number` of the topology, with these instances.
    fn network(&self, number: usize, instances: &[Ipv4Addr]) -> Network {
        let prefix = format!("10.{}.0.0/24", 10 + number);
        let network = self.control.network(&self.account, &format!("net{number}"), &prefix);
        for (place, address) in instances.iter().enumerate() {
            self.control.instance(&network.id, &format!("i{place}"), &address.to_string());
        }
        network
    }

    /// A plan that a network uses.
    fn plan(&self, network: &Network) -> Plan {
        let plan = self.control.plan(&self.account, 20_000_000, Some(&network.id));
        self.control.wait_for_plan(&plan.id, "In Use")
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what} is still not so");
        thread::sleep(Duration::from_millis(20));
    }
}

fn signal(agent: &Agent<'_>, signal: Signal) {
    let pid = agent.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())).expect("the agent runs");
    kill_process(pid, signal).expect("a process of ours");
}

fn has(node: &Namespace, address: Ipv4Addr) -> bool {
    node.ip("-o -4 addr").contains(&format!(" {address}/32 "))
}

#[test]
fn a_network_leaves_through_the_address_of_its_plan_and_never_after_it() {
    let topology = Topology::new(&[1, 1]);
    let mirror = Mirror::start(&topology.host, MIRROR);
    let bed = Bed::new();
    let agent = bed.agent(0, &topology.node);
    bed.import();
    let networks = [0, 1].map(|number| bed.network(number, &[topology.instance(number, 0).v4]));
    let seems = |number: usize| who_am_i(&topology.instance(number, 0).namespace, MIRROR);
    eventually("the shared address", || {
        (seems(0), seems(1)) == (Some(SHARED[0].into()), Some(SHARED[0].into()))
    });
    let plans = networks.each_ref().map(|network| bed.plan(network));
    let addresses = plans.each_ref().map(|plan| plan.addresses.clone());
    assert_eq!(addresses, POOL.map(|address| vec![address.to_string()]), "one each");
    assert_eq!((seems(0), seems(1)), (Some(POOL[0].into()), Some(POOL[1].into())));
    let (_, status) = agent.ask(&["status"]);
    assert!(status.contains(&format!("{} (exclusive)", POOL[0])), "{status}");

    // While packets are sent without a pause, none leaves through the address of a plan that let go.
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let _ = who_am_i(&topology.instance(0, 0).namespace, MIRROR);
            }
        });
        let id = plans[0].id.as_str();
        bed.control.must(async |client| client.dissociate_plan(id).await);
        bed.control.wait_for_plan(id, "Not Associated");
        let free = Instant::now();
        eventually("packets after the dissociation", || {
            let seen = mirror.seen();
            seen.iter().filter(|seen| seen.at > free + Duration::from_millis(20)).count() > 20
        });
        let late: Vec<_> = mirror.seen().into_iter().filter(|it| it.at > free).collect();
        let old = late.iter().filter(|it| it.from.ip() == IpAddr::V4(POOL[0])).count();
        assert_eq!(old, 0, "of {} packets after the acknowledgement", late.len());
        stop.store(true, Ordering::Relaxed);
    });
    assert!(!has(&topology.node, POOL[0]) && has(&topology.node, POOL[1]));
    assert_eq!((seems(0), seems(1)), (Some(SHARED[0].into()), Some(POOL[1].into())));
    let associate = Associate { network: networks[0].id.clone() };
    bed.control.must(async |client| client.associate_plan(&plans[0].id, &associate).await);
    bed.control.wait_for_plan(&plans[0].id, "In Use");
    assert_eq!(seems(0), Some(POOL[0].into()), "the same address as before");
    let routed = NetworkChange { egress: Some("none".to_owned()), ..NetworkChange::default() };
    bed.control.must(async |client| client.update_network(&networks[0].id, &routed).await);
    let own = topology.instance(0, 0).v4;
    eventually("a routed network", || seems(0) == Some(own.into()));
}

/// Two nodes with an agent each, one network behind both, and somebody who looks all the time whether both
/// have its address.
struct Pair<'a> {
    bed: Bed,
    agents: [Agent<'a>; 2],
    nodes: [&'a Namespace; 2],
    instances: [&'a Namespace; 2],
    network: Network,
    plan: Plan,
}

impl Pair<'_> {
    /// Who the instances behind each node seem to be.
    fn seem(&self) -> [Option<IpAddr>; 2] {
        self.instances.map(|instance| who_am_i(instance, MIRROR))
    }

    /// Waits until the address is at this node alone, in packets and on devices.
    fn wait_for_owner(&self, owner: usize) {
        let mut expected = [None, None];
        expected[owner] = Some(IpAddr::V4(POOL[0]));
        eventually(&format!("node {} is the owner", owner + 1), || self.seem() == expected);
        assert!(has(self.nodes[owner], POOL[0]) && !has(self.nodes[1 - owner], POOL[0]));
    }

    fn move_to(&self, node: usize) {
        let to = MoveEgress { node: format!("edge-{}", node + 1) };
        self.bed.control.must(async |client| client.move_egress(&self.network.id, &to).await);
    }

    fn fence(&self, node: usize, fenced: bool) -> Result<(), String> {
        let change = NodeChange { fenced: Some(fenced), ..NodeChange::default() };
        let name = format!("edge-{}", node + 1);
        let asked = self.bed.control.ask(async |client| client.update_node(&name, &change).await);
        asked.map(drop).map_err(|error| error.to_string())
    }
}

/// Runs `play` with a [`Pair`]; shows the agents' logs where it fails.
fn with_pair(play: impl FnOnce(&Pair<'_>)) {
    let topology = Topology::new(&[1]);
    let beside = topology.beside();
    let _mirror = Mirror::start(&topology.host, MIRROR);
    let nodes = [&topology.node, &beside.node];
    let bed = Bed::new();
    let agents = [bed.agent(0, nodes[0]), bed.agent(1, nodes[1])];
    bed.import();
    let instances = [topology.instance(0, 0), &beside.instance];
    let network = bed.network(0, &instances.map(|instance| instance.v4));
    let plan = bed.plan(&network);
    let instances = instances.map(|instance| &instance.namespace);
    let pair = Pair { bed, agents, nodes, instances, network, plan };
    let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play(&pair)));
    if let Err(panic) = played {
        for agent in &pair.agents {
            eprintln!("{}", agent.log());
        }
        std::panic::resume_unwind(panic);
    }
}

/// Runs `play` while somebody looks all the time that never both nodes have the address.
fn watched(nodes: [&Namespace; 2], play: impl FnOnce()) {
    let (stop, looks) = (AtomicBool::new(false), AtomicUsize::new(0));
    let stopping = Stopping(&stop);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                // The second look at node 2 tells an address that went to node 1 from one that both have.
                let both = has(nodes[1], POOL[0]) && has(nodes[0], POOL[0]) && has(nodes[1], POOL[0]);
                assert!(!both, "two owners");
                looks.fetch_add(1, Ordering::Relaxed);
            }
        });
        play();
        drop(stopping);
    });
    assert!(looks.load(Ordering::Relaxed) > 50, "{looks:?} looks");
}

/// Ends whoever waits for it, also where the test fails.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_frozen_node_keeps_the_address_and_no_other_gets_it_before_that_one_let_go() {
    with_pair(|pair| {
        pair.wait_for_owner(0);
        watched(pair.nodes, || {
            pair.move_to(1);
            pair.wait_for_owner(1);
            pair.move_to(0);
            pair.wait_for_owner(0);

            signal(&pair.agents[0], Signal::STOP);
            pair.move_to(1);
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_secs(3) {
                let expected = [Some(POOL[0].into()), None];
                assert_eq!(pair.seem(), expected, "its kernel goes on, and no other begins");
            }
            let network = pair.bed.control.must(async |client| client.network(&pair.network.id).await);
            assert!(network.egress_leaving.is_some(), "{network:?}");
            signal(&pair.agents[0], Signal::CONT);
            pair.wait_for_owner(1);
        });
        let plan = pair.bed.control.must(async |client| client.plan(&pair.plan.id).await);
        assert_eq!(plan.label, "In Use");
    });
}

#[test]
fn a_fenced_node_loses_the_address_at_once_and_comes_back_when_it_knows_that() {
    with_pair(|pair| {
        pair.wait_for_owner(0);
        // It is dead: its uplink is down, and its agent hangs.
        signal(&pair.agents[0], Signal::STOP);
        pair.nodes[0].ip("link set uplink down");
        pair.fence(0, true).expect("a fence");
        // The dead node's devices still say what they said, so only packets can tell the owner.
        eventually("node 2 is the owner", || pair.seem() == [None, Some(POOL[0].into())]);
        let early = pair.fence(0, false).expect_err("it still has the address");
        assert!(early.contains("has not acknowledged"), "{early}");
        signal(&pair.agents[0], Signal::CONT);
        eventually("it lets go", || !has(pair.nodes[0], POOL[0]));
        eventually("it comes back", || pair.fence(0, false).is_ok());
        pair.nodes[0].ip("link set uplink up");
        pair.wait_for_owner(1);
    });
}
