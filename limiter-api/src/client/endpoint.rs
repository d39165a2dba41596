//! Where a control plane listens: `https://HOST`, `http://127.0.0.1:PORT`, `unix:/PATH`.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder, Url};

use super::ClientError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A place where a control plane listens.
#[derive(Clone)]
pub struct Endpoint {
    text: String,
    base: Url,
    socket: Option<PathBuf>,
    authorities: Option<Vec<Certificate>>,
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// None of the three forms.
    #[error("`{0}` is no control plane; write https://HOST, http://127.0.0.1:PORT or unix:/PATH")]
    Form(String),
    /// The token would cross a network in the clear.
    #[error("`{0}` would send the token in the clear; use https:// for another machine")]
    Clear(String),
    /// Name or password in the address.
    #[error("a control plane's address holds no user, password, query or fragment")]
    Extra,
    /// Not one certificate in PEM form.
    #[error("no certificate in PEM form among the authorities")]
    Authorities,
}

impl Endpoint {
    /// The control plane behind a local socket.
    pub fn unix(path: &Path) -> Result<Self, EndpointError> {
        format!("unix:{}", path.display()).parse()
    }

    /// Trusts the certificate authorities in `pem` alone, instead of those of the system.
    pub fn with_authorities(mut self, pem: &[u8]) -> Result<Self, EndpointError> {
        let found = Certificate::from_pem_bundle(pem).map_err(|_| EndpointError::Authorities)?;
        if found.is_empty() {
            return Err(EndpointError::Authorities);
        }
        self.authorities = Some(found);
        Ok(self)
    }

    /// Whether it is a local socket, where the file's permissions decide and no token is needed.
    pub fn is_local_socket(&self) -> bool {
        self.socket.is_some()
    }

    /// A client for this place alone: it knows whom to trust and follows no redirection. Its caller sets
    /// how long a call may take.
    pub fn connector(&self) -> ClientBuilder {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Another part of the process may have installed its own; then that one serves.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let mut builder =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none());
        if !self.is_encrypted() {
            builder = builder.no_proxy().tls_certs_only([]);
        }
        if let Some(path) = &self.socket {
            builder = builder.unix_socket(path.as_path());
        }
        if let Some(authorities) = self.authorities.clone() {
            builder = builder.tls_certs_only(authorities);
        }
        builder
    }

    /// The address of `path` below `/v1`, a list of segments that are escaped.
    pub fn url(&self, path: &[&str]) -> Result<Url, ClientError> {
        let mut url = self.base.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().push("v1").extend(path)),
            Err(()) => return Err(ClientError::Unusable(format!("{self} has no paths"))),
        }
        Ok(url)
    }

    /// Whether calls are encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.base.scheme() == "https"
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let form = || EndpointError::Form(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if !path.starts_with('/') || path.contains('\0') {
                return Err(form());
            }
            let base = Url::parse("http://localhost/").map_err(|_| form())?;
            let socket = Some(PathBuf::from(path));
            return Ok(Self { text: format!("unix:{path}"), base, socket, authorities: None });
        }
        let mut base = Url::parse(text).map_err(|_| form())?;
        if !base.username().is_empty()
            || base.password().is_some()
            || base.query().is_some()
            || base.fragment().is_some()
        {
            return Err(EndpointError::Extra);
        }
        match base.scheme() {
            "https" => {}
            "http" if is_loopback(&base) => {}
            "http" => return Err(EndpointError::Clear(text.to_owned())),
            _ => return Err(form()),
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Ok(Self { text: text.trim_end_matches('/').to_owned(), base, socket: None, authorities: None })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&self.text).finish()
    }
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms() {
        for (text, shown, local, encrypted) in [
            ("https://control.example", "https://control.example", false, true),
            ("https://control.example:8443/limiter/", "https://control.example:8443/limiter", false, true),
            ("http://127.0.0.1:9440", "http://127.0.0.1:9440", false, false),
            ("http://[::1]:9440", "http://[::1]:9440", false, false),
            ("http://localhost:9440", "http://localhost:9440", false, false),
            ("unix:/run/limiter/control.sock", "unix:/run/limiter/control.sock", true, false),
            ("unix:///run/limiter/control.sock", "unix:/run/limiter/control.sock", true, false),
        ] {
            let endpoint: Endpoint = text.parse().expect(text);
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!((endpoint.is_local_socket(), endpoint.is_encrypted()), (local, encrypted), "{text}");
        }
    }

    #[test]
    fn a_token_does_not_leave_the_machine_in_the_clear() {
        for text in ["http://192.0.2.1:9440", "http://control.example", "http://127.0.0.1.example"] {
            assert_eq!(text.parse::<Endpoint>().expect_err(text), EndpointError::Clear(text.into()));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", "control", "127.0.0.1:9440", "ftp://127.0.0.1", "unix:relative.sock", "unix:", "https://"]
        {
            assert!(matches!(text.parse::<Endpoint>(), Err(EndpointError::Form(_))), "{text}");
        }
        for text in ["https://user:word@control.example", "https://control.example/?a=b"] {
            assert_eq!(text.parse::<Endpoint>().expect_err(text), EndpointError::Extra);
        }
    }

    #[test]
    fn authorities_are_pem() {
        let endpoint: Endpoint = "https://control.example".parse().expect("an endpoint");
        assert_eq!(endpoint.with_authorities(b"nothing").expect_err("no PEM"), EndpointError::Authorities);
    }
}
