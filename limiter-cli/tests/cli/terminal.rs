//! What a person at a terminal sees: `script` makes the terminal.

use std::io::{Read, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::run::Person;
use crate::server::{PASSWORD, SESSION, Server, TOKEN, network};

/// A command on a terminal, with all that was shown so far.
struct Terminal {
    child: Child,
    shown: std::sync::mpsc::Receiver<Vec<u8>>,
    text: String,
}

impl Terminal {
    fn run(person: &Person, line: &str) -> Self {
        let line = format!("{} {line}", env!("CARGO_BIN_EXE_limiter"));
        let mut child = person
            .command("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("`script` of util-linux runs; install bsdutils or util-linux");
        let mut output = child.stdout.take().expect("an output");
        let (sender, shown) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, shown, text: String::new() }
    }

    /// Waits for a prompt and answers it.
    fn answer(&mut self, prompt: &str, answer: &str) {
        let begin = Instant::now();
        while !self.text.contains(prompt) {
            assert!(begin.elapsed() < Duration::from_secs(20), "no `{prompt}` in {:?}", self.text);
            if let Ok(bytes) = self.shown.recv_timeout(Duration::from_millis(100)) {
                self.text.push_str(&String::from_utf8_lossy(&bytes));
            }
        }
        let input = self.child.stdin.as_mut().expect("an input");
        input.write_all(format!("{answer}\n").as_bytes()).expect("typed");
    }

    /// The exit code and all that was shown.
    fn end(mut self) -> (i32, String) {
        let code = self.child.wait().expect("it ends").code().expect("a code");
        while let Ok(bytes) = self.shown.recv_timeout(Duration::from_secs(5)) {
            self.text.push_str(&String::from_utf8_lossy(&bytes));
        }
        (code, self.text)
    }
}

#[test]
fn a_password_is_asked_without_echo() {
    let server = Server::tcp();
    let person = Person::new(&server.url);
    let mut terminal = Terminal::run(&person, "login");
    terminal.answer("User: ", "alice");
    terminal.answer("Password: ", PASSWORD);
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("alice") && text.contains("signed in"), "{text}");
    assert!(!text.contains(PASSWORD) && !text.contains(SESSION), "{text}");
}

#[test]
fn a_person_is_asked_and_decides() {
    let server = Server::tcp();
    server.world.lock().networks = vec![network(1)];
    let person = Person::new(&server.url).with("LIMITER_TOKEN", TOKEN);
    let mut terminal = Terminal::run(&person, "network delete office-1");
    terminal.answer("Continue? [y/N]", "");
    let (code, text) = terminal.end();
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("office-1") && text.contains("nothing was done"), "{text}");
    assert!(!server.world.called("DELETE /v1/networks/net-1"));

    let mut terminal = Terminal::run(&person, "network delete office-1");
    terminal.answer("Continue? [y/N]", "y");
    let (code, text) = terminal.end();
    assert_eq!(code, 0, "{text}");
    assert!(server.world.called("DELETE /v1/networks/net-1"));
}
