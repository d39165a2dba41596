//! The money of an account, as prices need it.

use std::sync::Arc;

use limiter_domain::AccountId;
use limiter_domain::price::{Books, Money, Purse};

use super::AppError;
use crate::store::Tx;

/// All price books, and the money of one account.
pub(super) struct Funds {
    books: Arc<Books>,
    purse: Purse,
}

impl Funds {
    /// Those of `account`. There is no price book yet, and no money.
    #[expect(clippy::unused_async, reason = "money will be read from the store")]
    pub(super) async fn of(_tx: &Tx, _account: &AccountId) -> Result<Self, AppError> {
        Ok(Self { books: Arc::default(), purse: Purse::default() })
    }

    /// Of what a price is worked out.
    pub(super) fn money(&self) -> Money<'_> {
        Money { books: &self.books, purse: self.purse }
    }
}
