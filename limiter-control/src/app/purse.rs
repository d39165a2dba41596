//! What accounts have, and what operators write into them.

use limiter_api::money::{AccountTerms, Balance, NewNote};
use limiter_domain::price::{Amount, Books, Discount, Note};
use limiter_domain::statement::{EntryKind, month_of};
use limiter_domain::{Code, EventKind, NoteId};

use super::change::{Begun, Call};
use super::error::refuse_field;
use super::money::Movement;
use super::{App, AppError, Caller, read};
use crate::store::KeptPurse;

/// Longest reason of a note, characters.
const REASON_MAX_CHARS: usize = 200;

impl App {
    /// What an account has.
    pub async fn balance(&self, caller: &Caller, id: &str) -> Result<Balance, AppError> {
        let reach = caller.audits()?;
        let tx = self.store.read().await?;
        let account = read::account(&tx, &reach, id).await?;
        let kept = tx.purse(&account.id).await?;
        Ok(shown(&kept, &tx.price_books().await?))
    }

    /// Writes a top-up, credit or debit into an account.
    pub async fn note(&self, call: &Call, id: &str, input: NewNote) -> Result<Balance, AppError> {
        call.caller.operates()?;
        call.check_unversioned()?;
        let (note, kind, word) = noted(&input.kind)?;
        let amount = note.signed(Amount::new(input.amount_micro))?;
        let reason = reason(&input.reason)?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let account = read::account(&change.tx, &super::Reach::All, id).await?;
        // What is over is billed first, so that the account's standing is that of now.
        self.bill_account(&mut change, &account.id).await?;
        let note_id = NoteId::of_random(rand::random());
        let detail = format!("{word} {amount}: {reason}");
        change.event(EventKind::AccountNoted, Some(&account.id), account.id.as_str(), &detail);
        let movement = Movement {
            kind,
            source: note_id.to_string(),
            amount,
            at: change.now,
            month: month_of(change.now, self.settings()),
            detail: reason.to_owned(),
        };
        self.post(&mut change, &account.id, movement).await?;
        let kept = change.tx.purse(&account.id).await?;
        let view = shown(&kept, &change.tx.price_books().await?);
        change.finish(view).await
    }

    /// Sets what an account may owe, and what of prices it pays.
    pub async fn set_account_terms(
        &self,
        call: &Call,
        id: &str,
        input: AccountTerms,
    ) -> Result<Balance, AppError> {
        call.caller.operates()?;
        call.check_unversioned()?;
        let discount = input.discount_bp.map(Discount::new).transpose()?;
        let mut change = match self.begin(call).await? {
            Begun::New(change) => change,
            Begun::Again(answer) => return Ok(answer),
        };
        let account = read::account(&change.tx, &super::Reach::All, id).await?;
        // Hours that are over have the discount of before.
        self.bill_account(&mut change, &account.id).await?;
        let kept = change.tx.purse(&account.id).await?;
        let limit = input.credit_limit_micro.map_or(kept.purse.credit_limit, Amount::new);
        let mut moved = kept.purse.with_credit(limit, change.now)?;
        moved.purse.discount = discount.unwrap_or(kept.purse.discount);
        let points = moved.purse.discount.basis_points();
        let detail = format!("credit limit {limit}, pays {points} of 10000");
        change.event(EventKind::AccountTermsSet, Some(&account.id), account.id.as_str(), &detail);
        self.keep_purse(&mut change, kept, moved).await?;
        let kept = change.tx.purse(&account.id).await?;
        let view = shown(&kept, &change.tx.price_books().await?);
        change.finish(view).await
    }
}

fn noted(kind: &str) -> Result<(Note, EntryKind, &'static str), AppError> {
    let kinds =
        [(Note::TopUp, EntryKind::TopUp), (Note::Credit, EntryKind::Credit), (Note::Debit, EntryKind::Debit)];
    let found = kinds.into_iter().find(|(_, entry)| entry.code() == kind);
    found.map(|(note, entry)| (note, entry, entry.code())).ok_or_else(|| {
        let shown: String = kind.chars().take(40).collect();
        let message = format!("{shown:?} is not known; write top_up, credit or debit");
        refuse_field(Code::InvalidParameter, "kind", message)
    })
}

fn reason(text: &str) -> Result<&str, AppError> {
    let reason = text.trim();
    let fits = !reason.is_empty()
        && reason.chars().nth(REASON_MAX_CHARS).is_none()
        && !reason.chars().any(char::is_control);
    if fits {
        return Ok(reason);
    }
    let shown: String = reason.chars().take(40).collect();
    let message = format!(
        "{shown:?} is no reason; write 1 to {REASON_MAX_CHARS} characters without control characters"
    );
    Err(refuse_field(Code::InvalidParameter, "reason", message))
}

/// Amounts are hidden where nothing has a price.
fn shown(kept: &KeptPurse, books: &Books) -> Balance {
    let purse = &kept.purse;
    let currency = books.list().last().and_then(|book| book.currency);
    let micro = |amount: Amount| currency.map(|_| amount.micro());
    Balance {
        account: kept.account.to_string(),
        balance_micro: micro(purse.balance),
        credit_limit_micro: micro(purse.credit_limit),
        available_micro: micro(purse.available()),
        currency: currency.map(|currency| currency.to_string()),
        discount_bp: purse.discount.basis_points(),
        standing: purse.standing.code().to_owned(),
        overdue_since: purse.overdue_since,
        suspends_at: kept.suspends_at,
    }
}
