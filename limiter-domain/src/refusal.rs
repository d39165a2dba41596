//! Why something is refused: one code for each condition, with what it is about.

use std::fmt;

/// Why an operation is refused. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which condition.
    pub code: Code,
    /// The input field it is about, where it is about one, as `field` or `list[3].field`.
    pub field: Option<String>,
    /// What is wrong, with the value, and what to do.
    pub message: String,
}

impl Refusal {
    /// A refusal that is about no input field.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, field: None, message: message.into() }
    }

    /// The same, about the input `field`.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// There is no `what` with this id, as far as the caller may know.
    pub fn missing(code: Code, what: &str, id: impl fmt::Display) -> Self {
        Self::new(code, format!("there is no {what} {id}; list what there is and name one of those"))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.code(), self.message)
    }
}

impl std::error::Error for Refusal {}

/// What a caller may do about a refusal; the HTTP layer makes a status of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The input is wrong by itself.
    Input,
    /// It is not there, or not the caller's.
    Missing,
    /// It does not fit the state of things.
    Conflict,
    /// The account has too little money.
    Money,
    /// A quota is used up.
    Quota,
    /// There is none left; later there may be.
    Supply,
}

macro_rules! codes {
    ($($name:ident = $code:literal, $fault:ident, $doc:literal;)+) => {
        /// Which condition refuses an operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $doc] $name),+
        }

        impl Code {
            /// All.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// As written everywhere.
            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$name => $code),+
                }
            }

            /// What a caller may do about it.
            pub const fn fault(self) -> Fault {
                match self {
                    $(Self::$name => Fault::$fault),+
                }
            }
        }
    };
}

codes! {
    MissingParameter = "MissingParameter", Input, "A required input is absent.";
    InvalidParameter = "InvalidParameter", Input, "An input is malformed.";
    InvalidBandwidth = "InvalidBandwidth.ValueNotSupported", Input, "A peak outside its range.";
    InvalidChargeType = "InvalidChargeType", Input, "A subscription cannot be charged by traffic.";
    InvalidPeriod = "InvalidPeriod", Input, "No duration of the eight, or one where none belongs.";
    AutoRenewNotSupported = "AutoRenewNotSupported", Input, "A week, or pay-as-you-go, is not renewed by itself.";
    InvalidRuleName = "InvalidRuleName", Input, "A rule's name is empty, too long or has control characters.";
    InvalidRuleLimit = "InvalidRuleLimit", Input, "A rule's limit is absent or outside its range.";
    AgreementNotAccepted = "AgreementNotAccepted", Input, "The current agreement was not accepted.";
    RegionMismatch = "RegionMismatch", Input, "The network's region is not the plan's.";
    TooManyIds = "TooManyIds", Input, "A list is longer than a call takes.";
    AccountNotFound = "AccountNotFound", Missing, "No such account.";
    UserNotFound = "UserNotFound", Missing, "No such user.";
    TokenNotFound = "TokenNotFound", Missing, "No such token.";
    AddressNotFound = "AddressNotFound", Missing, "No such address.";
    NodeNotFound = "NodeNotFound", Missing, "No such node.";
    NetworkNotFound = "NetworkNotFound", Missing, "No such network of this account.";
    InstanceNotFound = "InstanceNotFound", Missing, "No such instance of this account.";
    PlanNotFound = "PlanNotFound", Missing, "No such plan of this account, or released.";
    OrderNotFound = "OrderNotFound", Missing, "No such order of this account.";
    PriceBookNotFound = "PriceBookNotFound", Missing, "No such price book.";
    RuleNotFound = "RuleNotFound", Missing, "No such rule of this account.";
    AssociationNotSupport = "IncorrectPlanStatus.AssociationNotSupport", Conflict, "Not in this status.";
    DissociationNotSupport = "IncorrectPlanStatus.DissociationNotSupport", Conflict, "Not in this status.";
    ModificationNotSupport = "IncorrectPlanStatus.ModificationNotSupport", Conflict, "Not in this status.";
    DeletionNotSupport = "IncorrectPlanStatus.DeletionNotSupport", Conflict, "Not in this status.";
    RenewalNotSupport = "IncorrectPlanStatus.RenewalNotSupport", Conflict, "Not in this status.";
    RuleNotSupport = "IncorrectPlanStatus.RuleNotSupport", Conflict, "Not in this status.";
    PlanAlreadyAssociated = "PlanAlreadyAssociated", Conflict, "The plan holds a network.";
    PlanNotAssociated = "PlanNotAssociated", Conflict, "The plan holds no network.";
    PlanAssociated = "PlanAssociated", Conflict, "The plan holds a network, and `force` was not given.";
    NetworkHasPlan = "NetworkHasPlan", Conflict, "Another plan holds the network.";
    NetworkNotReady = "NetworkNotReady", Conflict, "The network is being deleted.";
    NetworkInUse = "NetworkInUse", Conflict, "A plan or instances keep the network from being deleted.";
    NodeInUse = "NodeInUse", Conflict, "Networks need the node.";
    NodeNotReady = "NodeNotReady", Conflict, "The node has not acknowledged what changed.";
    NetworkHasNoNode = "NetworkHasNoNode", Conflict, "No node carries the network.";
    PlanExpired = "PlanExpired", Conflict, "The plan's term is over.";
    PlanFinancialLocked = "PlanFinancialLocked", Conflict, "The account owes too much.";
    PayTypeNotSupported = "OperationNotSupportedForPayType", Conflict, "Not for this kind of payment.";
    QuoteChanged = "QuoteChanged", Conflict, "The amount is not the expected one.";
    ResizeNoChange = "ResizeNoChange", Conflict, "The plan has this peak.";
    RenewalHorizonExceeded = "RenewalHorizonExceeded", Conflict, "The term would reach too far ahead.";
    InsufficientBalance = "InsufficientBalance", Money, "The account has less than it costs.";
    AccountOverdue = "AccountOverdue", Money, "The account owes more than it may.";
    NameDuplicate = "NameDuplicate", Conflict, "The name is taken.";
    RuleNameDuplicate = "RuleNameDuplicate", Conflict, "The plan has a rule of this name.";
    AddressConflict = "AddressConflict", Conflict, "An address or prefix is taken, or outside its network.";
    InstanceAlreadyInRule = "InstanceAlreadyInRule", Conflict, "The instance is bound to another rule.";
    InstanceNotInNetwork = "InstanceNotInNetwork", Conflict, "The instance is in another network than the plan's.";
    IdempotentParameterMismatch = "IdempotentParameterMismatch", Conflict, "The token was used with other input.";
    UsageConflict = "UsageConflict", Conflict, "The batch was stored before with other content.";
    UsageOutOfOrder = "UsageOutOfOrder", Conflict, "Earlier batches are to come first.";
    VersionConflict = "VersionConflict", Conflict, "It was changed since it was read.";
    NodeHasNoSharedAddress = "NodeHasNoSharedAddress", Conflict, "Networks would leave through an address that is not there.";
    AddressInUse = "AddressInUse", Conflict, "A plan has the address, or had it not long ago.";
    TooFewAddresses = "TooFewAddresses", Conflict, "The region has more plans without an address.";
    NoAddressAvailable = "NoAddressAvailable", Supply, "No address of the region is free.";
    QuotaExceededPlan = "QuotaExceeded.Plan", Quota, "The account has as many plans as it may.";
    QuotaExceededRule = "QuotaExceeded.Rule", Quota, "The plan has as many rules as it may.";
    QuotaExceededRuleBinding = "QuotaExceeded.RuleBinding", Quota, "The rule has as many instances as it may.";
}
