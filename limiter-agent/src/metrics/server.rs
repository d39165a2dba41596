//! The smallest HTTP server that a scraper needs: one GET a connection, limits on everything.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Where pages come from.
pub trait Source: Send + Sync + 'static {
    /// The page; with the instances of a network where one is asked for.
    fn page(&self, instances: Option<&str>) -> impl Future<Output = Result<String, Failure>> + Send;
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is no such network.
    NoNetwork,
    /// The node could not be read.
    Unreadable(String),
}

/// Longest request with its headers, bytes.
const REQUEST_MAX_BYTES: usize = 8 << 10;
/// Connections served at once; more are closed unheard.
const CONNECTIONS_MAX: usize = 16;
/// A connection lasts no longer, from its first byte to the last one of the answer.
const CONNECTION_MAX: Duration = Duration::from_secs(10);
/// Wait after an accept that failed: out of descriptors, most likely.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `/metrics` for ever.
pub async fn serve(listener: TcpListener, source: Arc<impl Source>) {
    serve_within(CONNECTION_MAX, listener, source).await;
}

async fn serve_within(patience: Duration, listener: TcpListener, source: Arc<impl Source>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "a connection for metrics");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            // Whatever a client does wrong is its own loss.
            let _ = timeout(patience, converse(stream, &*source)).await;
            drop(place);
        });
    }
}

/// Reads one request and answers it.
async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, source: &impl Source) -> io::Result<()> {
    let answer = match read_request(&mut stream).await? {
        Some(head) => answer(&head, source).await,
        None => Answer::new("431 Request Header Fields Too Large", "the request is too long\n"),
    };
    stream.write_all(answer.text().as_bytes()).await?;
    stream.shutdown().await
}

/// The request up to the empty line; none where it is too long.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= REQUEST_MAX_BYTES {
            return Ok(None);
        }
        let mut room = (&mut *stream).take((REQUEST_MAX_BYTES - head.len()) as u64);
        if room.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(head))
}

struct Answer {
    status: &'static str,
    body: String,
    with_body: bool,
}

impl Answer {
    fn new(status: &'static str, body: impl Into<String>) -> Self {
        Self { status, body: body.into(), with_body: true }
    }

    fn text(&self) -> String {
        let Self { status, body, with_body } = self;
        let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\n\
             {allow}Connection: close\r\n\r\n{}",
            body.len(),
            if *with_body { body } else { "" },
        )
    }
}

async fn answer(head: &[u8], source: &impl Source) -> Answer {
    let (with_body, instances) = match Request::parse(head) {
        Request::Metrics { with_body, instances } => (with_body, instances),
        Request::OtherPath => return Answer::new("404 Not Found", "only /metrics is here\n"),
        Request::OtherMethod => return Answer::new("405 Method Not Allowed", "only GET is answered\n"),
        Request::Malformed => return Answer::new("400 Bad Request", "no HTTP/1 request\n"),
    };
    let answer = match source.page(instances.as_deref()).await {
        Ok(body) => Answer::new("200 OK", body),
        Err(Failure::NoNetwork) => Answer::new("404 Not Found", "no such network is in force\n"),
        Err(Failure::Unreadable(reason)) => Answer::new("503 Service Unavailable", reason + "\n"),
    };
    Answer { with_body, ..answer }
}

#[derive(Debug, PartialEq, Eq)]
enum Request {
    Metrics { with_body: bool, instances: Option<String> },
    OtherPath,
    OtherMethod,
    Malformed,
}

impl Request {
    /// Reads the first line; headers do not matter.
    fn parse(head: &[u8]) -> Self {
        let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
        let Ok(line) = std::str::from_utf8(line) else { return Self::Malformed };
        let mut words = line.split(' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Self::Malformed;
        };
        if !version.starts_with("HTTP/1.") || !target.starts_with('/') {
            return Self::Malformed;
        }
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path != "/metrics" {
            return Self::OtherPath;
        }
        let with_body = match method {
            "GET" => true,
            "HEAD" => false,
            _ => return Self::OtherMethod,
        };
        match query.split('&').find_map(|pair| pair.strip_prefix("instances=")) {
            None => Self::Metrics { with_body, instances: None },
            Some(value) => match decoded(value) {
                Some(name) => Self::Metrics { with_body, instances: Some(name) },
                None => Self::Malformed,
            },
        }
    }
}

