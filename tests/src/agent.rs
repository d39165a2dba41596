//! The real agent in a namespace of a test.

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use limiter_agent::dataplane::Maps;
use tempfile::TempDir;

use crate::netns::Namespace;
use crate::program_file;

/// An agent with its own name, records and state file. What it left on the node goes with it.
#[derive(Debug)]
pub struct Agent<'a> {
    node: &'a Namespace,
    name: String,
    folder: TempDir,
    /// What `run` is given besides.
    run: Vec<OsString>,
    process: Option<Child>,
}

/// A start or a change takes at most this long, also under emulation.
const PATIENCE: Duration = Duration::from_mins(1);

impl<'a> Agent<'a> {
    /// Writes `state` and starts the agent in `node`; returns when its limits are in force.
    pub fn start(node: &'a Namespace, state: &str) -> Self {
        let mut agent = Self::stopped(node, state);
        agent.launch();
        agent
    }

    /// An agent that was not started yet.
    pub fn stopped(node: &'a Namespace, state: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("limiter-agent-test-{}-{number}", std::process::id());
        let folder = TempDir::new().expect("a folder for the test");
        let agent = Self { node, name, folder, run: vec!["run".into()], process: None };
        agent.write_state(state);
        agent
    }

    /// Lets the agent follow the control plane at `url` from its next start on, with this token.
    pub fn follow(&mut self, url: &str, token: &str) {
        let file = self.folder.path().join("token");
        fs::write(&file, format!("{token}\n")).expect("token");
        self.run = ["run", "--control", url, "--token-file"].map(OsString::from).to_vec();
        self.run.push(file.into());
    }

    /// Lets the agent follow its state file from its next start on.
    pub fn unfollow(&mut self) {
        self.run.truncate(1);
    }

    /// Starts the agent and waits until it says that its limits are in force.
    ///
    /// # Panics
    /// With its log where it ends before.
    pub fn launch(&mut self) {
        self.launch_watched(None);
    }

    /// As [`Self::launch`], with the watchdog's time that the service manager would state; returns where
    /// the agent's further notifications arrive.
    pub fn launch_watched(&mut self, watchdog: Option<Duration>) -> UnixDatagram {
        let socket = self.begin_watched(watchdog);
        self.wait_for_notice(&socket, |line| line == "READY=1");
        socket
    }

    /// Starts the agent without waiting for anything.
    pub fn begin(&mut self) {
        self.process = Some(self.spawn(&[]));
    }

    /// As [`Self::begin`]; returns where the agent's notifications arrive.
    pub fn begin_watched(&mut self, watchdog: Option<Duration>) -> UnixDatagram {
        let notify = self.folder.path().join("notify");
        let _ = fs::remove_file(&notify);
        let socket = UnixDatagram::bind(&notify).expect("notify socket");
        socket.set_read_timeout(Some(Duration::from_millis(50))).expect("timeout");
        let mut variables = vec![("NOTIFY_SOCKET", notify.into_os_string())];
        variables.extend(watchdog.map(|time| ("WATCHDOG_USEC", time.as_micros().to_string().into())));
        self.process = Some(self.spawn(&variables));
        socket
    }

    /// Waits until a line that the agent notifies is one that `is_it`; returns it.
    ///
    /// # Panics
    /// With the agent's log where it ends before.
    pub fn wait_for_notice(&mut self, socket: &UnixDatagram, is_it: impl Fn(&str) -> bool) -> String {
        let start = Instant::now();
        let mut buffer = [0; 4096];
        loop {
            if let Ok(bytes) = socket.recv(&mut buffer)
                && let Some(line) = String::from_utf8_lossy(&buffer[..bytes]).lines().find(|line| is_it(line))
            {
                return line.to_owned();
            }
            let ended = self.process.as_mut().map(|process| process.try_wait().expect("wait"));
            assert!(
                matches!(ended, Some(None)) && start.elapsed() < PATIENCE,
                "the agent does not say so: {ended:?}\n{}",
                self.log()
            );
        }
    }

    fn spawn(&self, variables: &[(&str, OsString)]) -> Child {
        let log = fs::File::options().create(true).append(true).open(self.log_path()).expect("log");
        let mut command = self.command(&[]);
        command.args(&self.run).stdout(Stdio::null()).stderr(log).envs(variables.iter().cloned());
        self.node.spawn(command)
    }

    /// The command line of the agent with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program_file::find("limiter-agent", "LIMITER_AGENT_BIN"));
        command.args(["--name", &self.name, "--state-dir"]).arg(self.records());
        command.arg("--state").arg(self.state_path()).args(words);
        command
    }

    /// Runs one of the agent's commands in the node; returns whether it succeeded and what it printed.
    pub fn ask(&self, words: &[&str]) -> (bool, String) {
        let mut command = self.command(words);
        let output = self.node.enter(move || command.output().expect("agent"));
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).into_owned())
    }

    /// Writes the state file whole, as an editor does.
    pub fn write_state(&self, state: &str) {
        let next = self.folder.path().join("state.yaml.next");
        fs::write(&next, state).expect("state");
        fs::rename(next, self.state_path()).expect("state");
    }

    /// Writes the state file and waits until `holds` says that it is in force.
    pub fn change(&self, state: &str, holds: impl Fn(&Maps) -> bool) -> Duration {
        let start = Instant::now();
        self.write_state(state);
        self.wait_until(holds);
        start.elapsed()
    }

    /// Waits until the maps are as `holds` wants them.
    pub fn wait_until(&self, holds: impl Fn(&Maps) -> bool) {
        let start = Instant::now();
        let maps = self.maps();
        while !holds(&maps) {
            assert!(start.elapsed() < PATIENCE, "the change is not in force\n{}", self.log());
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The pinned maps.
    pub fn maps(&self) -> Maps {
        Maps::open(&self.pins()).expect("maps").expect("pinned maps")
    }

    /// Where the maps are pinned.
    pub fn pins(&self) -> PathBuf {
        Path::new("/sys/fs/bpf").join(&self.name)
    }

    /// Its state file.
    pub fn state_path(&self) -> PathBuf {
        self.folder.path().join("state.yaml")
    }

    /// The folder of its records.
    pub fn records(&self) -> PathBuf {
        self.folder.path().join("records")
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

    /// The process while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// User and system time it took so far, fields 14 and 15 of `proc_pid_stat(5)`.
    pub fn cpu_time(&self) -> Duration {
        let pid = self.pid().expect("the agent runs");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process of ours");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks: u64 =
            fields.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        self.kill();
        let (done, text) = self.ask(&["uninstall", "--yes"]);
        if std::thread::panicking() {
            eprintln!("agent log:\n{}", self.log());
        } else {
            assert!(done || !self.pins().exists(), "uninstall: {text}");
        }
    }
}
