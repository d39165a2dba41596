//! What an operation would cost: it is decided as when it is called, and not written.

use limiter_api::money::{Quote, QuoteQuery, RenewQuoteQuery, ResizeQuoteQuery};
use limiter_domain::price::{Amount, Money, Purse};
use limiter_domain::segment::{Segment, turned};
use limiter_domain::{
    AccountId, Plan, PlanId, Refusal, Step, order, release, renewal, resize, schedule, term,
};

use super::money::Funds;
use super::{App, AppError, Caller, read, view};
use crate::store::Tx;

/// A plan as it would be when something is asked of it now.
struct Asked {
    plan: Plan,
    history: Vec<Segment>,
    funds: Funds,
}

impl App {
    /// What a plan would cost.
    pub async fn quote_plan(&self, caller: &Caller, query: &QuoteQuery) -> Result<Quote, AppError> {
        let reach = caller.reads()?;
        let pay = read::word("pay", &query.pay, &view::PAYS, view::pay_code)?;
        let charge =
            query.charge.as_deref().unwrap_or(view::charge_code(limiter_domain::Charge::ByBandwidth));
        let new = order::NewPlan {
            external_id: None,
            region: super::DEFAULT_REGION.to_owned(),
            pay,
            charge: read::word("charge", charge, &view::CHARGES, view::charge_code)?,
            peak_bps: query.peak_bps,
            network: None,
            duration: query.duration.as_deref().map(order::duration).transpose()?,
            auto_renew: false,
            agreement_version: self.settings().agreement_version.as_deref().map(str::to_owned),
            expected_amount: None,
        };
        let tx = self.store.read().await?;
        let account = read::listed(&tx, &reach, query.account.as_deref()).await?;
        let funds = match &account {
            Some(account) => Funds::of(&tx, account).await?,
            None => Funds { books: tx.price_books().await?.into(), purse: Purse::default() },
        };
        let account = account.unwrap_or_else(|| AccountId::of_random(0));
        let decide = |money: Money<'_>| {
            let facts = order::Facts { money, ..order::Facts::default() };
            let id = PlanId::of_random(0);
            order::create(id, account.clone(), &new, &facts, self.settings(), self.now(), tx.revision())
        };
        let step = decide(funds.money().unlimited())?;
        Ok(self.shown(&step, decide(funds.money()).is_ok(), &funds))
    }

    /// What another peak would cost.
    pub async fn quote_resize(
        &self,
        caller: &Caller,
        id: &str,
        query: &ResizeQuoteQuery,
    ) -> Result<Quote, AppError> {
        let to = resize::Resize { peak_bps: query.peak_bps, expected_amount: None };
        self.quote(caller, id, |asked, money| {
            let facts = resize::Facts { money, history: &asked.history };
            resize::resize(&asked.plan, to, facts, self.settings(), self.now(), 0)
        })
        .await
    }

    /// What a longer term would cost.
    pub async fn quote_renewal(
        &self,
        caller: &Caller,
        id: &str,
        query: &RenewQuoteQuery,
    ) -> Result<Quote, AppError> {
        let duration = order::duration(&query.duration)?;
        let asked_for = renewal::Renewal { duration, auto_renew: None, expected_amount: None };
        self.quote(caller, id, |asked, money| {
            renewal::renew(&asked.plan, asked_for, &money, self.settings(), self.now(), 0)
        })
        .await
    }

    /// What the end of a subscription would pay back.
    pub async fn quote_end(&self, caller: &Caller, id: &str) -> Result<Quote, AppError> {
        let ending = release::Ending { force: true, expected_amount: None };
        self.quote(caller, id, |asked, money| {
            release::unsubscribe(&asked.plan, ending, &money, self.settings(), self.now(), 0)
        })
        .await
    }

    async fn quote<F>(&self, caller: &Caller, id: &str, decide: F) -> Result<Quote, AppError>
    where
        F: Fn(&Asked, Money<'_>) -> Result<Step, Refusal>,
    {
        let reach = caller.reads()?;
        let tx = self.store.read().await?;
        let asked = self.asked(&tx, read::plan(&tx, &reach, id).await?).await?;
        let step = decide(&asked, asked.funds.money().unlimited())?;
        let affordable = decide(&asked, asked.funds.money()).is_ok();
        Ok(self.shown(&step, affordable, &asked.funds))
    }

    /// The plan after what is due, as a change would find it.
    async fn asked(&self, tx: &Tx, plan: Plan) -> Result<Asked, AppError> {
        let now = self.now();
        let mut funds = Funds::of(tx, &plan.account).await?;
        let begin = term::hour_of_day(term::billing_day(now, self.settings()), 0, self.settings());
        let mut history = tx.segments(&plan.id, begin).await?;
        let due = schedule::catch_up(&plan, &funds.money(), self.settings(), now, plan.generation);
        let Some(step) = due else { return Ok(Asked { plan, history, funds }) };
        funds.purse.balance = funds.purse.balance.minus(step.amount());
        for turn in step.turns {
            history = turned(&history, turn);
        }
        Ok(Asked { plan: step.plan, history, funds })
    }

    fn shown(&self, step: &Step, affordable: bool, funds: &Funds) -> Quote {
        let book = funds.books.at(self.now());
        // Pay-as-you-go has no order for another peak.
        let none = (Amount::ZERO, Amount::ZERO, "resize");
        let order = step.orders.first();
        let order = order.map_or(none, |order| (order.original, order.amount, order.kind.code()));
        let (original, amount, kind) = order;
        let micro = |amount: Amount| (book.version > 0).then_some(amount.micro());
        Quote {
            kind: kind.to_owned(),
            original_micro: micro(original),
            discount_micro: micro(original.minus(amount)),
            amount_micro: micro(amount),
            currency: book.currency.map(|currency| currency.to_string()),
            price_book: (book.version > 0).then_some(book.version),
            expires_at: step.plan.expires_at,
            affordable,
        }
    }
}
