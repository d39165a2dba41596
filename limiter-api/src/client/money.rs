//! Prices, quotes, and the money of accounts.

use super::Client;
use super::operations::Answer;
use crate::money::{
    AccountTerms, Balance, BillLine, LedgerEntry, LedgerQuery, LineQuery, NewNote, NewPriceBook, Order,
    OrderQuery, PriceBook, Quote, QuoteQuery, RenewQuoteQuery, ResizeQuoteQuery, Statement,
};
use crate::views::Page;

/// Prices and quotes.
impl Client {
    /// All price books.
    pub async fn price_books(&self) -> Answer<Page<PriceBook>> {
        self.get(&["price-books"]).await
    }

    /// A price book by its version; `now` is the one that holds.
    pub async fn price_book(&self, version: &str) -> Answer<PriceBook> {
        self.get(&["price-books", version]).await
    }

    /// Makes a price book, or says what it would be.
    pub async fn create_price_book(&self, new: &NewPriceBook) -> Answer<PriceBook> {
        self.post(&["price-books"], new).await
    }

    /// What a plan would cost.
    pub async fn quote_plan(&self, query: &QuoteQuery) -> Answer<Quote> {
        self.list(&["quotes", "plan"], query).await
    }

    /// What another peak would cost.
    pub async fn quote_resize(&self, plan: &str, query: &ResizeQuoteQuery) -> Answer<Quote> {
        self.list(&["plans", plan, "quotes", "resize"], query).await
    }

    /// What a longer term would cost.
    pub async fn quote_renewal(&self, plan: &str, query: &RenewQuoteQuery) -> Answer<Quote> {
        self.list(&["plans", plan, "quotes", "renew"], query).await
    }

    /// What the end of a subscription would pay back.
    pub async fn quote_end(&self, plan: &str) -> Answer<Quote> {
        self.get(&["plans", plan, "quotes", "unsubscribe"]).await
    }
}

/// The money of accounts.
impl Client {
    /// What an account has.
    pub async fn balance(&self, account: &str) -> Answer<Balance> {
        self.get(&["accounts", account, "balance"]).await
    }

    /// Sets what an account may owe, and what of prices it pays.
    pub async fn set_account_terms(&self, account: &str, terms: &AccountTerms) -> Answer<Balance> {
        self.patch(&["accounts", account, "balance"], terms).await
    }

    /// Writes a top-up, credit or debit into an account.
    pub async fn note(&self, account: &str, note: &NewNote) -> Answer<Balance> {
        self.post(&["accounts", account, "notes"], note).await
    }

    /// What moved the money of an account.
    pub async fn ledger(&self, account: &str, query: &LedgerQuery) -> Answer<Page<LedgerEntry>> {
        self.list(&["accounts", account, "ledger"], query).await
    }

    /// The hours of a month, each explained.
    pub async fn bill_lines(&self, account: &str, query: &LineQuery) -> Answer<Page<BillLine>> {
        self.list(&["accounts", account, "lines"], query).await
    }

    /// The statements of an account, the last first.
    pub async fn statements(&self, account: &str) -> Answer<Page<Statement>> {
        self.get(&["accounts", account, "statements"]).await
    }

    /// The statement of a month (`2026-11`), also of the one that goes on (`now`).
    pub async fn statement(&self, account: &str, month: &str) -> Answer<Statement> {
        self.get(&["accounts", account, "statements", month]).await
    }

    /// Orders.
    pub async fn orders(&self, query: &OrderQuery) -> Answer<Page<Order>> {
        self.list(&["orders"], query).await
    }

    /// One order.
    pub async fn order(&self, id: &str) -> Answer<Order> {
        self.get(&["orders", id]).await
    }
}
