//! A change: one serial transaction with its events, its revision and, where asked, its answer kept for a
//! repeated call.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use limiter_domain::price::Books;
use limiter_domain::{
    AccountId, Code, Event, EventKind, Happening, NetworkId, Node, NodeId, Revision, TokenId,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{refuse, refuse_field};
use super::{App, AppError, Caller};
use crate::store::{IdempotencyRecord, Write};

/// A call that changes something.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// The operation, as the scope of `key`: method and path.
    pub operation: Arc<str>,
    /// The caller's name for this one call.
    pub key: Option<Arc<str>>,
    /// SHA-256 of the input.
    pub input_hash: [u8; 32],
    /// The version that the caller has seen.
    pub expected_version: Option<u64>,
}

impl Call {
    /// A call without a key or version.
    pub fn plain(caller: Caller, operation: &str) -> Self {
        Self { caller, operation: operation.into(), key: None, input_hash: [0; 32], expected_version: None }
    }

    /// Refuses a version where a call is of several things, or of one without versions.
    pub fn check_unversioned(&self) -> Result<(), AppError> {
        if self.expected_version.is_none() {
            return Ok(());
        }
        let message = "this call takes no version; leave if-match out";
        Err(refuse_field(Code::InvalidParameter, "if-match", message))
    }

    /// Refuses what was changed since the caller read it.
    pub fn check_version(&self, version: u64) -> Result<(), AppError> {
        match self.expected_version {
            Some(expected) if expected != version => Err(refuse(
                Code::VersionConflict,
                format!("it has version {version}, not {expected}; read it again and repeat the change"),
            )),
            _ => Ok(()),
        }
    }
}

/// What a call begins with.
pub(super) enum Begun<T> {
    /// A new change.
    New(Box<Change>),
    /// The same call was answered before.
    Again(T),
}

/// An open change; dropped, it never was.
pub(super) struct Change {
    /// The transaction.
    pub(super) tx: Write,
    /// When it happens.
    pub(super) now: Timestamp,
    call: Call,
    events: Vec<Event>,
    /// Networks with something new for their nodes; true: they are told whole.
    news: BTreeMap<NetworkId, bool>,
    /// The nodes of a region, while none of them is put or removed.
    nodes: HashMap<String, Arc<[Node]>>,
    /// How many addresses of plans each node has, or is to have.
    load: Option<HashMap<String, u64>>,
    /// All price books; none is made within a change that reads them.
    books: Option<Arc<Books>>,
}

impl App {
    /// Begins a change, or finds the answer of the same call before.
    pub(super) async fn begin<T: DeserializeOwned>(&self, call: &Call) -> Result<Begun<T>, AppError> {
        let tx = self.store.write().await?;
        let now = self.now();
        if let Some(key) = &call.key
            && let Some(known) = tx.idempotency(scope(&call.caller), &call.operation, key).await?
        {
            if known.request_hash != call.input_hash {
                return Err(refuse(
                    Code::IdempotentParameterMismatch,
                    format!("the idempotency key {key} was used with other input; take a new one"),
                ));
            }
            let answer = serde_json::from_str(&known.response);
            return answer.map(Begun::Again).map_err(|error| AppError::Broken(error.to_string()));
        }
        Ok(Begun::New(Box::new(Change::new(tx, now, call.clone()))))
    }

    /// Begins a change of our own, which no key repeats.
    pub(super) async fn begin_own(&self, caller: Caller, operation: &str) -> Result<Change, AppError> {
        let tx = self.store.write().await?;
        Ok(Change::new(tx, self.now(), Call::plain(caller, operation)))
    }
}

impl Change {
    fn new(tx: Write, now: Timestamp, call: Call) -> Self {
        Self {
            tx,
            now,
            call,
            events: Vec::new(),
            news: BTreeMap::new(),
            nodes: HashMap::new(),
            load: None,
            books: None,
        }
    }

    /// The number of this change.
    pub(super) fn revision(&self) -> Revision {
        self.tx.revision()
    }

    /// All nodes of a region, oldest first; read once, for changes of many plans.
    pub(super) async fn nodes_of_region(&mut self, region: &str) -> Result<Arc<[Node]>, AppError> {
        if let Some(nodes) = self.nodes.get(region) {
            return Ok(Arc::clone(nodes));
        }
        let nodes: Arc<[Node]> = self.tx.nodes_of_region(region).await?.into();
        self.nodes.insert(region.to_owned(), Arc::clone(&nodes));
        Ok(nodes)
    }

