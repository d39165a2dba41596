//! What the demo runs on: a node between two networks and the Internet, a control plane, an agent.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use limiter_agent::reading::Owners;
use limiter_api::params::NetworkQuery;
use limiter_common::meter::Direction;
use limiter_tests::agent::Agent;
use limiter_tests::control::Control;
use limiter_tests::program_file;
use limiter_tests::topology::Topology;

use crate::internet::{Internet, Span};
use crate::outcome::command;

/// Networks by their place in the topology.
pub(crate) const NETWORKS: [&str; 2] = ["red", "blue"];
/// What networks without a plan leave through.
pub(crate) const SHARED: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// What the first plan leaves through.
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
/// Owner of both.
const ACCOUNT: &str = "demo";

/// Everything that runs.
pub(crate) struct World<'a> {
    pub(crate) topology: &'a Topology,
    pub(crate) control: Control,
    pub(crate) agent: Agent<'a>,
    pub(crate) internet: Internet,
    /// Meters of [`NETWORKS`].
    slots: Vec<u32>,
}

impl<'a> World<'a> {
    /// Starts the control plane, tells it what there is, and starts the agent that follows it.
    pub(crate) fn start(topology: &'a Topology) -> Self {
        let control = Control::start();
        let agent = Agent::stopped(&topology.node, "");
        let internet = Internet::start(&topology.host);
        let mut world = Self { topology, control, agent, internet, slots: Vec::new() };
        world.limiter("account create demo");
        println!("   {}", command("export LIMITER_ACCOUNT=demo"));
        world.limiter(&format!("node create n1 --interface 'inst*' --shared-address {SHARED}"));
        world.limiter(&format!("address import {OWN}-198.51.100.21"));
        world.limiter("token create n1-agent --role agent --node n1 --secret-file n1.token");
        world.limiter("network create red --prefix 10.10.0.0/24");
        world.limiter("network create blue --prefix 10.11.0.0/24");
        for instance in ["a --network red --address 10.10.0.2", "b --network red --address 10.10.0.3"] {
            world.limiter(&format!("instance create {instance}"));
        }
        for instance in ["a --network blue --address 10.11.0.2", "b --network blue --address 10.11.0.3"] {
            world.limiter(&format!("instance create {instance}"));
        }
        let token = fs::read_to_string(world.control.folder().join("n1.token")).expect("token");
        world.agent.follow(&world.url(), token.trim());
        println!("   {}", command("limiter-agent run --control unix:… --token-file n1.token"));
        world.agent.launch();
        world.find_meters();
        world
    }

    /// Where the control plane answers.
    pub(crate) fn url(&self) -> String {
        format!("unix:{}", self.control.socket().display())
    }

    /// Shows a command line of `limiter` and does it.
    ///
    /// # Panics
    /// Where it fails, with what it said.
    pub(crate) fn limiter(&self, line: &str) -> String {
        println!("   {}", command(&format!("limiter {line}")));
        let mut process = Command::new(program_file::find("limiter", "LIMITER_BIN"));
        process.args(line.split_whitespace().map(|word| word.trim_matches('\'')));
        process.current_dir(self.control.folder()).env("LIMITER_CONTROL", self.url());
        if !line.starts_with("account ") {
            process.env("LIMITER_ACCOUNT", ACCOUNT);
        }
        let output = process.output().expect("limiter");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{process:?}: {}\n{said}\n{}", output.status, self.control.log());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// As [`Self::limiter`], and shows what it says.
    pub(crate) fn shown(&self, line: &str) -> String {
        let said = self.limiter(line);
        for line in said.lines() {
            println!("      {line}");
        }
        said
    }

    fn find_meters(&mut self) {
        let page = self.control.must(async |client| client.networks(&NetworkQuery::default()).await);
        let owners = Owners::read(self.agent.maps().meters());
        let slot = |name: &str| {
            let network = page.items.iter().find(|network| network.name == name).expect("a network");
            owners.network(&network.id).expect("a meter")
        };
        self.slots = NETWORKS.map(slot).to_vec();
    }

    /// Shows once a second what passed the meters of both networks, and whom the Internet host saw.
    pub(crate) fn watch(&self, seconds: u64) -> Span {
        let maps = self.agent.maps();
        let read = |slot: u32| Direction::ALL.map(|way| maps.meters().read(slot, way).passed_bytes);
        let read = || self.slots.iter().map(|&slot| read(slot)).collect::<Vec<_>>();
        let begin = Instant::now();
        let (mut from, mut before) = (begin, read());
        for _ in 0..seconds {
            thread::sleep(Duration::from_secs(1));
            let (to, now) = (Instant::now(), read());
            let mbps = |network: usize, way: usize| {
                let bytes = now[network][way] - before[network][way];
                if bytes == 0 { "-".to_owned() } else { format!("{:.2}", bytes as f64 * 8.0 / 1e6) }
            };
            let columns = (0..NETWORKS.len()).map(|network| {
                format!("{} up {:>6} down {:>6}", NETWORKS[network], mbps(network, 0), mbps(network, 1))
            });
            let columns = columns.collect::<Vec<_>>().join("   ");
            let line = format!("      {columns}   {}", self.internet.line(Span { from, to }));
            println!("{}", line.trim_end());
            (from, before) = (to, now);
        }
        Span { from: begin, to: from }
    }
}
