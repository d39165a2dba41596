//! The link to the control plane: it fetches the node's state into the file that the agent follows, and
//! says what is in force and what was measured. The agent's loop knows nothing of it but that file and [`Link::tell`].

mod ack;
mod backoff;
mod error;
mod fetch;
mod received;
pub mod record;
mod transport;
mod usage;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::thread;

use clap::Args;
use limiter_api::client::Endpoint;
use tokio::sync::{Notify, watch};

pub use ack::InForce;
pub use error::LinkError;
use fetch::Fetcher;
use record::Noted;
pub use record::Record;
use transport::Transport;

use crate::desired::OriginSpec;
use crate::metering::Metering;
use crate::place::Place;
use crate::privilege::{self, Stage};

const CONTROL_HELP: &str =
    "Follow this control plane instead of the state file: https://HOST, http://127.0.0.1:PORT or unix:/PATH";

/// Where the state comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct LinkArgs {
    /// Follow this control plane instead of the state file.
    #[arg(long, value_name = "URL", env = "LIMITER_CONTROL", help = CONTROL_HELP)]
    pub control: Option<Endpoint>,
    /// File with this node's token.
    #[arg(long, value_name = "FILE", env = "LIMITER_TOKEN_FILE")]
    pub token_file: Option<PathBuf>,
    /// File with the certificate authorities to trust, in PEM form, instead of those of the system.
    #[arg(long, value_name = "FILE", env = "LIMITER_CA")]
    pub ca_file: Option<PathBuf>,
}

/// The link's end in the agent's loop.
#[derive(Debug)]
pub struct Link {
    /// Address of the control plane.
    pub control: String,
    told: watch::Sender<InForce>,
}

impl Link {
    /// Starts the link on a thread of its own, which may do nothing beyond any process: what it reads
    /// comes from the network.
    pub fn start(
        place: &Place,
        args: &LinkArgs,
        endpoint: &Endpoint,
        metering: &Metering,
    ) -> Result<Self, LinkError> {
        let control = endpoint.to_string();
        let mut endpoint = endpoint.clone();
        if let Some(file) = &args.ca_file {
            let failed = |error| LinkError::File { file: file.clone(), what: "read", error };
            endpoint = endpoint.with_authorities(&fs::read(file).map_err(failed)?)?;
        }
        let transport = Arc::new(Transport::new(endpoint, args.token_file.clone())?);
        let record = Record { control: control.clone(), ..Record::default() };
        let failed = |error| LinkError::File { file: place.control(), what: "written", error };
        record.keep(place).map_err(failed)?;
        let told = watch::Sender::new(InForce::default());
        let receiver = told.subscribe();
        let record = Arc::new(Noted::new(place.clone(), record));
        let fetcher = Fetcher::new(Arc::clone(&transport), place.clone(), Arc::clone(&record));
        let metering = metering.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(LinkError::Start)?;
        on_thread(
            || privilege::drop_to(Stage::Nothing),
            move || {
                let stale = Notify::new();
                let reconnects = fetcher.reconnects();
                runtime.block_on(async {
                    tokio::select! {
                        () = fetcher.run(&stale) => {}
                        () = ack::acknowledge(&transport, &record, receiver, reconnects.clone(), &stale) => {}
                        () = usage::send(&transport, metering, reconnects) => {}
                    }
                });
            },
        )?;
        Ok(Self { control, told })
    }

    /// Waits until the link is gone, which only a fault in it brings about.
    pub async fn ended(&self) {
        self.told.closed().await;
    }

    /// Says that nothing is in force, since the first state is refused.
    pub fn tell_refused(&self, origin: OriginSpec, reason: String) {
        self.tell(InForce { origin: None, refused: Some((origin, reason)) });
    }

    /// Says what is in force, which the link passes on.
    pub fn tell(&self, in_force: InForce) {
        self.told.send_if_modified(|told| {
            let is_new = *told != in_force;
            *told = in_force;
            is_new
        });
    }
}

/// Runs `work` on a thread of the link's own, once `give_up` took from that thread what it may not do.
fn on_thread(
    give_up: impl FnOnce() -> io::Result<()> + Send + 'static,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), LinkError> {
    let (began, begun) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("control".into()).spawn(move || {
        let given_up = give_up();
        let may_work = given_up.is_ok();
        if began.send(given_up).is_ok() && may_work {
            work();
        }
    });
    thread.map_err(LinkError::Start)?;
    let given_up = begun.recv().map_err(|gone| LinkError::Start(io::Error::other(gone)))?;
    given_up.map_err(LinkError::Capabilities)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_keeps_its_capabilities_does_not_work() {
        let (sender, receiver) = mpsc::channel();
        let refused = || Err(io::Error::from(io::ErrorKind::PermissionDenied));
        let error = on_thread(refused, move || sender.send(()).expect("listened to")).expect_err("refused");
        assert!(
            error.to_string().contains("allow this process the system calls capset and prctl"),
            "{error}"
        );
        receiver.recv().expect_err("it worked all the same");
    }

    #[tokio::test]
    async fn a_link_whose_thread_dies_is_seen_to_end() {
        let told = watch::Sender::new(InForce::default());
        let receiver = told.subscribe();
        let link = Link { control: String::new(), told };
        let (fail, fails) = mpsc::channel::<()>();
        let work = move || {
            let _receiver = receiver;
            fails.recv().expect("this thread dies in a test");
        };
        on_thread(|| Ok(()), work).expect("started");
        tokio::time::timeout(Duration::from_millis(20), link.ended()).await.expect_err("it lives");
        drop(fail);
        tokio::time::timeout(Duration::from_secs(30), link.ended()).await.expect("it is gone");
    }
}
