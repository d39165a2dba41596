//! A control plane whose database is in trouble: it says what is wrong and what to do, answers what it can,
//! and recovers by itself.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use limiter_api::client::ClientError;
use limiter_api::params::{NetworkChange, NewAccount};
use limiter_api::{Problem, params};
use limiter_tests::control::Control;
use limiter_tests::played::Played;
use limiter_tests::postgres::Postgres;
use sea_orm::sqlx::sqlite::SqliteConnection;
use sea_orm::sqlx::{self, Connection as _};
use tempfile::TempDir;

/// Trouble that is over is over for the control plane after this time.
const RECOVERY: Duration = Duration::from_secs(20);

/// A file system of this size in memory.
struct Small(TempDir);

impl Small {
    fn new(bytes: u32) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs", &text(folder.path())]);
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, option: &str) {
        run("mount", &["-o", &format!("remount,{option}"), &text(self.path())]);
    }

    /// Leaves no byte free; gives the file that takes them.
    fn fill(&self) -> std::path::PathBuf {
        let path = self.path().join("filler");
        let file = fs::File::create(&path).expect("a file");
        let mut size = 0;
        for block in [1 << 16, 4096, 512, 1] {
            while file.write_all_at(&vec![1; block], size).is_ok() {
                size += block as u64;
            }
        }
        assert!(size > 0, "it was full before");
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &text(self.path())]).status();
    }
}

#[test]
fn a_full_disk_is_told_and_over_when_there_is_room() {
    let disk = Small::new(2 << 20);
    let control = Control::start_in(disk.path());
    let (account, mut agent) = furnish(&control);
    let filler = disk.fill();
    let problem = until_refused(&control);
    assert_unavailable(&problem, "no space left; free some");
    assert_reads(&control, &account, &mut agent);
    fs::remove_file(filler).expect("room again");
    assert_recovers(&control);
}

#[test]
fn a_locked_database_is_told_and_over_when_it_is_free() {
    let control = Control::start();
    let (account, mut agent) = furnish(&control);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut other = runtime.block_on(async {
        let url = format!("sqlite:{}", control.database_path().display());
        let mut other = SqliteConnection::connect(&url).await.expect("a connection");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
        other
    });
    let start = Instant::now();
    let problem = until_refused(&control);
    assert!(start.elapsed() < Duration::from_secs(12), "it waited {:?}", start.elapsed());
    assert_unavailable(&problem, "look for a stuck client");
    let start = Instant::now();
    assert_reads(&control, &account, &mut agent);
    assert!(start.elapsed() < Duration::from_secs(3), "reads waited {:?}", start.elapsed());
    runtime.block_on(sqlx::query("ROLLBACK").execute(&mut other)).expect("the lock is free");
    assert_recovers(&control);
}

#[test]
fn a_read_only_file_is_refused_with_the_remedy() {
    let disk = Small::new(4 << 20);
    let mut control = Control::start_in(disk.path());
    furnish(&control);
    let database = control.database_path();
    control.kill();
    disk.remount("ro");
    let told = refused_start(&database);
    assert!(told.contains("read-only; make its file, folder or server writable"), "{told}");
    disk.remount("rw");
    control.launch();
    assert_recovers(&control);
}

#[test]
fn a_newer_schema_is_refused_with_the_remedy() {
    let mut control = Control::start();
    control.kill();
    let url = format!("sqlite:{}", control.database_path().display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut other = SqliteConnection::connect(&url).await.expect("a connection");
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m9999_future', 0)";
        sqlx::query(newer).execute(&mut other).await.expect("a newer schema");
        other.close().await.expect("closed");
    });
    let told = refused_start(&control.database_path());
    assert!(told.contains("m9999_future") && told.contains("install the newer program"), "{told}");
}

#[test]
fn a_read_only_server_is_told_and_over_when_it_writes_again() {
    let server = Postgres::start();
    let control = Control::start_at(&server.database("trouble"));
    let (account, mut agent) = furnish(&control);
    let set = |on: &str| {
        server.sql("postgres", &format!("ALTER SYSTEM SET default_transaction_read_only = {on}"));
        server.sql("postgres", "SELECT pg_reload_conf()");
    };
    set("on");
    let problem = until_refused(&control);
    assert_unavailable(&problem, "read-only; make its file, folder or server writable");
    assert_reads(&control, &account, &mut agent);
    set("off");
    assert_recovers(&control);
}

