//! The client on broken connections, strange answers and the local socket: a listener that answers byte by byte.

#![cfg(feature = "client")]

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use limiter_api::client::{Client, ClientError};
use limiter_api::params::{
    AddressQuery, AddressRanges, AddressUseQuery, MoveEgress, NewAccount, NewNetwork, NewToken,
};

const TOKEN: &str = "top-secret-token";

const ACCOUNT: &str =
    r#"{"id":"a-1","name":"acme","enabled":true,"created_at":"2026-03-31T12:00:00Z","version":1,"new":[1]}"#;

/// Answers each connection with the next of `answers`; an empty one breaks the connection after the request.
fn server(answers: Vec<String>) -> (Client, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let (sender, requests) = channel();
    thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a connection");
            sender.send(read_request(&mut stream)).expect("the test listens");
            // The client may be gone already.
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let client = Client::new(endpoint.parse().expect("an endpoint"), Some(TOKEN)).expect("a client");
    (client, requests)
}

/// Head and body of a request, as far as its length says.
fn read_request(stream: &mut impl Read) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("a request") == 1 {
        request.push(byte[0]);
    }
    let head = String::from_utf8(request).expect("text");
    let length = header(&head, "content-length").map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("a body");
    head + &String::from_utf8(body).expect("text")
}

