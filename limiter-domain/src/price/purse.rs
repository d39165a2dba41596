//! The money of an account: what it has, what it may owe, and what happens when it owes more.

use jiff::Timestamp;

use super::Amount;
use crate::step::Happening;
use crate::{Code, EventKind, Refusal, Settings};

/// Most that an account has or may owe, millionths; sums of two stay amounts.
const MOST_MICRO: i64 = 4_000_000_000_000_000_000;

/// The money of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// What it has; below zero what it owes.
    pub balance: Amount,
    /// What it may owe; not below zero.
    pub credit_limit: Amount,
    /// What of a price it pays.
    pub discount: Discount,
    /// Whether it owes more than it may.
    pub standing: Standing,
    /// Since when it owes more than it may.
    pub overdue_since: Option<Timestamp>,
}

/// What of a price is paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discount(u16);

/// Whether an account owes more than it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It does not.
    #[default]
    Normal,
    /// It does; nothing happens to its plans yet.
    Grace,
    /// It did too long; its pay-as-you-go plans are overdue.
    Suspended,
}

/// What an operator writes into an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Note {
    /// Money came in.
    TopUp,
    /// Something is given back.
    Credit,
    /// Something is taken.
    Debit,
}

/// A purse as it becomes, with what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The purse.
    pub purse: Purse,
    /// What happened, in order.
    pub events: Vec<Happening>,
}

impl Default for Purse {
    fn default() -> Self {
        Self {
            balance: Amount::ZERO,
            credit_limit: Amount::ZERO,
            discount: Discount::NONE,
            standing: Standing::Normal,
            overdue_since: None,
        }
    }
}

impl Purse {
    pub(super) fn unlimited(discount: Discount) -> Self {
        Self { balance: Amount::new(i64::MAX), discount, ..Self::default() }
    }

    /// What can be paid with it.
    pub const fn available(&self) -> Amount {
        self.balance.plus(self.credit_limit)
    }

    /// What always holds: it owes more than it may exactly while its standing says so, since an instant.
    pub fn is_sound(&self) -> bool {
        let owes = self.available() < Amount::ZERO;
        owes == (self.standing != Standing::Normal)
            && owes == self.overdue_since.is_some()
            && self.credit_limit >= Amount::ZERO
            && self.balance.micro() <= MOST_MICRO
    }

    /// Refuses an amount that is more than it has: `InsufficientBalance`.
    pub(crate) fn has(&self, amount: Amount) -> Result<(), Refusal> {
        if amount <= Amount::ZERO || amount <= self.available() {
            return Ok(());
        }
        let message = format!(
            "it costs {amount}, and the account has {} with its credit; top it up by {}",
            self.available(),
            amount.minus(self.available())
        );
        Err(Refusal::new(Code::InsufficientBalance, message))
    }

    /// Refuses more pay-as-you-go to an account that owes more than it may: `AccountOverdue`.
    pub(crate) fn is_normal(&self) -> Result<(), Refusal> {
        if self.standing == Standing::Normal {
            return Ok(());
        }
        let owed = Amount::ZERO.minus(self.available());
        Err(Refusal::new(Code::AccountOverdue, format!("the account owes {owed} too much; top it up first")))
    }

    /// Adds `amount`, below zero takes it, and looks whether the account owes too much since `at`.
    ///
    /// Refused with `InvalidParameter` where no number holds the balance.
    pub fn post(&self, amount: Amount, at: Timestamp) -> Result<Moved, Refusal> {
        let balance = self.balance.micro().checked_add(amount.micro()).filter(|it| *it <= MOST_MICRO);
        if let Some(micro) = balance {
            return Ok(Self { balance: Amount::new(micro), ..*self }.looked_at(at));
        }
        let message = format!(
            "{amount} makes a balance that is out of range; write less than {}",
            Amount::new(MOST_MICRO).minus(self.balance)
        );
        Err(Refusal::new(Code::InvalidParameter, message).at("amount_micro"))
    }

