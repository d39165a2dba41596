//! The doors of the control plane: TLS that is read again, what must not be open, and the local socket.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use limiter_api::client::{Client, ClientError, Endpoint};
use limiter_tests::control::Control;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustix::process::{Pid, Signal, kill_process};

/// A signal is followed within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// Writes a certificate for loopback, and its key.
    fn certify(&self, cert: &Path, key: &Path) {
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
        let pair = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&pair, &self.0).expect("a certificate");
        fs::write(cert, signed.pem()).expect("certificate");
        fs::write(key, pair.serialize_pem()).expect("key");
    }

    fn pem(&self) -> String {
        self.0.pem()
    }
}

#[test]
fn a_certificate_is_read_again_and_a_broken_one_is_not_taken() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut control = Control::stopped_in(&std::env::temp_dir());
    let (cert, key) = (control.folder().join("cert.pem"), control.folder().join("key.pem"));
    old.certify(&cert, &key);
    let (cert_text, key_text) = (cert.display().to_string(), key.display().to_string());
    control.doors(&["--listen", "127.0.0.1:0", "--tls-cert", &cert_text, "--tls-key", &key_text]);
    control.launch();
    let account = control.account("acme");
    let token = control.customer(&account);
    let ask = |authority: &Authority| ask(&control, &authority.pem(), &token);
    assert_eq!(ask(&old).expect("an answer"), Some(account.clone()));
    let stranger = ask(&new).expect_err("an authority that signed nothing");
    assert!(stranger.to_string().contains("certificate authority"), "{stranger}");

    new.certify(&cert, &key);
    hang_up(&control);
    wait_for(&control, "the certificate was read again");
    assert_eq!(ask(&new).expect("an answer"), Some(account.clone()));
    ask(&old).expect_err("the old certificate is served no more");

    fs::write(&cert, "-----BEGIN CERTIFICATE-----\nnonsense\n").expect("certificate");
    hang_up(&control);
    wait_for(&control, "the old certificate stays in use");
    assert_eq!(ask(&new).expect("an answer"), Some(account.clone()));

    // A certificate that does not belong to the key.
    old.certify(&cert, &control.folder().join("other-key.pem"));
    hang_up(&control);
    assert_eq!(ask(&new).expect("an answer"), Some(account));
    let plain = format!("http://{}", control.address()).parse().expect("an endpoint");
    let client = Client::new(plain, Some(&token)).expect("a client");
    block_on(client.me()).expect_err("nothing is answered in the clear");
}

#[test]
fn a_start_without_what_keeps_tokens_secret_is_refused() {
    let mut control = Control::stopped_in(&std::env::temp_dir());
    let open = told(&control, &["run", "--listen", "0.0.0.0:0", "--socket", "off"]);
    assert!(open.contains("0.0.0.0:0 is no loopback address") && open.contains("--tls-cert"), "{open}");
    let open = told(&control, &["run", "--listen", "[::]:0", "--socket", "off"]);
    assert!(open.contains("is no loopback address"), "{open}");
    let (cert, key) = (control.folder().join("cert.pem"), control.folder().join("key.pem"));
    fs::write(&cert, "no certificate").expect("certificate");
    fs::write(&key, "no key").expect("key");
    let (cert, key) = (cert.display().to_string(), key.display().to_string());
    let words = ["run", "--listen", "127.0.0.1:0", "--socket", "off", "--tls-cert", &cert, "--tls-key", &key];
    let broken = told(&control, &words);
    assert!(broken.contains(&cert), "{broken}");
    let half = told(&control, &["run", "--tls-cert", &cert]);
    assert!(half.contains("--tls-key"), "{half}");
    let nobody = told(&control, &["run", "--listen", "off", "--socket", "off"]);
    assert!(nobody.contains("nobody could ever ask"), "{nobody}");
    control.launch();
}

#[test]
fn the_local_socket_has_one_owner() {
    let mut control = Control::start();
    let mode = fs::metadata(control.socket()).expect("the socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    let socket = control.socket().display().to_string();
    let second = told(&control, &["run", "--listen", "off", "--socket", &socket]);
    assert!(second.contains("another control plane serves"), "{second}");
    control.must(async |client| client.me().await);
    // One that nobody serves any more is replaced.
    control.kill();
    assert!(control.socket().exists(), "a killed process removes nothing");
    control.launch();
    control.must(async |client| client.me().await);
    // What is no socket is nobody's to remove.
    let file = control.folder().join("file");
    fs::write(&file, "precious").expect("a file");
    let refused = told(&control, &["run", "--listen", "off", "--socket", &file.display().to_string()]);
    assert!(refused.contains("is no socket"), "{refused}");
    assert_eq!(fs::read_to_string(&file).expect("the file"), "precious");
}

/// The account that the control plane says a token is of, over TLS.
fn ask(control: &Control, authority: &str, token: &str) -> Result<Option<String>, ClientError> {
    let endpoint: Endpoint = format!("https://{}", control.address()).parse().expect("an endpoint");
    let endpoint = endpoint.with_authorities(authority.as_bytes()).expect("an authority");
    let client = Client::new(endpoint, Some(token))?;
    block_on(client.me()).map(|me| me.account)
}

fn hang_up(control: &Control) {
    let pid = control.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)).expect("a process");
    kill_process(pid, Signal::HUP).expect("a signal");
}

fn wait_for(control: &Control, words: &str) {
    let start = Instant::now();
    while !control.log().contains(words) {
        assert!(start.elapsed() < PATIENCE, "no {words:?} in {}", control.log());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a control plane says that must not start.
fn told(control: &Control, words: &[&str]) -> String {
    let Output { status, stderr, .. } =
        control.command(words).stdin(Stdio::null()).output().expect("the control plane");
    let told = String::from_utf8_lossy(&stderr).into_owned();
    assert!(!status.success(), "it started: {told}");
    told
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}
