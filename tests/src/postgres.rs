//! A PostgreSQL server of a test's own: new, empty, on a Unix socket alone, and gone with the test.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A start takes at most this long, also on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running server. What it commits outlives it, but not the machine.
pub struct Postgres {
    folder: TempDir,
    programs: PathBuf,
    process: Option<Child>,
}

impl Postgres {
    /// Makes a cluster and starts its server.
    ///
    /// # Panics
    /// Where PostgreSQL is missing, with the remedy, or does not start, with its log.
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new().prefix("limiter-pg-").tempdir().expect("a folder for the test");
        if let Some((user, group)) = unprivileged() {
            chown(folder.path(), Some(user), Some(group)).expect("the folder becomes the server's");
        }
        let mut server = Self { folder, programs, process: None };
        let mut initdb = server.as_server("initdb");
        initdb.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8"]);
        run(initdb.arg("--locale=C.UTF-8").arg("--pgdata").arg(server.data()));
        server.launch();
        server
    }

    /// Starts the server again after [`Self::stop`].
    pub fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.log_path()).expect("log");
        let mut command = self.as_server("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        for setting in ["listen_addresses=", "fsync=off", "full_page_writes=off", "shared_buffers=32MB"] {
            command.args(["-c", setting]);
        }
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.process = Some(process.expect("the server's program"));
        let start = Instant::now();
        while !self.answers() {
            let ended = self.process.as_mut().map(Child::try_wait);
            assert!(
                matches!(ended, Some(Ok(None))) && start.elapsed() < PATIENCE,
                "PostgreSQL does not start: {ended:?}\n{}",
                fs::read_to_string(self.log_path()).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Makes an empty database; gives the URL to open it at.
    pub fn database(&self, name: &str) -> String {
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        self.url(name)
    }

    /// The URL of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@localhost/{database}?host={}", self.folder.path().display())
    }

    /// Runs statements in a session of their own, whatever the server forbids others; gives what they print.
    ///
    /// # Panics
    /// Where one fails.
    pub fn sql(&self, database: &str, statements: &str) -> String {
        let mut psql = self.as_client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
        run(psql.args(["--dbname", database, "--command", statements]))
    }

    /// The statements that make the schema of a database, without what depends on server and session.
    pub fn schema(&self, database: &str) -> String {
        let mut dump = self.as_client("pg_dump");
        dump.args(["--schema-only", "--no-owner", "--no-privileges", "--dbname", database]);
        let session = |line: &str| {
            line.is_empty() || ["--", "SET ", "SELECT ", "\\"].iter().any(|start| line.starts_with(start))
        };
        let text = run(&mut dump);
        let lines: Vec<_> = text.lines().filter(|line| !session(line)).collect();
        lines.join("\n") + "\n"
    }

    /// A folder of the server's, for a tablespace.
    pub fn give(&self, folder: &Path) {
        if let Some((user, group)) = unprivileged() {
            chown(folder, Some(user), Some(group)).expect("the folder becomes the server's");
        }
    }

    /// Stops the server at once, as a crash would.
    pub fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let pid = i32::try_from(process.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            // SIGQUIT is its immediate shutdown, which frees shared memory; SIGKILL does not.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::QUIT);
        }
        let _ = process.wait();
    }

    fn answers(&self) -> bool {
        let mut ready = self.as_client("pg_isready");
        let asked = ready.stdout(Stdio::null()).stderr(Stdio::null()).status();
        asked.unwrap_or_else(|error| panic!("{ready:?}: {error}")).success()
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// A program as the server's user, which is not root; it ends with this thread, however that ends.
    fn as_server(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if let Some((user, group)) = unprivileged() {
            command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups");
        }
        command.arg("--").arg(program).current_dir(self.folder.path());
        command
    }

    fn as_client(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.env("PGHOST", self.folder.path()).env("PGUSER", "postgres");
        command.env("PGOPTIONS", "-c default_transaction_read_only=off");
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// User and group to be instead of root, whom PostgreSQL refuses.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
    let line = users.lines().find(|line| line.starts_with("postgres:"));
    let fields: Vec<_> = line.unwrap_or_else(|| missing("the user postgres")).split(':').collect();
    let number = |at: usize| fields.get(at).and_then(|field| field.parse().ok());
    Some((number(2).expect("a user's number"), number(3).expect("a group's number")))
}

/// Where the server's programs are: Debian keeps them out of the path, by version.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<_> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let found = folders.into_iter().find(|folder| folder.join("initdb").is_file());
    found.unwrap_or_else(|| missing("initdb"))
}

fn missing(what: &str) -> ! {
    panic!("{what} of PostgreSQL is missing: run `cargo xtask setup`")
}

/// Runs a program to its end; gives what it prints.
fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?} failed: {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("text")
}
