//! A typed client of the control plane: one method for each operation, over HTTPS, loopback or the local socket.
//!
//! Calls that change something carry an idempotency key, so one whose answer was lost is repeated without a
//! second effect; those that answer with a secret are not repeated. The token is never part of a text, an error or a `Debug` form.

mod endpoint;
mod error;
mod money;
mod operations;
mod paging;
mod transport;

pub use endpoint::{Endpoint, EndpointError};
pub use error::ClientError;
pub use operations::Client;
pub use paging::{Paged, all_pages};
pub use transport::bearer;