#[test]
fn a_stopped_server_is_told_and_over_when_it_runs_again() {
    let mut server = Postgres::start();
    let control = Control::start_at(&server.database("trouble"));
    let (_, mut agent) = furnish(&control);
    // The server of a test keeps nothing safe by itself.
    server.sql("trouble", "CHECKPOINT");
    server.stop();
    let problem = until_refused(&control);
    assert_unavailable(&problem, "the database cannot be reached");
    server.launch();
    assert_recovers(&control);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let query = params::NetworkQuery::default();
    let network = control.must(async |client| client.networks(&query).await).items.remove(0);
    // A change after the server's return reaches an agent that waits.
    let waiting = runtime.spawn(async move { agent.fetch(20).await.map(|newer| (newer, agent)) });
    let changed = NetworkChange { observe: Some(true), ..NetworkChange::default() };
    control.must(async |client| client.update_network(&network.id, &changed).await);
    let (newer, agent) = runtime.block_on(waiting).expect("a task").expect("an answer");
    assert!(newer && agent.state().is_some_and(|state| state.networks[0].observe));
}

/// An account with a network, and the node's agent with its state.
fn furnish(control: &Control) -> (String, Played) {
    let account = control.account("acme");
    let token = fs::read_to_string(control.node("edge", "inst*")).expect("token");
    control.network(&account, "office", "10.1.0.0/24");
    let mut agent = Played::new(control.endpoint(), &token);
    assert!(block_on(agent.fetch(0)).expect("a state"));
    (account, agent)
}

/// Changes things until that is refused.
fn until_refused(control: &Control) -> Problem {
    let start = Instant::now();
    for number in 0.. {
        let new = NewAccount { name: format!("account {number}") };
        match control.ask(async |client| client.create_account(&new).await) {
            Ok(_) => assert!(start.elapsed() < RECOVERY, "nothing was refused"),
            Err(ClientError::Refused(problem)) => return *problem,
            Err(error) => panic!("{error}\n{}", control.log()),
        }
    }
    unreachable!("numbers do not end")
}

fn assert_unavailable(problem: &Problem, remedy: &str) {
    assert_eq!(
        (problem.status, &*problem.code, problem.retry),
        (503, "DatabaseUnavailable", true),
        "{problem:?}"
    );
    assert!(problem.detail.contains(remedy), "{problem:?}");
}

/// What needs no write is answered, also to agents.
fn assert_reads(control: &Control, account: &str, agent: &mut Played) {
    let found = control.must(async |client| client.account(account).await);
    assert_eq!(found.name, "acme");
    control.must(async |client| client.status().await);
    assert!(!block_on(agent.fetch(0)).expect("an answer"), "nothing is newer");
}

/// Without a restart everything can be done again, and nothing that was refused is there.
fn assert_recovers(control: &Control) {
    let start = Instant::now();
    let new = NewAccount { name: "after".to_owned() };
    while let Err(error) = control.ask(async |client| client.create_account(&new).await) {
        let refused = error.problem().is_some_and(|problem| problem.code == "DatabaseUnavailable");
        assert!(refused && start.elapsed() < RECOVERY, "{error}\n{}", control.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(control.must(async |client| client.account("after").await).name, "after");
    assert!(!control.log().contains("a defect"), "{}", control.log());
}

/// Starts a control plane that must not start; gives what it says.
fn refused_start(database: &Path) -> String {
    let program = limiter_tests::program_file::find("limiter-control", "LIMITER_CONTROL_BIN");
    let mut command = Command::new(program);
    command.arg("--database").arg(format!("sqlite:{}", database.display()));
    command.args(["run", "--listen", "127.0.0.1:0", "--socket", "off"]);
    let Output { status, stderr, .. } = command.stdin(Stdio::null()).output().expect("the control plane");
    let told = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success(), "it started: {told}");
    told
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn text(path: &Path) -> String {
    path.to_str().expect("UTF-8").to_owned()
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().expect(program);
    assert!(status.success(), "{program} {arguments:?}: {status}");
}
