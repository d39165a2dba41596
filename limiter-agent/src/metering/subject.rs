//! Whose a meter is: the names under which what it counted is said. Pure.

use std::sync::Arc;

use limiter_common::meter::Owner;

use crate::desired::{Desired, LimitSource};
use crate::reconcile::entity;

/// A network with the plan that serves it, or an instance with its network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A network.
    Network {
        /// Its identity.
        id: Arc<str>,
        /// The plan that serves it.
        plan: Option<Arc<str>>,
    },
    /// An instance.
    Instance {
        /// Its identity.
        id: Arc<str>,
        /// Identity of its network.
        network: Arc<str>,
    },
}

impl Subject {
    /// As the kernel's maps name it: hash and kind.
    pub fn key(&self) -> (u64, u32) {
        match self {
            Self::Network { id, .. } => (entity::hash("network", id), Owner::NETWORK),
            Self::Instance { id, .. } => (entity::hash("instance", id), Owner::INSTANCE),
        }
    }

    /// True for a network, which has a row for each bucket.
    pub fn is_network(&self) -> bool {
        matches!(self, Self::Network { .. })
    }
}

/// Everybody that a state names, found by the key in the kernel's maps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subjects {
    sorted: Vec<((u64, u32), Subject)>,
}

impl Subjects {
    /// Those of a state as it holds now. A plan whose term is over serves nobody.
    pub fn of(desired: &Desired) -> Self {
        let networks = desired.networks.iter().map(|network| {
            let is_over = matches!(network.limits.source, LimitSource::Expired(_));
            let plan = network.plan.clone().filter(|_| !is_over);
            Subject::Network { id: Arc::clone(&network.id), plan }
        });
        let instances = desired.instances.iter().map(|instance| Subject::Instance {
            id: Arc::clone(&instance.id),
            network: Arc::clone(&desired.networks[instance.network].id),
        });
        networks.chain(instances).collect()
    }

    /// These, and of `others` whom these do not name.
    #[must_use]
    pub fn with(&self, others: &Self) -> Self {
        let more = others.sorted.iter().filter(|(key, _)| self.find(*key).is_none());
        let mut sorted: Vec<_> = self.sorted.iter().chain(more).cloned().collect();
        sorted.sort_by_key(|(key, _)| *key);
        Self { sorted }
    }

    /// Who has this key.
    pub fn find(&self, key: (u64, u32)) -> Option<&Subject> {
        let place = self.sorted.binary_search_by_key(&key, |(known, _)| *known).ok()?;
        self.sorted.get(place).map(|(_, subject)| subject)
    }
}

impl FromIterator<Subject> for Subjects {
    fn from_iter<T: IntoIterator<Item = Subject>>(subjects: T) -> Self {
        let mut sorted: Vec<_> = subjects.into_iter().map(|subject| (subject.key(), subject)).collect();
        sorted.sort_by_key(|(key, _)| *key);
        Self { sorted }
    }
}
