//! A control plane of a test that speaks real HTTP to agents and nothing else: what it says, and what the
//! agents said to it, is the test's.

use std::collections::HashMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use limiter_agent::desired::{NodeState, OriginSpec};
use limiter_api::agent::{AgentAck, AgentContent, AgentState, StateQuery};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::netns::Namespace;
use crate::usage_desk::UsageDesk;

/// The token that it takes.
pub const TOKEN: &str = "agent-token-of-a-test";

/// Something is to happen within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// A control plane on loopback of a node.
pub struct FakeControl<'a> {
    node: &'a Namespace,
    address: SocketAddr,
    folder: TempDir,
    shared: Arc<Shared>,
    server: Option<(JoinHandle<()>, watch::Sender<bool>)>,
}

/// What an agent said, and what was there to see at that moment.
#[derive(Clone, Debug)]
pub struct Said {
    /// What it said.
    pub ack: AgentAck,
    /// What the test's witness saw.
    pub seen: Option<u64>,
    /// When.
    pub at: Instant,
}

type Witness = Box<dyn Fn() -> Option<u64> + Send>;

struct Shared {
    state: watch::Sender<Option<AgentState>>,
    said: Mutex<Vec<Said>>,
    asked: Mutex<Vec<StateQuery>>,
    witness: Mutex<Option<Witness>>,
    holds_acks: AtomicBool,
    fails_acks: Mutex<Option<String>>,
    usage: Mutex<UsageDesk>,
}

impl<'a> FakeControl<'a> {
    /// Starts one on the node's loopback, without a state.
    pub fn start(node: &'a Namespace) -> Self {
        let shared = Shared {
            state: watch::Sender::new(None),
            said: Mutex::default(),
            asked: Mutex::default(),
            witness: Mutex::default(),
            holds_acks: AtomicBool::new(false),
            fails_acks: Mutex::default(),
            usage: Mutex::default(),
        };
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let address = listen(node, any).local_addr().expect("an address");
        let folder = TempDir::new().expect("a folder for the test");
        let mut control = Self { node, address, folder, shared: Arc::new(shared), server: None };
        control.resume();
        control
    }

    /// Its address, as an agent is given it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Its local socket, as an agent is given it.
    pub fn socket_url(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("control.sock")
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it: connections break, its port refuses.
    pub fn stop(&mut self) {
        if let Some((thread, stop)) = self.server.take() {
            stop.send_replace(true);
            thread.join().expect("the fake control plane");
        }
    }

    /// Starts it again, as it was.
    pub fn resume(&mut self) {
        let listener = listen(self.node, self.address);
        let socket = self.socket();
        let _ = fs::remove_file(&socket);
        let socket = UnixListener::bind(&socket).expect("a socket");
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::clone(&self.shared);
        self.server = Some((thread::spawn(move || serve(listener, socket, shared, stopped)), stop));
    }

    /// Gives agents this state, with its origin.
    pub fn publish(&self, incarnation: &str, revision: u64, mut state: NodeState) {
        let incarnation = incarnation.to_owned();
        state.origin = Some(OriginSpec { incarnation: incarnation.clone(), revision });
        let content = AgentContent::State(state);
        self.shared.state.send_replace(Some(AgentState { incarnation, revision, content }));
    }

    /// Lets `witness` look whenever an agent says something.
    pub fn witness(&self, witness: impl Fn() -> Option<u64> + Send + 'static) {
        *lock(&self.shared.witness) = Some(Box::new(witness));
    }

    /// Leaves what agents say without an answer, or no longer.
    pub fn hold_acks(&self, hold: bool) {
        self.shared.holds_acks.store(hold, Ordering::Relaxed);
    }

    /// Fails to take what agents say, with this detail, or no longer.
    pub fn fail_acks(&self, detail: Option<&str>) {
        *lock(&self.shared.fails_acks) = detail.map(str::to_owned);
    }

    /// What agents measured.
    pub fn usage(&self) -> MutexGuard<'_, UsageDesk> {
        lock(&self.shared.usage)
    }

    /// What agents said.
    pub fn said(&self) -> Vec<Said> {
        lock(&self.shared.said).clone()
    }

    /// What agents asked.
    pub fn asked(&self) -> Vec<StateQuery> {
        lock(&self.shared.asked).clone()
    }

    /// Forgets what agents said and asked.
    pub fn forget(&self) {
        lock(&self.shared.said).clear();
        lock(&self.shared.asked).clear();
    }

    /// Waits until an agent says something that `is_it`.
    ///
    /// # Panics
    /// With all it said where it does not in time.
    pub fn wait_for(&self, is_it: impl Fn(&AgentAck) -> bool) -> Said {
        let start = Instant::now();
        loop {
            if let Some(said) = self.said().into_iter().find(|said| is_it(&said.ack)) {
                return said;
            }
            assert!(start.elapsed() < PATIENCE, "it said only {:?}", self.said());
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for FakeControl<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn listen(node: &Namespace, address: SocketAddr) -> TcpListener {
    node.enter(|| {
        let start = Instant::now();
        loop {
            match TcpListener::bind(address) {
                Ok(listener) => return listener,
                Err(error) => assert!(start.elapsed() < PATIENCE, "{address}: {error}"),
            }
            thread::sleep(Duration::from_millis(10));
        }
    })
}

fn serve(
    listener: TcpListener,
    socket: UnixListener,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener");
        let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
        socket.set_nonblocking(true).expect("a socket");
        let socket = tokio::net::UnixListener::from_std(socket).expect("a socket");
        let routes = Router::new().route("/v1/agent/state", get(state)).route("/v1/agent/ack", post(ack));
        let routes = routes.route("/v1/agent/usage", get(usage_taken).post(usage)).with_state(shared);
        // Not graceful: with the runtime every connection goes.
        tokio::select! {
            ended = axum::serve(listener, routes.clone()) => ended.expect("served"),
            ended = axum::serve(socket, routes) => ended.expect("served"),
            changed = stopped.changed() => changed.expect("a stop"),
        }
    });
}

fn is_known(headers: &HeaderMap) -> bool {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok());
    token == Some(&format!("Bearer {TOKEN}"))
}

