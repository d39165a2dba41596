//! Egress addresses on the node: the table of nftables, connections, announcements.
//!
//! What is to be done is planned in `reconcile`; here it is read and carried out.

mod announce;
mod error;
mod nft;
pub mod table;

use std::net::Ipv4Addr;

pub use error::EgressError;
use table::{Change, Content, Table};

use crate::netlink::{Connection, ELEMENTS_MAX, Netfilter, NetlinkError};
use announce::Announcer;

/// What reads and changes egress addresses.
#[derive(Debug)]
pub struct Gate {
    /// None until it is needed: a node without egress addresses needs no kernel with nftables.
    netfilter: Option<Netfilter>,
    announcer: Option<Announcer>,
    /// The table as it was at a generation of the rules.
    seen: Option<(u32, u64, Table)>,
    /// Every connection leaves through the address that its network had at the last flush.
    are_connections_checked: bool,
}

/// Listings of connections until one shows none that is meant.
const FLUSHES_MAX: usize = 8;
/// Readings of rules that others change meanwhile.
const READINGS_MAX: usize = 8;

impl Gate {
    /// For the calling thread's network namespace, in which it is used from then on, within a tokio runtime. Opened
    /// without `CAP_NET_RAW` it can do everything but announce.
    pub fn open() -> Self {
        Self {
            netfilter: None,
            announcer: Announcer::open().ok(),
            seen: None,
            are_connections_checked: false,
        }
    }

    /// False until the first flush, and after one that was not finished.
    pub fn are_connections_checked(&self) -> bool {
        self.are_connections_checked
    }

    /// The table as it is now; `record` is what [`Self::make`] gave.
    ///
    /// Where no rule of nftables changed since the last reading, it is not read again.
    pub async fn table(&mut self, record: Option<u64>) -> Result<Table, EgressError> {
        for _ in 0..READINGS_MAX {
            let generation = self.generation().await?;
            if let (Some((seen, of, table)), Some(record)) = (&self.seen, record)
                && (*seen, *of) == (generation, record)
            {
                return Ok(table.clone());
            }
            let table = match nft::list()? {
                None => Table::Absent,
                Some(listed) => record.map_or(Table::Foreign, |record| table::read(&listed, record)),
            };
            if self.generation().await? == generation {
                self.seen = record.map(|record| (generation, record, table.clone()));
                return Ok(table);
            }
        }
        Err(EgressError::Unsteady)
    }

    /// Makes or replaces the table with `content` in one transaction; returns what recognises it.
    ///
    /// # Errors
    /// Also where the kernel cannot track connections; nothing is changed then.
    pub async fn make(&mut self, content: &Content) -> Result<u64, EgressError> {
        let probe = self.netfilter()?.connections(Some(Ipv4Addr::UNSPECIFIED), |_| false).await;
        probe.map_err(EgressError::NoTracking)?;
        nft::run(&table::made_of(content))?;
        let listed = nft::list()?.ok_or(EgressError::Unsteady)?;
        self.seen = None;
        Ok(table::fingerprint(&listed))
    }

    /// Changes elements of the table in one transaction; without an effect it asks nobody.
    pub async fn change(&mut self, change: &Change) -> Result<(), EgressError> {
        if change.around.is_some() || change.elements() > ELEMENTS_MAX {
            nft::run(&table::changed_by(change))?;
        } else {
            self.netfilter()?.change_elements(table::NAME, &table::elements_of(change)).await?;
        }
        // Ours is the only change since the reading where the generation went on by one.
        let generation = self.generation().await?;
        match &mut self.seen {
            Some((seen, _, Table::Ours(content))) if seen.wrapping_add(1) == generation => {
                content.apply(change);
                *seen = generation;
            }
            seen => *seen = None,
        }
        Ok(())
    }

    /// Deletes the table.
    pub fn remove(&mut self) -> Result<(), EgressError> {
        self.seen = None;
        if nft::list()?.is_some() { nft::run(&table::removed()) } else { Ok(()) }
    }

    /// Forgets every connection that `is_wrong`; with `through` only those that leave through one of these
    /// addresses are looked at. Until it succeeds, connections count as unchecked.
    pub async fn flush(
        &mut self,
        through: Option<&[Ipv4Addr]>,
        is_wrong: impl Fn(&Connection) -> bool,
    ) -> Result<usize, EgressError> {
        self.are_connections_checked = false;
        let mut forgotten = 0;
        let through: Vec<Option<Ipv4Addr>> =
            through.map_or_else(|| vec![None], |through| through.iter().copied().map(Some).collect());
        for address in through {
            let mut left = FLUSHES_MAX;
            loop {
                let wrong = self.netfilter()?.connections(address, &is_wrong).await?;
                if wrong.is_empty() {
                    break;
                }
                left = left.checked_sub(1).ok_or(EgressError::Unsteady)?;
                self.netfilter()?.forget(&wrong).await?;
                forgotten += wrong.len();
            }
        }
        self.are_connections_checked = true;
        Ok(forgotten)
    }

    fn netfilter(&mut self) -> Result<&mut Netfilter, EgressError> {
        match &mut self.netfilter {
            Some(netfilter) => Ok(netfilter),
            none => Ok(none.insert(Netfilter::open().map_err(EgressError::NoTables)?)),
        }
    }

    async fn generation(&mut self) -> Result<u32, EgressError> {
        self.netfilter()?.generation().await.map_err(|error| match error {
            NetlinkError::Refused { .. } => EgressError::NoTables(error),
            _ => error.into(),
        })
    }

    /// Connections count as unchecked until the next flush.
    pub fn doubt_connections(&mut self) {
        self.are_connections_checked = false;
    }

    /// Tells the neighbours on a device that the addresses are here. A device without a MAC header has none.
    pub fn announce(&self, ifindex: u32, addresses: &[Ipv4Addr]) {
        let announced = match &self.announcer {
            None => Err(std::io::Error::from_raw_os_error(libc::EPERM)),
            Some(announcer) => announcer.announce(ifindex, addresses),
        };
        if let Err(error) = announced {
            tracing::warn!(%error, ifindex, "egress addresses could not be announced; neighbours learn them late");
        }
    }
}

/// What `look` finds among the objects of every table of nftables, as `nft` lists them.
pub fn with_all_rules<T>(look: impl FnOnce(&[serde_json::Value]) -> T) -> Result<T, EgressError> {
    Ok(look(&nft::ruleset()?))
}