fn header(request: &str, name: &str) -> Option<String> {
    let lines = request.lines().filter_map(|line| line.split_once(": "));
    lines.into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

fn broken() -> String {
    String::new()
}

#[test]
fn a_creation_whose_answer_was_lost_is_repeated_with_its_key() {
    let (client, requests) = server(vec![broken(), broken(), answer("201 Created", ACCOUNT)]);
    let account = block_on(client.create_account(&NewAccount { name: "acme".into() })).expect("an account");
    assert_eq!(account.id, "a-1");
    let requests: Vec<_> = requests.try_iter().collect();
    let keys: Vec<_> = requests.iter().map(|request| header(request, "idempotency-key")).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys[0].is_some() && keys.iter().all(|key| key == &keys[0]), "{keys:?}");
    assert!(requests[2].starts_with("POST /v1/accounts ") && requests[2].ends_with(r#"{"name":"acme"}"#));
    assert_eq!(header(&requests[0], "authorization"), Some(format!("Bearer {TOKEN}")));
}

#[test]
fn three_broken_connections_are_enough() {
    let (client, requests) = server(vec![broken(), broken(), broken()]);
    let error = block_on(client.me()).expect_err("nobody answers");
    assert!(matches!(&error, ClientError::Unreachable { .. }), "{error:?}");
    assert!(!error.to_string().contains(TOKEN) && !format!("{error:?}").contains(TOKEN), "{error:?}");
    assert_eq!(requests.try_iter().count(), 3);
}

#[test]
fn what_answers_with_a_secret_is_sent_once() {
    let (client, requests) = server(vec![broken(), broken()]);
    block_on(client.rotate_token("to-1")).expect_err("a broken connection");
    let token =
        NewToken { name: "ci".into(), role: "viewer".into(), account: None, node: None, expires_at: None };
    block_on(client.create_token(&token)).expect_err("a broken connection");
    let requests: Vec<_> = requests.try_iter().collect();
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(|request| header(request, "idempotency-key").is_none()), "{requests:?}");
}

#[test]
fn addresses_are_asked_for_and_changed() {
    let empty = || answer("200 OK", r#"{"items":[],"next":null}"#);
    let free = r#"{"address":"198.51.100.7","region":"eu","state":"free","plan":null,"rests_until":null}"#;
    let changed = || answer("200 OK", r#"{"region":"eu","addresses":14,"plans":2}"#);
    let (client, requests) =
        server(vec![empty(), answer("200 OK", free), empty(), broken(), changed(), changed()]);
    let address = std::net::Ipv4Addr::new(198, 51, 100, 7);
    let at = "2026-03-31T12:00:00Z".parse().expect("a moment");
    let ranges =
        AddressRanges { region: Some("eu".into()), ranges: vec!["198.51.100.0/28".into()], dry_run: true };
    block_on(async {
        let query = AddressQuery { state: Some("free".into()), ..AddressQuery::default() };
        assert_eq!(client.addresses(&query).await.expect("a page").items, []);
        assert_eq!(client.address(address).await.expect("an address").state, "free");
        let query = AddressUseQuery { at: Some(at), ..AddressUseQuery::default() };
        assert_eq!(client.address_uses(address, &query).await.expect("a page").items, []);
        assert_eq!(client.import_addresses(&ranges).await.expect("a dry run").plans, 2);
        assert_eq!(client.remove_addresses(&ranges).await.expect("a dry run").addresses, 14);
    });
    let requests: Vec<_> = requests.try_iter().collect();
    let begin: Vec<_> = requests.iter().filter_map(|request| request.lines().next()).collect();
    assert_eq!(
        begin,
        [
            "GET /v1/addresses?state=free HTTP/1.1",
            "GET /v1/addresses/198.51.100.7 HTTP/1.1",
            "GET /v1/addresses/198.51.100.7/uses?at=2026-03-31T12%3A00%3A00Z HTTP/1.1",
            "POST /v1/addresses/import HTTP/1.1",
            "POST /v1/addresses/import HTTP/1.1",
            "POST /v1/addresses/remove HTTP/1.1",
        ]
    );
    let body = r#"{"region":"eu","ranges":["198.51.100.0/28"],"dry_run":true}"#;
    assert!(requests[3..].iter().all(|request| request.ends_with(body)), "{requests:?}");
    let keys: Vec<_> = requests.iter().map(|request| header(request, "idempotency-key")).collect();
    assert!(keys[2].is_none() && keys[3].is_some() && keys[3] == keys[4] && keys[4] != keys[5], "{keys:?}");
}

#[test]
fn a_move_of_an_address_names_the_version_of_its_network() {
    let problem = r#"{"status":409,"code":"VersionConflict","detail":"it was changed"}"#;
    let (client, requests) = server(vec![answer("409 Conflict", problem)]);
    let to = MoveEgress { node: "n2".into() };
    let refused = block_on(client.at_version(Some(3)).move_egress("net-1", &to)).expect_err("changed");
    assert_eq!(refused.problem().map(|problem| problem.status), Some(409));
    let request = requests.recv().expect("a request");
    assert!(request.starts_with("POST /v1/networks/net-1/move-egress "), "{request}");
    assert!(request.ends_with(r#"{"node":"n2"}"#), "{request}");
    assert_eq!(header(&request, "if-match").as_deref(), Some("\"3\""));
}

#[test]
fn a_version_is_sent_as_a_condition() {
    let (client, requests) = server(vec![answer("200 OK", ACCOUNT)]);
    block_on(
        client.at_version(Some(7)).update_account("a/1", &limiter_api::params::AccountChange::default()),
    )
    .expect("an account with a field that is not known yet");
    let request = requests.recv().expect("a request");
    assert!(request.starts_with("PATCH /v1/accounts/a%2F1 "), "{request}");
    assert_eq!(header(&request, "if-match").as_deref(), Some("\"7\""));
}

#[test]
fn refusals_and_strange_answers() {
    let problem = r#"{"status":409,"code":"NameTaken","detail":"`office` is taken","field":"name","hint":1}"#;
    let (client, _requests) = server(vec![
        answer("409 Conflict", problem),
        answer("502 Bad Gateway", "<html>"),
        answer("200 OK", "{}"),
        answer("302 Found\r\nlocation: http://192.0.2.1/", ""),
        "nonsense\r\n\r\n".to_owned(),
    ]);
    let new = NewNetwork { name: "office".into(), ..NewNetwork::default() };
    let refused = block_on(client.create_network(&new)).expect_err("taken");
    assert_eq!(refused.problem().map(|problem| problem.code.as_str()), Some("NameTaken"));
    for what in ["a gateway", "a body without fields", "a redirection"] {
        let error = block_on(client.me()).expect_err(what);
        assert!(matches!(error, ClientError::Unexpected { .. }), "{what}: {error:?}");
    }
    let error = block_on(client.sign_out()).expect_err("no HTTP");
    assert!(matches!(error, ClientError::Unreachable { .. }), "{error:?}");
}

#[test]
fn the_local_socket_is_spoken_to() {
    let folder = std::env::temp_dir().join(format!("limiter-api-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("control.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let request = read_request(&mut stream);
        let body = r#"{"actor":"local","role":"operator","account":null}"#;
        stream.write_all(answer("200 OK", body).as_bytes()).expect("an answer");
        request
    });
    let endpoint = format!("unix:{}", path.display()).parse().expect("an endpoint");
    let me = block_on(Client::new(endpoint, None).expect("a client").me()).expect("an answer");
    assert_eq!(me.actor, "local");
    let request = served.join().expect("served");
    assert!(request.starts_with("GET /v1/me ") && header(&request, "authorization").is_none(), "{request}");
    std::fs::remove_dir_all(&folder).expect("removed");
}