    /// Inserts a node, or replaces it.
    pub(super) async fn put_node(&mut self, node: &Node) -> Result<(), AppError> {
        self.nodes.clear();
        Ok(self.tx.put_node(node).await?)
    }

    /// Removes a node.
    pub(super) async fn remove_node(&mut self, node: &NodeId) -> Result<(), AppError> {
        self.nodes.clear();
        self.tx.remove_node(node).await?;
        Ok(())
    }

    /// How many addresses of plans each node has, or is to have; who gives a node another one counts it here.
    pub(super) async fn load(&mut self) -> Result<&mut HashMap<String, u64>, AppError> {
        let load = match self.load.take() {
            Some(load) => load,
            None => self.tx.count_addresses_by_node().await?,
        };
        Ok(self.load.insert(load))
    }

    /// All price books; read once, for changes of many plans.
    pub(super) async fn books(&mut self) -> Result<Arc<Books>, AppError> {
        let books = match self.books.take() {
            Some(books) => books,
            None => Arc::new(self.tx.price_books().await?),
        };
        Ok(Arc::clone(self.books.insert(books)))
    }

    /// Instances or rules of a network are new, or changed but for their names: its nodes are to know.
    pub(super) fn touch(&mut self, network: &NetworkId) {
        self.news.entry(network.clone()).or_default();
    }

    /// Anything else of a network changed, or of a plan that holds or held it: its nodes are told it whole.
    pub(super) fn rebuild(&mut self, network: &NetworkId) {
        self.news.insert(network.clone(), true);
    }

    /// Notes what happens.
    pub(super) fn event(
        &mut self,
        kind: EventKind,
        account: Option<&AccountId>,
        subject: &str,
        detail: &str,
    ) {
        self.event_at(self.now, kind, account, subject, detail);
    }

    /// Notes what the domain says that happens.
    pub(super) fn happened(&mut self, account: Option<&AccountId>, subject: &str, happenings: &[Happening]) {
        for one in happenings {
            self.event_at(one.at, one.kind, account, subject, &one.detail);
        }
    }

    /// Notes what was due at an instant that may have been missed.
    pub(super) fn event_at(
        &mut self,
        at: Timestamp,
        kind: EventKind,
        account: Option<&AccountId>,
        subject: &str,
        detail: &str,
    ) {
        let caller = &self.call.caller;
        self.events.push(Event {
            revision: self.tx.revision(),
            at,
            account: account.cloned(),
            actor: Arc::clone(&caller.actor),
            request_id: Arc::clone(&caller.request_id),
            kind,
            subject: subject.into(),
            detail: detail.into(),
        });
    }

    /// Commits, with the answer kept for a repeated call.
    pub(super) async fn finish<T: Serialize>(self: Box<Self>, answer: T) -> Result<T, AppError> {
        if let Some(key) = self.call.key.clone() {
            let response = serde_json::to_string(&answer).map_err(|e| AppError::Broken(e.to_string()))?;
            let record = IdempotencyRecord {
                owner: scope(&self.call.caller).into(),
                operation: Arc::clone(&self.call.operation),
                client_token: key,
                request_hash: self.call.input_hash,
                response: response.into(),
                created_at: self.now,
            };
            self.tx.put_idempotency(&record).await?;
        }
        (*self).commit().await?;
        Ok(answer)
    }

    /// Commits.
    pub(super) async fn commit(mut self) -> Result<Revision, AppError> {
        let events = std::mem::take(&mut self.events);
        for event in &events {
            tracing::info!(
                kind = event.kind.code(),
                subject = &*event.subject,
                actor = &*event.actor,
                request_id = &*event.request_id,
                revision = event.revision,
                detail = &*event.detail,
                "event"
            );
        }
        self.tx.add_events(&events).await?;
        // Last, so that no network put meanwhile takes it back.
        let (rebuilt, touched): (Vec<_>, Vec<_>) = self.news.into_iter().partition(|(_, whole)| *whole);
        self.tx.touch_networks(&touched.into_iter().map(|(id, _)| id).collect::<Vec<_>>()).await?;
        self.tx.rebuild_networks(&rebuilt.into_iter().map(|(id, _)| id).collect::<Vec<_>>()).await?;
        Ok(self.tx.commit().await?)
    }
}

/// Keys of different callers never meet: those of an account are its own, others of their token.
fn scope(caller: &Caller) -> &str {
    let token = caller.token.as_ref().map(TokenId::as_str);
    caller.account.as_ref().map(AccountId::as_str).or(token).unwrap_or(&caller.actor)
}