async fn state(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    Query(query): Query<StateQuery>,
) -> Response {
    if !is_known(&headers) {
        return refusal(StatusCode::UNAUTHORIZED, "Unauthenticated", "the token is not known");
    }
    assert!(headers.contains_key(limiter_api::agent::AGENT_VERSION), "{headers:?}");
    lock(&shared.asked).push(query.clone());
    let is_newer = |state: &Option<AgentState>| {
        let newer = |state: &AgentState| {
            Some(&state.incarnation) != query.incarnation.as_ref() || state.revision > query.revision
        };
        state.as_ref().is_some_and(newer)
    };
    let mut states = shared.state.subscribe();
    let waited = tokio::time::timeout(Duration::from_secs(query.wait_s.into()), states.wait_for(is_newer));
    match waited.await {
        Ok(state) => Json(state.expect("a sender").clone()).into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn ack(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(ack): Json<AgentAck>) -> Response {
    if !is_known(&headers) {
        return refusal(StatusCode::UNAUTHORIZED, "Unauthenticated", "the token is not known");
    }
    let seen = lock(&shared.witness).as_ref().and_then(|witness| witness());
    let incarnation = ack.incarnation.clone();
    lock(&shared.said).push(Said { ack, seen, at: Instant::now() });
    while shared.holds_acks.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    if let Some(detail) = &*lock(&shared.fails_acks) {
        return refusal(StatusCode::CONFLICT, "Busy", detail);
    }
    let is_ours = shared.state.borrow().as_ref().is_some_and(|state| state.incarnation == incarnation);
    if is_ours {
        StatusCode::NO_CONTENT.into_response()
    } else {
        refusal(StatusCode::CONFLICT, "VersionConflict", "another")
    }
}

async fn usage(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_known(&headers) {
        return refusal(StatusCode::UNAUTHORIZED, "Unauthenticated", "the token is not known");
    }
    match lock(&shared.usage).take(&headers, &body) {
        Ok(taken) => Json(taken).into_response(),
        Err((status, code)) => refusal(status, &code, "not taken"),
    }
}

async fn usage_taken(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let record = query.get("record").map_or("", String::as_str);
    Json(lock(&shared.usage).through(record)).into_response()
}

fn refusal(status: StatusCode, code: &str, detail: &str) -> Response {
    let problem = limiter_api::Problem {
        status: status.as_u16(),
        code: code.to_owned(),
        detail: detail.to_owned(),
        field: None,
        retry: false,
        request_id: String::new(),
    };
    (status, Json(problem)).into_response()
}

/// What listens at a control plane's port and is none: the same bytes for every request.
pub struct Impostor {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU32>,
    thread: Option<JoinHandle<()>>,
}

/// What an impostor does when its bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It closes the connection.
    Close,
    /// It says nothing more.
    Hold,
    /// It sends the last 64 KiB again and again, to more than any answer may have.
    Repeat,
}

impl Impostor {
    /// Listens at `address` of the node.
    pub fn start(node: &Namespace, address: SocketAddr, bytes: Vec<u8>, then: Then) -> Self {
        let listener = listen(node, address);
        listener.set_nonblocking(true).expect("a listener");
        let (stop, requests) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (is_over, count) = (Arc::clone(&stop), Arc::clone(&requests));
        let thread = thread::spawn(move || {
            let mut held = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                match listener.accept() {
                    Ok((connection, _)) => {
                        count.fetch_add(1, Ordering::Relaxed);
                        held.extend(answer(connection, &bytes, then));
                    }
                    Err(_) => thread::sleep(Duration::from_millis(1)),
                }
            }
        });
        Self { address, stop, requests, thread: Some(thread) }
    }

    /// Requests so far.
    pub fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Waits until there were this many requests.
    ///
    /// # Panics
    /// Where there are not in time.
    pub fn wait_for_requests(&self, count: u32) {
        let start = Instant::now();
        while self.requests() < count {
            assert!(start.elapsed() < PATIENCE, "{} requests at {}", self.requests(), self.address);
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Impostor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the impostor");
        }
    }
}

/// Reads a request's head and answers; returns the connection where it stays open.
fn answer(mut connection: TcpStream, bytes: &[u8], then: Then) -> Option<TcpStream> {
    connection.set_nonblocking(false).expect("a connection");
    connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    // The other side may close before the end, as it should where there is none.
    let mut sent = connection.write_all(bytes);
    let mut left = if then == Then::Repeat { 300 << 4 } else { 0 };
    while left > 0 && sent.is_ok() {
        sent = connection.write_all(&bytes[bytes.len().saturating_sub(64 << 10)..]);
        left -= 1;
    }
    (then == Then::Hold).then_some(connection)
}