    /// Lets the account owe up to `limit`. Refused with `InvalidParameter` where that is no such amount.
    pub fn with_credit(&self, limit: Amount, at: Timestamp) -> Result<Moved, Refusal> {
        if (0..=MOST_MICRO).contains(&limit.micro()) {
            return Ok(Self { credit_limit: limit, ..*self }.looked_at(at));
        }
        let message =
            format!("a credit limit of {limit} is out of range; write 0 to {MOST_MICRO} millionths");
        Err(Refusal::new(Code::InvalidParameter, message).at("credit_limit_micro"))
    }

    /// When its pay-as-you-go plans become overdue, unless it is topped up.
    pub fn suspends_at(&self, settings: &Settings) -> Option<Timestamp> {
        let since = self.overdue_since.filter(|_| self.standing == Standing::Grace)?;
        Some(since.saturating_add(settings.grace).unwrap_or(Timestamp::MAX))
    }

    /// The same where it was overdue too long.
    pub fn suspended(&self, at: Timestamp) -> Moved {
        let purse = Self { standing: Standing::Suspended, ..*self };
        let detail = format!("balance {}, credit limit {}", self.balance, self.credit_limit);
        Moved { purse, events: vec![Happening::new(at, EventKind::AccountSuspended, detail)] }
    }

    fn looked_at(self, at: Timestamp) -> Moved {
        let owes = self.available() < Amount::ZERO;
        let detail = format!("balance {}, credit limit {}", self.balance, self.credit_limit);
        let (purse, kind) = match (owes, self.standing) {
            (true, Standing::Normal) => {
                let purse = Self { standing: Standing::Grace, overdue_since: Some(at), ..self };
                (purse, EventKind::AccountOverdue)
            }
            (false, Standing::Grace | Standing::Suspended) => {
                let purse = Self { standing: Standing::Normal, overdue_since: None, ..self };
                (purse, EventKind::AccountRestored)
            }
            _ => return Moved { purse: self, events: Vec::new() },
        };
        Moved { purse, events: vec![Happening::new(at, kind, detail)] }
    }
}

impl Standing {
    /// All.
    pub const ALL: [Self; 3] = [Self::Normal, Self::Grace, Self::Suspended];

    /// As written everywhere.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Grace => "grace",
            Self::Suspended => "suspended",
        }
    }
}

impl Note {
    /// What the balance changes by for a note of `amount`, which is above zero and whole cents.
    ///
    /// Refused with `InvalidParameter`.
    pub fn signed(self, amount: Amount) -> Result<Amount, Refusal> {
        if amount <= Amount::ZERO || !amount.is_cents() || amount.micro() > MOST_MICRO {
            let message = format!(
                "{} millionths cannot be written down; write 10000 (a cent) to {MOST_MICRO}, whole cents",
                amount.micro()
            );
            return Err(Refusal::new(Code::InvalidParameter, message).at("amount_micro"));
        }
        Ok(match self {
            Self::TopUp | Self::Credit => amount,
            Self::Debit => amount.negated(),
        })
    }
}

impl Discount {
    /// The whole price is paid.
    pub const NONE: Self = Self(10_000);

    /// `basis_points` of the price are paid, 1 to 10,000. Refused with `InvalidParameter`.
    pub fn new(basis_points: u16) -> Result<Self, Refusal> {
        if (1..=10_000).contains(&basis_points) {
            return Ok(Self(basis_points));
        }
        let message = format!("{basis_points} is out of range; write 1 to 10000, which is the whole price");
        Err(Refusal::new(Code::InvalidParameter, message).at("discount_bp"))
    }

    /// Ten-thousandths of the price that are paid.
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    /// Ten-thousandths of `price` after the discount.
    pub(crate) const fn of(self, price: i128) -> i128 {
        price * self.0 as i128
    }
}
