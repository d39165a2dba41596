//! Rules.

use std::collections::HashMap;

use limiter_domain::{AccountId, PlanId, Rule, RuleId};
use sea_orm::sea_query::{Expr, Query, SelectStatement};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QueryTrait, Select};

use super::error::StoreError;
use super::instance;
use super::page::{Page, Paging};
use super::row::{Aged, Row};
use super::tx::{Tx, Write};
use super::value::{self, Reader};

#[expect(unreachable_pub, reason = "what derives from a row is public")]
pub(super) mod row {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "rules")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: String,
        pub account_id: String,
        pub plan_id: String,
        pub name: String,
        pub up_bps: i64,
        pub down_bps: i64,
        pub revision: i64,
        pub created_us: i64,
        pub version: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use row::{Column, Entity};

impl Row for row::Model {
    type Thing = Rule;

    fn of(rule: &Rule) -> Self {
        Self {
            id: rule.id.to_string(),
            account_id: rule.account.to_string(),
            plan_id: rule.plan.to_string(),
            name: rule.name.to_string(),
            up_bps: value::bps(rule.up),
            down_bps: value::bps(rule.down),
            revision: value::number(rule.revision),
            created_us: value::micros(rule.created_at),
            version: value::number(rule.version),
        }
    }

    fn thing(self) -> Result<Rule, StoreError> {
        let read = Reader::new("rules", &self.id);
        Ok(Rule {
            id: read.parsed("id", &self.id)?,
            account: read.parsed("account_id", &self.account_id)?,
            plan: read.parsed("plan_id", &self.plan_id)?,
            name: self.name.as_str().into(),
            up: read.rate("up_bps", self.up_bps)?,
            down: read.rate("down_bps", self.down_bps)?,
            revision: read.number("revision", self.revision)?,
            created_at: read.time("created_us", self.created_us)?,
            version: read.number("version", self.version)?,
        })
    }
}

impl Aged for Entity {
    const CREATED: Column = Column::CreatedUs;
    const ID: Column = Column::Id;
}

/// Which rules; what is [`None`] does not matter.
#[derive(Clone, Debug, Default)]
pub struct RuleFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this plan.
    pub plan: Option<PlanId>,
    /// Part of the name, in either case.
    pub name_contains: Option<String>,
}

impl RuleFilter {
    fn query(&self) -> Select<Entity> {
        Entity::find()
            .apply_if(self.account.as_ref(), |query, id| query.filter(Column::AccountId.eq(id.as_str())))
            .apply_if(self.plan.as_ref(), |query, id| query.filter(Column::PlanId.eq(id.as_str())))
            .apply_if(self.name_contains.as_deref(), |query, part| {
                query.filter(value::contains(Column::Name, part))
            })
    }
}

/// Identities of a plan's rules.
pub(super) fn ids_of_plan(plan: &PlanId) -> SelectStatement {
    let mut query = Query::select();
    query.column(Column::Id).from(Entity).and_where(Column::PlanId.eq(plan.as_str()));
    query
}

impl Tx {
    /// The rule of this identity.
    pub async fn rule(&self, id: &RuleId) -> Result<Option<Rule>, StoreError> {
        self.one(Entity::find_by_id(id.as_str())).await
    }

    /// The rule of this name in a plan.
    pub async fn rule_by_name(&self, plan: &PlanId, name: &str) -> Result<Option<Rule>, StoreError> {
        let query = Entity::find().filter(Column::PlanId.eq(plan.as_str()));
        self.one(query.filter(Column::Name.eq(name))).await
    }

    /// Rules, oldest first.
    pub async fn rules(&self, filter: &RuleFilter, paging: &Paging) -> Result<Page<Rule>, StoreError> {
        self.page(filter.query(), paging).await
    }

    /// All rules of a plan, oldest first.
    pub async fn rules_of_plan(&self, plan: &PlanId) -> Result<Vec<Rule>, StoreError> {
        let query = Entity::find().filter(Column::PlanId.eq(plan.as_str()));
        self.all(query.order_by_asc(Column::CreatedUs).order_by_asc(Column::Id)).await
    }

    /// How many instances are bound to each of `rules`, in the same order.
    pub async fn count_bound(&self, rules: &[RuleId]) -> Result<Vec<u64>, StoreError> {
        let mut counts = Vec::with_capacity(rules.len());
        for rules in rules.chunks(1_000) {
            let ids = rules.iter().map(RuleId::as_str);
            let bound = self.bound(instance::row::Column::RuleId.is_in(ids)).await?;
            counts.extend(rules.iter().map(|rule| bound.get(rule.as_str()).copied().unwrap_or_default()));
        }
        Ok(counts)
    }

    /// How many rules there are.
    pub async fn count_rules(&self, filter: &RuleFilter) -> Result<u64, StoreError> {
        self.count(filter.query()).await
    }

    /// How many rules each of `plans` has; one without is not among them.
    pub async fn count_rules_of(&self, plans: &[PlanId]) -> Result<HashMap<String, u64>, StoreError> {
        let ids = plans.iter().map(PlanId::as_str);
        self.count_by(Entity::find().filter(Column::PlanId.is_in(ids)), Column::PlanId).await
    }

    async fn bound(&self, which: Expr) -> Result<HashMap<String, u64>, StoreError> {
        use instance::row as instances;
        self.count_by(instances::Entity::find().filter(which), instances::Column::RuleId).await
    }
}

impl Write {
    /// Inserts a rule or replaces it whole.
    pub async fn put_rule(&self, rule: &Rule) -> Result<(), StoreError> {
        self.put_rules(std::slice::from_ref(rule)).await
    }

    /// As [`Write::put_rule`], for many with distinct identities.
    pub async fn put_rules(&self, rules: &[Rule]) -> Result<(), StoreError> {
        self.put_rows::<Entity>(rules.iter().map(Row::of).collect(), &[]).await
    }

    /// Removes a rule; false where there is none. Refused while instances are bound to it
    /// ([`super::Constraint::Reference`]).
    pub async fn remove_rule(&self, id: &RuleId) -> Result<bool, StoreError> {
        self.remove_row::<Entity>(id.as_str()).await
    }

    /// As [`Write::remove_rule`], for many; gives the number of those that were there.
    pub async fn remove_rules(&self, ids: &[RuleId]) -> Result<u64, StoreError> {
        let ids: Vec<_> = ids.iter().map(RuleId::as_str).collect();
        self.remove_all::<Entity>(&ids).await
    }

    /// Removes all rules of a plan, which nothing is bound to; gives their number.
    pub async fn remove_rules_of_plan(&self, plan: &PlanId) -> Result<u64, StoreError> {
        self.remove_rows(Entity::delete_many().filter(Column::PlanId.eq(plan.as_str()))).await
    }
}
