//! Signing in, tokens, and where secrets may be.

use std::fs;

use crate::run::{Person, ended, mode};
use crate::server::{PASSWORD, SESSION, Server, TOKEN};

#[test]
fn a_session_is_kept_for_its_owner_alone_and_forgotten() {
    let server = Server::tcp();
    let person = Person::new(&server.url);
    let without = person.run("status").code(1);
    assert!(without.err.contains("limiter login"), "{without:?}");

    person.secret_file("password", &format!("{PASSWORD}\n"));
    let signed_in = person.run("login --user alice --password-file password").code(0);
    signed_in.without(SESSION).without(PASSWORD);
    let file = person.home.path().join(".config/limiter/token");
    assert_eq!((mode(&file), mode(file.parent().expect("a folder"))), (0o600, 0o700));

    let status = person.run("status").code(0).without(SESSION);
    assert!(status.out.contains("you are user alice (operator)"), "{status:?}");
    assert!(status.out.contains("n1") && status.out.contains("behind"), "{status:?}");

    person.run("logout").code(0).without(SESSION);
    assert!(server.world.called("DELETE /v1/sessions/current"));
    assert!(!fs::read_to_string(&file).expect("the file").contains(SESSION));
    person.run("status").code(1);
}

#[test]
fn a_session_belongs_to_one_control_plane() {
    let (one, two) = (Server::tcp(), Server::tcp());
    let person = Person::new(&one.url);
    person.secret_file("password", PASSWORD);
    person.run("login --user alice --password-file password").code(0);
    person.run(&format!("status --control {}", two.url)).code(1);
    assert!(two.world.lock().headers.get("authorization").is_none());
}

#[test]
fn a_wrong_password_keeps_nothing() {
    let server = Server::tcp();
    let person = Person::new(&server.url);
    person.secret_file("password", "wrong");
    let ended = person.run("login --user alice --password-file password").code(1);
    assert!(ended.err.contains("WrongPassword"), "{ended:?}");
    assert!(!person.home.path().join(".config/limiter/token").exists());
}

#[test]
fn without_a_terminal_no_password_is_asked() {
    let server = Server::tcp();
    let person = Person::new(&server.url);
    // A session of its own has no terminal, also where the tests have one.
    let mut command = person.command("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_limiter"), "login", "--user", "alice"]);
    let output = command.output().expect("`setsid` runs; install util-linux");
    let ended = ended(&output).code(2);
    assert!(ended.err.contains("--password-file"), "{ended:?}");
    assert!(!server.world.called("POST /v1/sessions"));
}

#[test]
fn a_token_comes_from_a_file_or_the_environment_and_is_never_shown() {
    let server = Server::tcp();
    let person = Person::new(&server.url);
    person.secret_file("token", &format!("{TOKEN}\n"));
    let ended = person.run("status --token-file token").code(0).without(TOKEN);
    assert_eq!(ended.err, "");
    person.file("open", TOKEN);
    let ended = person.run("status --token-file open").code(0).without(TOKEN);
    assert!(ended.err.contains("chmod 600"), "{ended:?}");

    let person = Person::new(&server.url).with("LIMITER_TOKEN", TOKEN);
    for line in ["status", "--help", "network show nowhere", "plan create --help", "account list"] {
        person.run(line).without(TOKEN);
    }
    server.world.lock().is_closed = true;
    person.run("status -o json").code(1).without(TOKEN);
    let broken = Person::new(&server.url).with("LIMITER_TOKEN", "two words of-a-secret");
    broken.run("status").code(2).without("of-a-secret");
}

#[test]
fn the_local_socket_needs_no_token_and_gets_none() {
    let server = Server::unix();
    let person = Person::new(&server.url).with("LIMITER_TOKEN", TOKEN);
    let ended = person.run("status").code(0);
    assert!(ended.out.contains(&server.url), "{ended:?}");
    assert!(server.world.lock().headers.get("authorization").is_none());
    let ended = person.run("login --user alice").code(2);
    assert!(ended.err.contains("needs no sign-in"), "{ended:?}");
}
