//! The real control plane of a test: its own database, its own socket, started, killed and started again.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use limiter_api::client::{Client, ClientError, Endpoint};
use limiter_api::params::{NewAccount, NewInstance, NewNetwork, NewNode, NewPlan, NewToken};
use limiter_api::views::{Instance, Network, NodeInterface, Plan};
use tempfile::TempDir;

use crate::program_file;

/// A start takes at most this long, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Name of its embedded database.
const DATABASE: &str = "limiter.db";

/// A control plane.
pub struct Control {
    folder: TempDir,
    database: String,
    doors: Vec<String>,
    process: Option<Child>,
    runtime: tokio::runtime::Runtime,
}

impl Control {
    /// Starts one on an embedded database.
    pub fn start() -> Self {
        Self::start_in(&std::env::temp_dir())
    }

    /// Starts one on an embedded database in a folder of its own below `parent`.
    pub fn start_in(parent: &Path) -> Self {
        let mut control = Self::stopped_in(parent);
        control.launch();
        control
    }

    /// One that was not started yet, on an embedded database in a folder of its own below `parent`.
    pub fn stopped_in(parent: &Path) -> Self {
        let folder = TempDir::new_in(parent).expect("a folder for the test");
        let database = format!("sqlite:{}", folder.path().join(DATABASE).display());
        Self::stopped(folder, database)
    }

    /// Starts one on the database at `url`.
    pub fn start_at(url: &str) -> Self {
        let mut control = Self::stopped_at(url);
        control.launch();
        control
    }

    /// One that was not started yet, on the database at `url`.
    pub fn stopped_at(url: &str) -> Self {
        Self::stopped(TempDir::new().expect("a folder for the test"), url.to_owned())
    }

    fn stopped(folder: TempDir, database: String) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let doors = ["--listen", "off"].map(str::to_owned).to_vec();
        Self { folder, database, doors, process: None, runtime }
    }

    /// From the next start on it is also served as these words of the command line say.
    pub fn doors(&mut self, words: &[&str]) {
        self.doors = words.iter().map(ToString::to_string).collect();
    }

    /// Starts it and waits until it answers; returns how long that took.
    ///
    /// # Panics
    /// With its log where it ends before.
    pub fn launch(&mut self) -> Duration {
        let start = Instant::now();
        let log = fs::File::options().create(true).append(true).open(self.log_path()).expect("log");
        let mut command = self.command(&["run", "--socket"]);
        command.arg(self.socket()).args(&self.doors).stdout(Stdio::null()).stderr(log);
        let mut process = command.spawn().expect("the control plane");
        while self.ask(async |client| client.me().await).is_err() {
            let ended = process.try_wait().expect("wait");
            assert!(
                ended.is_none() && start.elapsed() < PATIENCE,
                "the control plane is not ready: {ended:?}\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        self.process = Some(process);
        start.elapsed()
    }

    /// The command line of the control plane with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program_file::find("limiter-control", "LIMITER_CONTROL_BIN"));
        command.args(["--database", &self.database]).args(words);
        command
    }

    /// Its local socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// Its local socket, as clients name it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::unix(&self.socket()).expect("an endpoint")
    }

    /// The address of its TCP listener since its last start.
    ///
    /// # Panics
    /// Where it has none.
    pub fn address(&self) -> SocketAddr {
        let log = self.log();
        let last = log.rsplit_once("address=Some(").and_then(|(_, rest)| rest.split_once(')'));
        last.and_then(|(address, _)| address.parse().ok()).unwrap_or_else(|| panic!("no address in {log}"))
    }

    /// Where its database is, as the command line names it.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The file of its embedded database.
    pub fn database_path(&self) -> PathBuf {
        self.folder.path().join(DATABASE)
    }

    /// Its process, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// Its folder, for files of the test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Does something as the operator on the local socket.
    pub fn ask<T>(
        &self,
        work: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        self.ask_as(None, work)
    }

    /// Does something with a token.
    pub fn ask_as<T>(
        &self,
        token: Option<&str>,
        work: impl AsyncFnOnce(&Client) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let client = Client::new(self.endpoint(), token)?;
        self.runtime.block_on(work(&client))
    }

    /// Does something as the operator that must succeed.
    ///
    /// # Panics
    /// With the problem and the log where it does not.
    pub fn must<T>(&self, work: impl AsyncFnOnce(&Client) -> Result<T, ClientError>) -> T {
        self.ask(work).unwrap_or_else(|error| panic!("{error}\n{}", self.log()))
    }

    /// Makes an account; gives its id.
    pub fn account(&self, name: &str) -> String {
        let new = NewAccount { name: name.to_owned() };
        self.must(async |client| client.create_account(&new).await).id
    }

    /// A new token of an account's customer.
    pub fn customer(&self, account: &str) -> String {
        let new = NewToken {
            name: "test".to_owned(),
            role: "customer".to_owned(),
            account: Some(account.to_owned()),
            node: None,
            expires_at: None,
        };
        self.must(async |client| client.create_token(&new).await).secret
    }

    /// Makes a node with the interfaces that match `pattern`; gives the file with its agent's token.
    pub fn node(&self, name: &str, pattern: &str) -> PathBuf {
        let interface = NodeInterface {
            pattern: pattern.to_owned(),
            zone: "default".to_owned(),
            mode: "auto".to_owned(),
            observe: false,
            foreign_sources: "drop".to_owned(),
        };
        let new = NewNode { name: name.to_owned(), interfaces: vec![interface], ..NewNode::default() };
        self.must(async |client| client.create_node(&new).await);
        let token = NewToken {
            name: format!("agent of {name}"),
            role: "agent".to_owned(),
            account: None,
            node: Some(name.to_owned()),
            expires_at: None,
        };
        let secret = self.must(async |client| client.create_token(&token).await).secret;
        let file = self.folder.path().join(format!("{name}.token"));
        fs::write(&file, secret).expect("token");
        file
    }

    /// Makes a network with one prefix.
    pub fn network(&self, account: &str, name: &str, prefix: &str) -> Network {
        let new = NewNetwork {
            account: Some(account.to_owned()),
            name: name.to_owned(),
            prefixes: vec![prefix.to_owned()],
            ..NewNetwork::default()
        };
        self.must(async |client| client.create_network(&new).await)
    }

    /// Makes an instance with one address.
    pub fn instance(&self, network: &str, name: &str, address: &str) -> Instance {
        let new = NewInstance {
            network: network.to_owned(),
            name: name.to_owned(),
            addresses: vec![address.to_owned()],
            ..NewInstance::default()
        };
        self.must(async |client| client.create_instance(&new).await)
    }

    /// Buys a plan that is paid as it goes.
    pub fn plan(&self, account: &str, peak_bps: u64, network: Option<&str>) -> Plan {
        let new = NewPlan {
            account: Some(account.to_owned()),
            pay: "pay_as_you_go".to_owned(),
            peak_bps,
            network: network.map(str::to_owned),
            ..NewPlan::default()
        };
        self.must(async |client| client.create_plan(&new).await)
    }

    /// Waits until a plan reads `label`.
    ///
    /// # Panics
    /// Where it does not in time.
    pub fn wait_for_plan(&self, id: &str, label: &str) -> Plan {
        let start = Instant::now();
        loop {
            let plan = self.must(async |client| client.plan(id).await);
            if plan.label == label {
                return plan;
            }
            assert!(start.elapsed() < PATIENCE, "{id} is {}, not {label}\n{}", plan.label, self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// Kills it, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("kill");
            process.wait().expect("wait");
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("log of the control plane:\n{}", self.log());
        }
    }
}
