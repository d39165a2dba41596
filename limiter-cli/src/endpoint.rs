//! Which control plane is called.

use std::fs;
use std::io;
use std::path::Path;

use limiter_api::client::Endpoint;

use crate::args::Global;
use crate::failure::Failure;

/// Where the control plane of this machine listens for local use.
const LOCAL_SOCKET: &str = "unix:/run/limiter/control.sock";

/// Where it listens otherwise.
const LOCAL_TCP: &str = "http://127.0.0.1:9440";

/// The control plane that the command line, the environment or this machine names.
pub(crate) fn endpoint(global: &Global) -> Result<Endpoint, Failure> {
    let url = global.control.as_deref().unwrap_or_else(|| local(has_socket()));
    let endpoint: Endpoint = url.parse().map_err(|error| Failure::Usage(format!("--control: {error}")))?;
    let Some(path) = &global.ca else { return Ok(endpoint) };
    let at = |error: &dyn std::fmt::Display| Failure::Usage(format!("--ca {}: {error}", path.display()));
    let pem = fs::read(path).map_err(|error| at(&error))?;
    endpoint.with_authorities(&pem).map_err(|error| at(&error))
}

fn local(has_socket: bool) -> &'static str {
    if has_socket { LOCAL_SOCKET } else { LOCAL_TCP }
}

/// A socket that this user may not see is there too: its refusal says more than a port that nobody has.
fn has_socket() -> bool {
    let path = LOCAL_SOCKET.trim_start_matches("unix:");
    match Path::new(path).symlink_metadata() {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::PermissionDenied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_local_socket_comes_first() {
        for (has_socket, expected) in [(true, LOCAL_SOCKET), (false, LOCAL_TCP)] {
            let endpoint: Endpoint = local(has_socket).parse().expect("an endpoint");
            assert_eq!(endpoint.to_string(), expected);
        }
    }
}
