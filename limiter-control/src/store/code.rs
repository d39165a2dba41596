//! Closed sets of values as short texts in columns.

use limiter_domain::bill::LineItem;
use limiter_domain::price::{OrderKind, Standing};
use limiter_domain::statement::EntryKind;
use limiter_domain::{Business, Charge, NetworkEgress, NetworkStatus, OperationKind, Pay, Role, Status};
use limiter_state::{Access, EgressAddresses, Mode, Policy, UnknownSources};

/// A value of a closed set.
pub(super) trait Code: Copy + Sized + 'static {
    /// Each value with its text.
    const ALL: &'static [Self];

    /// The text.
    fn code(self) -> &'static str;

    /// The value with this text.
    fn of_code(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|value| value.code() == code)
    }
}

macro_rules! coded_by_domain {
    ($($type:ident),+) => {
        $(impl Code for $type {
            const ALL: &'static [Self] = &$type::ALL;

            fn code(self) -> &'static str {
                $type::code(self)
            }
        })+
    };
}

coded_by_domain!(EntryKind, LineItem, OrderKind, Standing);

macro_rules! code {
    ($($type:ident { $($name:ident = $code:literal),+ $(,)? })+) => {
        $(impl Code for $type {
            const ALL: &'static [Self] = &[$(Self::$name),+];

            fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code),+
                }
            }
        })+
    };
}

code! {
    Access { Allow = "allow", Deny = "deny" }
    Business { Normal = "normal", Expired = "expired", Overdue = "overdue" }
    Charge { ByBandwidth = "bandwidth", ByTraffic = "traffic" }
    EgressAddresses { Assign = "assign", Routed = "routed" }
    Mode { Auto = "auto", Shape = "shape", Police = "police" }
    NetworkEgress { None = "none", Shared = "shared", Exclusive = "exclusive" }
    NetworkStatus { Active = "active", Deleting = "deleting" }
    OperationKind {
        Provision = "provision",
        Associate = "associate",
        Dissociate = "dissociate",
        Release = "release",
    }
    Pay { PrePaid = "prepaid", PostPaid = "postpaid" }
    Policy { Pass = "pass", Drop = "drop" }
    Role {
        Operator = "operator",
        Customer = "customer",
        Viewer = "viewer",
        Accountant = "accountant",
        Agent = "agent",
    }
    Status {
        Creating = "creating",
        InUse = "in_use",
        NotAssociated = "not_associated",
        Changing = "changing",
        Releasing = "releasing",
        Released = "released",
        Failed = "failed",
    }
    UnknownSources { Drop = "drop", Budget = "budget" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn distinct<T: Code + PartialEq + std::fmt::Debug>() {
        for &value in T::ALL {
            assert_eq!(T::of_code(value.code()), Some(value));
        }
        assert_eq!(T::of_code(""), None);
    }

    #[test]
    fn every_text_stands_for_one_value() {
        distinct::<Access>();
        distinct::<Business>();
        distinct::<Charge>();
        distinct::<EgressAddresses>();
        distinct::<Mode>();
        distinct::<NetworkEgress>();
        distinct::<NetworkStatus>();
        distinct::<OperationKind>();
        distinct::<Pay>();
        distinct::<Policy>();
        distinct::<Role>();
        distinct::<Status>();
        distinct::<EntryKind>();
        distinct::<LineItem>();
        distinct::<OrderKind>();
        distinct::<Standing>();
        distinct::<UnknownSources>();
    }
}
