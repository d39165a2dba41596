//! What moved money, and what months cost.

use jiff::Timestamp;
use jiff::civil::Date;
use limiter_api::money::{BillLine, LedgerEntry, LedgerQuery, LineQuery, Order, OrderQuery, Statement};
use limiter_api::views::Page;
use limiter_domain::bill::explained;
use limiter_domain::ledger::{Entry, KeptLine, KeptOrder};
use limiter_domain::price::{Amount, Books, Currency};
use limiter_domain::statement::{self, month_of, next_month, statement};
use limiter_domain::{AccountId, Code, OrderId, PlanId};

use super::error::refuse_field;
use super::{App, AppError, Caller, read};
use crate::store::{LineFilter, OrderFilter, Tx};

/// Most statements that are listed: ten years.
const STATEMENTS_MAX: u64 = 120;

impl App {
    /// Lists what moved the money of an account.
    pub async fn ledger(
        &self,
        caller: &Caller,
        id: &str,
        query: &LedgerQuery,
    ) -> Result<Page<LedgerEntry>, AppError> {
        let reach = caller.audits()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let month = query.month.as_deref().map(|text| month("month", text)).transpose()?;
        let tx = self.store.read().await?;
        let account = read::account(&tx, &reach, id).await?;
        Ok(read::page(tx.ledger(&account.id, month, &paging).await?, |entry| entry_view(&entry)))
    }

    /// Lists orders.
    pub async fn orders(&self, caller: &Caller, query: &OrderQuery) -> Result<Page<Order>, AppError> {
        let reach = caller.audits()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let tx = self.store.read().await?;
        let filter = OrderFilter {
            account: read::listed(&tx, &reach, query.account.as_deref()).await?,
            plan: query.plan.as_deref().map(plan_id).transpose()?,
        };
        Ok(read::page(tx.orders(&filter, &paging).await?, |kept| order_view(&kept)))
    }

    /// Shows an order.
    pub async fn show_order(&self, caller: &Caller, id: &str) -> Result<Order, AppError> {
        let reach = caller.audits()?;
        let tx = self.store.read().await?;
        let found = match id.parse::<OrderId>() {
            Ok(id) => tx.order(&id).await?,
            Err(_) => None,
        };
        let found = found.filter(|kept| reach.has(&kept.account));
        found.map(|kept| order_view(&kept)).ok_or_else(|| read::missing(Code::OrderNotFound, "order", id))
    }

    /// Lists the hours of a month, each explained.
    pub async fn bill_lines(
        &self,
        caller: &Caller,
        id: &str,
        query: &LineQuery,
    ) -> Result<Page<BillLine>, AppError> {
        let reach = caller.audits()?;
        let paging = read::paging(query.after.as_deref(), query.limit)?;
        let month = month("month", &query.month)?;
        let plan = query.plan.as_deref().map(plan_id).transpose()?;
        let tx = self.store.read().await?;
        let account = read::account(&tx, &reach, id).await?;
        let books = tx.price_books().await?;
        let filter = LineFilter { account: account.id, month, plan };
        Ok(read::page(tx.lines(&filter, &paging).await?, |kept| line_view(&kept, &books)))
    }

    /// Lists the statements of an account, the last first.
    pub async fn statements(&self, caller: &Caller, id: &str) -> Result<Page<Statement>, AppError> {
        let reach = caller.audits()?;
        let tx = self.store.read().await?;
        let account = read::account(&tx, &reach, id).await?;
        let currency = currency(&tx).await?;
        let mut items = Vec::new();
        for kept in tx.statements(&account.id, STATEMENTS_MAX).await? {
            let stated = statement(kept.opening, &tx.ledger_sums(&account.id, kept.month).await?);
            items.push(statement_view(&account.id, kept.month, &stated, currency, Some(kept.issued_at)));
        }
        Ok(Page { items, next: None })
    }

