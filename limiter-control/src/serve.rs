//! Serves the API on TCP, with or without TLS, and on a local socket, until told to stop.

use std::fs::{self, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::{Extension, Router};
use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;

use crate::args::RunArgs;
use crate::http::Local;

/// How long open requests may take after the order to stop.
const GRACE: Duration = Duration::from_secs(5);

/// A client that sends nothing is let go after this time.
const FIRST_REQUEST: Duration = Duration::from_secs(15);

/// Sockets that are bound, before anything is served.
pub struct Doors {
    tcp: Option<TcpListener>,
    unix: Option<(UnixListener, PathBuf)>,
    tls: Option<Tls>,
}

struct Tls {
    config: RustlsConfig,
    cert: PathBuf,
    key: PathBuf,
}

impl Doors {
    /// Binds what `args` ask for.
    pub async fn bind(args: &RunArgs) -> anyhow::Result<Self> {
        let tls = match (&args.tls_cert, &args.tls_key) {
            (Some(cert), Some(key)) => Some(Tls::read(cert, key).await?),
            _ => None,
        };
        let tcp = args.listen.0.map(|address| tcp(address, tls.is_some())).transpose()?;
        let unix = match args.socket.as_str() {
            "off" => None,
            path => Some((unix(Path::new(path))?, path.into())),
        };
        if tcp.is_none() && unix.is_none() {
            bail!("neither --listen nor --socket: nobody could ever ask; leave one of them on");
        }
        Ok(Self { tcp, unix, tls })
    }

    /// The address of the TCP listener.
    pub fn address(&self) -> Option<SocketAddr> {
        self.tcp.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves `router` until `stop` is done; open requests get some seconds more.
    pub async fn serve(self, router: Router, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let tcp_handle = Handle::new();
        let unix_handle = Handle::new();
        let mut tasks = tokio::task::JoinSet::new();
        if let Some(listener) = self.tcp {
            let service = router.clone().into_make_service();
            let handle = tcp_handle.clone();
            if let Some(tls) = &self.tls {
                let server = axum_server::from_tcp_rustls(listener, tls.config.clone())?;
                tasks.spawn(server.first_request_timeout(FIRST_REQUEST).handle(handle).serve(service));
            } else {
                let server = axum_server::from_tcp(listener)?;
                tasks.spawn(server.first_request_timeout(FIRST_REQUEST).handle(handle).serve(service));
            }
        }
        let mut socket = None;
        if let Some((listener, path)) = self.unix {
            let service = router.layer(Extension(Local)).into_make_service();
            let server = axum_server::from_unix(listener)?.handle(unix_handle.clone());
            tasks.spawn(server.serve(service));
            socket = Some(path);
        }
        if let Some(tls) = self.tls {
            tokio::spawn(tls.follow());
        }
        tokio::select! {
            () = stop => {}
            Some(ended) = tasks.join_next() => return Ok(ended??),
        }
        tcp_handle.graceful_shutdown(Some(GRACE));
        unix_handle.graceful_shutdown(Some(GRACE));
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        if let Some(path) = socket {
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

impl Tls {
    async fn read(cert: &Path, key: &Path) -> anyhow::Result<Self> {
        // A second installation is the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = RustlsConfig::from_pem_file(cert, key).await;
        let config = config.with_context(|| format!("reading {} and {}", cert.display(), key.display()))?;
        Ok(Self { config, cert: cert.into(), key: key.into() })
    }

    /// Reads both files again on SIGHUP; a broken one leaves the old certificate in use.
    async fn follow(self) {
        let Ok(mut hangup) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()) else {
            return;
        };
        while hangup.recv().await.is_some() {
            match self.config.reload_from_pem_file(&self.cert, &self.key).await {
                Ok(()) => tracing::info!("the certificate was read again"),
                Err(error) => tracing::error!(%error, "the old certificate stays in use"),
            }
        }
    }
}

fn tcp(address: SocketAddr, encrypted: bool) -> anyhow::Result<TcpListener> {
    if !encrypted && !address.ip().is_loopback() {
        bail!(
            "{address} is no loopback address, where tokens would be read on the way; add --tls-cert and --tls-key"
        );
    }
    let listener = TcpListener::bind(address)
        .with_context(|| format!("listening on {address}; choose another with --listen, or off"))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// A socket that its owner and group may open. One that nobody serves any more is replaced.
fn unix(path: &Path) -> anyhow::Result<UnixListener> {
    let told = || format!("the socket {}; choose another with --socket, or off", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(told)?;
    }
    match fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => {
            if UnixStream::connect(path).is_ok() {
                bail!("another control plane serves {}", path.display());
            }
            fs::remove_file(path).with_context(told)?;
        }
        Ok(_) => bail!("{} is there and is no socket", path.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(told),
    }
    let listener = UnixListener::bind(path).with_context(told)?;
    fs::set_permissions(path, Permissions::from_mode(0o660)).with_context(told)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}
