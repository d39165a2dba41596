//! One request at a time over a netlink socket: acknowledged changes and complete listings.

use std::fmt;
use std::io;

use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

use super::error::NetlinkError;
use super::wire::{Message, Request, attribute, next_message, text, u32_at};

/// `NLM_F_REQUEST`.
pub(super) const REQUEST: u16 = libc::NLM_F_REQUEST as u16;
/// Flags of a request that is acknowledged.
pub(super) const CHANGE: u16 = REQUEST | libc::NLM_F_ACK as u16;
/// Flags of a request that creates, and fails where the object exists.
pub(super) const CREATE: u16 = CHANGE | (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
/// Flags of a request for a whole listing.
pub(super) const LIST: u16 = REQUEST | libc::NLM_F_DUMP as u16;

/// The listing changed while it was read.
const INTERRUPTED: u16 = 0x10;
/// The error message carries attributes (`NLM_F_ACK_TLVS`).
const WITH_ATTRIBUTES: u16 = 0x200;
/// `NLMSGERR_ATTR_MSG`, the kernel's words.
const ERROR_TEXT: u16 = 1;
/// Above the 32 KiB the kernel puts into one datagram of a listing.
const DATAGRAM_BYTES: usize = 64 << 10;
/// Changes of one datagram: their refusals fit the kernel's smallest usual buffer.
const CHANGES_AT_ONCE: usize = 128;
/// Readings of a listing that keeps changing.
const READINGS_MAX: u32 = 8;

/// A netlink socket with its sequence number.
pub(super) struct Socket {
    channel: TokioSocket,
    sequence: u32,
    /// The last request was dropped before its last answer came.
    is_unfinished: bool,
    datagram: Vec<u8>,
}

impl Socket {
    /// Opens it for a protocol (`NETLINK_*`) in the thread's network namespace.
    pub(super) fn open(protocol: isize) -> Result<Self, NetlinkError> {
        let channel = connect(protocol).map_err(NetlinkError::Open)?;
        Ok(Self { channel, sequence: 0, is_unfinished: false, datagram: Vec::with_capacity(DATAGRAM_BYTES) })
    }

    /// Sends a change and waits until the kernel made or refused it. `what` names it in errors.
    pub(super) async fn change(&mut self, what: &str, request: Request) -> Result<(), NetlinkError> {
        self.exchange(what, request, |_| ()).await.map(drop)
    }

    /// Sends many changes in few datagrams and waits until the kernel made or refused each; what it refuses
    /// with `ignored` (an errno) counts as made. The first other refusal is the error; what follows it may be made.
    pub(super) async fn changes(
        &mut self,
        what: &str,
        requests: impl Iterator<Item = Request>,
        ignored: i32,
    ) -> Result<(), NetlinkError> {
        let mut requests = requests.peekable();
        while requests.peek().is_some() {
            let first = self.sequence.wrapping_add(1);
            let mut bytes = Vec::new();
            for place in 1..=CHANGES_AT_ONCE {
                let Some(request) = requests.next() else { break };
                let is_last = place == CHANGES_AT_ONCE || requests.peek().is_none();
                self.sequence = self.sequence.wrapping_add(1);
                // A refusal is told in any case.
                let request = if is_last { request } else { request.unacknowledged() };
                bytes.extend(request.numbered(self.sequence));
            }
            self.send(what, &bytes).await?;
            self.made(what, first, ignored).await?;
        }
        Ok(())
    }

    /// Sends a batch in one datagram, of which every message but the first and the last is acknowledged.
    pub(super) async fn transaction(&mut self, what: &str, batch: Vec<Request>) -> Result<(), NetlinkError> {
        let first = self.sequence.wrapping_add(2);
        let mut bytes = Vec::new();
        for request in batch {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(request.numbered(self.sequence));
        }
        self.send(what, &bytes).await?;
        let last = self.sequence;
        self.sequence = last.wrapping_sub(1);
        let made = self.made(what, first, 0).await;
        self.sequence = last;
        made
    }

    async fn send(&mut self, what: &str, bytes: &[u8]) -> Result<(), NetlinkError> {
        let sent = self.channel.send_to(bytes, &SocketAddr::new(0, 0)).await;
        sent.map_err(|source| NetlinkError::Socket { request: what.to_owned(), source })?;
        self.is_unfinished = true;
        Ok(())
    }

    /// The answers to the changes from number `first` to the last one sent, whose own comes last.
    async fn made(&mut self, what: &str, first: u32, ignored: i32) -> Result<(), NetlinkError> {
        let mut result = Ok(());
        while self.is_unfinished {
            self.datagram.clear();
            let received = self.channel.recv_from(&mut self.datagram).await;
            self.is_unfinished &= received.is_ok();
            received.map_err(|source| NetlinkError::Socket { request: what.to_owned(), source })?;
            let mut rest = self.datagram.as_slice();
            while let Some(message) = next_message(&mut rest) {
                // A batch that is refused as a whole is so under the number of its beginning.
                let is_beginning = message.sequence == first.wrapping_sub(1);
                let is_ours = message.sequence.wrapping_sub(first) <= self.sequence.wrapping_sub(first);
                match outcome(what, &message) {
                    Err(error) if is_beginning => {
                        self.is_unfinished = false;
                        return Err(error);
                    }
                    Err(error) if is_ours && error.errno() != Some(ignored) && result.is_ok() => {
                        result = Err(error);
                    }
                    _ => {}
                }
                self.is_unfinished &= message.sequence != self.sequence;
            }
        }
        result
    }

    /// Reads a listing to its end; `read` gives an item for a message, or `None` to leave it out.
    pub(super) async fn list<T>(
        &mut self,
        what: &str,
        request: Request,
        read: impl Fn(&[u8]) -> Option<T>,
    ) -> Result<Vec<T>, NetlinkError> {
        for _ in 0..READINGS_MAX {
            let mut items = Vec::new();
            let steady = self.exchange(what, request.clone(), |body| items.extend(read(body))).await?;
            if steady {
                return Ok(items);
            }
        }
        Err(NetlinkError::Unsteady { request: what.to_owned() })
    }

    /// One request and its answers; false where the listing changed meanwhile.
    async fn exchange(
        &mut self,
        what: &str,
        request: Request,
        each: impl FnMut(&[u8]),
    ) -> Result<bool, NetlinkError> {
        if self.is_unfinished {
            // The kernel refuses a listing while another is half read; how that one ended is nobody's matter.
            let _ = self.answers(what, |_| ()).await;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.send(what, &request.numbered(self.sequence)).await?;
        self.answers(what, each).await
    }

    /// The answers to the last request, to their end.
    async fn answers(&mut self, what: &str, mut each: impl FnMut(&[u8])) -> Result<bool, NetlinkError> {
        let mut steady = true;
        loop {
            self.datagram.clear();
            let received = self.channel.recv_from(&mut self.datagram).await;
            self.is_unfinished &= received.is_ok();
            let sender =
                received.map_err(|source| NetlinkError::Socket { request: what.to_owned(), source })?;
            if sender.port_number() != 0 {
                continue;
            }
            let mut rest = self.datagram.as_slice();
            while !rest.is_empty() {
                let message = next_message(&mut rest)
                    .ok_or_else(|| NetlinkError::Malformed { request: what.to_owned() })?;
                if message.sequence != self.sequence {
                    continue;
                }
                steady &= message.flags & INTERRUPTED == 0;
                match i32::from(message.kind) {
                    libc::NLMSG_ERROR | libc::NLMSG_DONE => {
                        self.is_unfinished = false;
                        return outcome(what, &message).map(|()| steady);
                    }
                    _ => each(message.body),
                }
            }
        }
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

fn connect(protocol: isize) -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(protocol)?;
    let options = socket.socket_mut();
    options.bind_auto()?;
    options.set_cap_ack(true)?;
    options.set_ext_ack(true)?;
    options.set_netlink_get_strict_chk(true)?;
    Ok(socket)
}

/// The result that an error or end message tells.
fn outcome(what: &str, message: &Message<'_>) -> Result<(), NetlinkError> {
    let code = u32_at(message.body, 0).map_or(0, u32::cast_signed);
    if code == 0 {
        return Ok(());
    }
    // An error repeats the header of the request, the end of a listing does not.
    let fixed_bytes = if i32::from(message.kind) == libc::NLMSG_ERROR { 20 } else { 4 };
    let detail = (message.flags & WITH_ATTRIBUTES != 0)
        .then(|| message.body.get(fixed_bytes..).and_then(|rest| attribute(rest, ERROR_TEXT)))
        .flatten()
        .map(text)
        .unwrap_or_default();
    let source = io::Error::from_raw_os_error(code.wrapping_neg());
    Err(NetlinkError::Refused { request: what.to_owned(), detail, source })
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::task::Poll;
    use std::time::Duration;

    use tokio::time::sleep;

    use super::super::testing::Namespace;

    #[test]
    fn a_listing_that_was_dropped_half_way_is_no_hindrance() {
        let space = Namespace::new();
        for pair in 0..100 {
            space.ip(&format!("link add one{pair} type veth peer name two{pair}"));
        }
        space.run(async |netlink| {
            {
                let mut listing = pin!(netlink.links());
                for wait in ["until the socket can be written", "until it can be read"] {
                    let waits =
                        poll_fn(|context| Poll::Ready(listing.as_mut().poll(context).is_pending())).await;
                    assert!(waits, "{wait}");
                    sleep(Duration::from_millis(1)).await;
                }
            }
            assert_eq!(netlink.links().await.expect("links").len(), 201);
        });
    }
}