/// A value of a query without its escapes.
fn decoded(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                bytes.push(u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?);
                rest = &rest[2..];
            }
            plain => bytes.push(*plain),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::net::TcpStream;

    use super::*;

    struct Fixed;

    impl Source for Fixed {
        async fn page(&self, instances: Option<&str>) -> Result<String, Failure> {
            match instances {
                None => Ok("limiter_bypass 0\n".into()),
                Some("office") => Ok("limiter_bypass 0\noffice\n".into()),
                Some("broken") => Err(Failure::Unreadable("no maps".into())),
                Some(_) => Err(Failure::NoNetwork),
            }
        }
    }

    fn metrics(with_body: bool, instances: Option<&str>) -> Request {
        Request::Metrics { with_body, instances: instances.map(str::to_owned) }
    }

    #[test]
    fn requests() {
        let of = |line: &str| Request::parse(format!("{line}\r\nHost: x\r\n\r\n").as_bytes());
        assert_eq!(of("GET /metrics HTTP/1.1"), metrics(true, None));
        assert_eq!(of("HEAD /metrics HTTP/1.0"), metrics(false, None));
        assert_eq!(of("GET /metrics?instances=office HTTP/1.1"), metrics(true, Some("office")));
        assert_eq!(of("GET /metrics?x=1&instances=a+b%2Fc%C3%A9 HTTP/1.1"), metrics(true, Some("a b/cé")));
        for line in
            ["GET / HTTP/1.1", "GET /metrics/ HTTP/1.1", "GET /metrics%00 HTTP/1.1", "POST /x HTTP/1.1"]
        {
            assert_eq!(of(line), Request::OtherPath, "{line}");
        }
        assert_eq!(of("POST /metrics HTTP/1.1"), Request::OtherMethod);
        for line in [
            "",
            "GET",
            "GET /metrics",
            "GET  /metrics HTTP/1.1",
            "GET /metrics HTTP/2",
            "GET http://x/metrics HTTP/1.1",
            "GET /metrics HTTP/1.1 x",
            "GET /metrics?instances=%zz HTTP/1.1",
            "GET /metrics?instances=%+1 HTTP/1.1",
            "GET /metrics?instances=%c HTTP/1.1",
            "GET /metrics?instances=%ff HTTP/1.1",
        ] {
            assert_eq!(of(line), Request::Malformed, "{line}");
        }
        assert_eq!(Request::parse(b"\xff\xfe GET"), Request::Malformed);
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..64), query in "[%a-f0-9&=+]{0,20}") {
            Request::parse(&bytes);
            Request::parse(format!("GET /metrics?instances={query} HTTP/1.1\r\n\r\n").as_bytes());
        }
    }

    /// What the server says to `sent`, in pieces of `piece` bytes; the connection is held open meanwhile.
    async fn said(sent: &[u8], piece: usize) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = tokio::spawn(serve(listener, Arc::new(Fixed)));
        let mut client = TcpStream::connect(address).await.expect("a connection");
        for part in sent.chunks(piece) {
            if client.write_all(part).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut answer = Vec::new();
        // A server that closes with something unread resets the connection, after its answer.
        let _ = client.read_to_end(&mut answer).await;
        server.abort();
        String::from_utf8(answer).expect("text")
    }

    #[tokio::test]
    async fn a_scraper_gets_the_page() {
        let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n";
        let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
                        Content-Length: 17\r\nConnection: close\r\n\r\nlimiter_bypass 0\n";
        for piece in [1, 7, 1000] {
            assert_eq!(said(request, piece).await, expected);
        }
        let with_instances = said(b"GET /metrics?instances=office HTTP/1.1\r\n\r\n", 1000).await;
        assert!(with_instances.ends_with("\r\n\r\nlimiter_bypass 0\noffice\n"), "{with_instances}");
        let head = said(b"HEAD /metrics HTTP/1.1\r\n\r\n", 1000).await;
        assert!(head.contains("Content-Length: 17\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        for (request, status) in [
            ("GET /metrics?instances=nobody HTTP/1.1", "404 Not Found"),
            ("GET /metrics?instances=broken HTTP/1.1", "503 Service Unavailable"),
            ("GET /etc/passwd HTTP/1.1", "404 Not Found"),
            ("DELETE /metrics HTTP/1.1", "405 Method Not Allowed"),
            ("\x16\x03\x01", "400 Bad Request"),
        ] {
            let answer = said(format!("{request}\r\n\r\n").as_bytes(), 1000).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
        }
        let long = [b"GET /metrics HTTP/1.1\r\nX: ".as_slice(), &[b'x'; REQUEST_MAX_BYTES]].concat();
        let answer = said(&long[..REQUEST_MAX_BYTES], 1000).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }

    #[tokio::test]
    async fn clients_that_hold_on_are_let_go_and_others_served_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let server = tokio::spawn(serve_within(Duration::from_secs(1), listener, Arc::new(Fixed)));
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let mut client = TcpStream::connect(address).await.expect("a connection");
            client.write_all(b"GET /me").await.expect("half a request");
            held.push(client);
        }
        let mut client = TcpStream::connect(address).await.expect("a connection");
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "one too many is closed unheard");
        for mut client in held {
            let _ = client.read_to_end(&mut answer).await;
        }
        assert!(answer.is_empty(), "half a request has no answer");
        let mut client = TcpStream::connect(address).await.expect("a connection");
        client.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").await.expect("a request");
        client.read_to_end(&mut answer).await.expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 200 OK"));
        server.abort();
    }
}