    /// Shows the statement of a month, also of one that goes on.
    pub async fn show_statement(
        &self,
        caller: &Caller,
        id: &str,
        month_text: &str,
    ) -> Result<Statement, AppError> {
        let reach = caller.audits()?;
        let month = match month_text {
            "now" => month_of(self.now(), self.settings()),
            text => month("month", text)?,
        };
        let tx = self.store.read().await?;
        let account = read::account(&tx, &reach, id).await?;
        let kept = tx.statement(&account.id, month).await?;
        let opening = match &kept {
            Some(kept) => kept.opening,
            None => balance_before(&tx, &account.id, month).await?,
        };
        let stated = statement(opening, &tx.ledger_sums(&account.id, month).await?);
        let issued_at = kept.map(|kept| kept.issued_at);
        Ok(statement_view(&account.id, month, &stated, currency(&tx).await?, issued_at))
    }
}

/// The currency of the deployment, where anything has a price.
async fn currency(tx: &Tx) -> Result<Option<Currency>, AppError> {
    Ok(tx.price_books().await?.list().last().and_then(|book| book.currency))
}

fn statement_view(
    account: &AccountId,
    month: Date,
    stated: &statement::Statement,
    currency: Option<Currency>,
    issued_at: Option<Timestamp>,
) -> Statement {
    let sums = stated.sums.iter().map(|(kind, sum)| (kind.code().to_owned(), sum.micro()));
    Statement {
        account: account.to_string(),
        month: month_text(month),
        currency: currency.map(|currency| currency.to_string()),
        opening_micro: stated.opening.micro(),
        sums_micro: sums.collect(),
        hours_micro: stated.hours.micro(),
        round_down_micro: stated.round_down.micro(),
        total_micro: stated.total.micro(),
        closing_micro: stated.closing.micro(),
        issued_at,
    }
}

/// The balance before a month without a statement: that of the last statement, and what came since.
async fn balance_before(tx: &Tx, account: &AccountId, month: Date) -> Result<Amount, AppError> {
    let last = tx.statements(account, 1).await?.into_iter().find(|last| last.month < month);
    let (closing, from) = match last {
        Some(last) => (last.closing, next_month(last.month)),
        None => (Amount::ZERO, Date::ZERO),
    };
    Ok(closing.plus(tx.ledger_sum(account, from, month).await?))
}

/// The first day of a month that is written `2026-11`.
fn month(field: &str, text: &str) -> Result<Date, AppError> {
    let well_formed = text.len() == 7 && text.is_ascii();
    let day = well_formed.then(|| format!("{text}-01").parse().ok()).flatten();
    day.ok_or_else(|| {
        let shown: String = text.chars().take(20).collect();
        let message = format!("{shown:?} is no month; write one as 2026-11");
        refuse_field(Code::InvalidParameter, field, message)
    })
}

fn month_text(month: Date) -> String {
    month.strftime("%Y-%m").to_string()
}

/// Also of plans that were released.
fn plan_id(text: &str) -> Result<PlanId, AppError> {
    text.parse().map_err(|_| read::missing(Code::PlanNotFound, "plan", text))
}

fn entry_view(entry: &Entry) -> LedgerEntry {
    LedgerEntry {
        number: entry.number,
        at: entry.at,
        kind: entry.kind.code().to_owned(),
        source: entry.source.to_string(),
        amount_micro: entry.amount.micro(),
        balance_micro: entry.balance.micro(),
        month: month_text(entry.month),
        detail: entry.detail.to_string(),
    }
}

/// Amounts are hidden where nothing had a price.
fn order_view(kept: &KeptOrder) -> Order {
    let order = &kept.order;
    let micro = |amount: Amount| (order.book > 0).then_some(amount.micro());
    Order {
        id: kept.id.to_string(),
        account: kept.account.to_string(),
        plan: kept.plan.to_string(),
        kind: order.kind.code().to_owned(),
        at: order.at,
        original_micro: micro(order.original),
        discount_micro: micro(order.discount()),
        amount_micro: micro(order.amount),
        price_book: (order.book > 0).then_some(order.book),
        detail: kept.detail.to_string(),
    }
}

fn line_view(kept: &KeptLine, books: &Books) -> BillLine {
    let line = &kept.line;
    BillLine {
        plan: kept.plan.to_string(),
        item: line.item.code().to_owned(),
        hour: line.hour,
        revision: line.revision,
        quantity: line.quantity,
        original_micro: line.original.micro(),
        amount_micro: line.amount.micro(),
        discount_bp: line.discount.basis_points(),
        price_book: line.book,
        held: line.held,
        explained: explained(line, books.at(line.hour)),
    }
}
