//! Which operation is allowed where: every cell of the product's matrix, through the API.

use serde_json::{Value, json};

use crate::world::{Answer, World};

/// A state that a plan can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Creating,
    NotAssociated,
    InUse,
    Changing,
    NotAssociatedExpired,
    InUseExpired,
    Releasing,
    Released,
}

/// What is asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Associate,
    Dissociate,
    Resize,
    Renew,
    AutoRenew,
    Unsubscribe,
    UnsubscribeForced,
    Delete,
    DeleteForced,
    CreateRule,
    DeleteRule,
    Describe,
}

use State::{
    Changing, Creating, InUse, InUseExpired, NotAssociated, NotAssociatedExpired, Released, Releasing,
};
use Verb::{
    Associate, AutoRenew, CreateRule, Delete, DeleteForced, DeleteRule, Describe, Dissociate, Renew, Resize,
    Unsubscribe, UnsubscribeForced,
};

const STATES: [State; 8] =
    [Creating, NotAssociated, InUse, Changing, NotAssociatedExpired, InUseExpired, Releasing, Released];

const OK: &str = "";
const A: &str = "IncorrectPlanStatus.AssociationNotSupport";
const D: &str = "IncorrectPlanStatus.DissociationNotSupport";
const M: &str = "IncorrectPlanStatus.ModificationNotSupport";
const X: &str = "IncorrectPlanStatus.DeletionNotSupport";
const R: &str = "IncorrectPlanStatus.RenewalNotSupport";
const RULE: &str = "IncorrectPlanStatus.RuleNotSupport";
const HOLDS: &str = "PlanAlreadyAssociated";
const FREE: &str = "PlanNotAssociated";
const USED: &str = "PlanAssociated";
const OVER: &str = "PlanExpired";
const GONE: &str = "PlanNotFound";
const PAY: &str = "OperationNotSupportedForPayType";

/// Subscriptions: a row for each operation, a column for each of [`STATES`]. Decision: dissociation, the end
/// of a plan and unbinding are allowed in Changing.
const SUBSCRIPTION: [(Verb, [&str; 8]); 12] = [
    (Associate, [A, OK, HOLDS, A, OVER, HOLDS, A, GONE]),
    (Dissociate, [D, FREE, OK, OK, FREE, OK, D, GONE]),
    (Resize, [M, OK, OK, M, OVER, OVER, M, GONE]),
    (Renew, [R, OK, OK, OK, OK, OK, R, GONE]),
    (AutoRenew, [R, OK, OK, OK, OVER, OVER, R, GONE]),
    (Unsubscribe, [X, OK, USED, USED, OK, USED, X, GONE]),
    (UnsubscribeForced, [X, OK, OK, OK, OK, OK, X, GONE]),
    (Delete, [PAY, PAY, PAY, PAY, PAY, PAY, PAY, GONE]),
    (DeleteForced, [PAY, PAY, PAY, PAY, PAY, PAY, PAY, GONE]),
    (CreateRule, [RULE, FREE, OK, RULE, FREE, OVER, RULE, GONE]),
    (DeleteRule, ["", "", OK, "", "", OK, "", ""]),
    (Describe, [OK, OK, OK, OK, OK, OK, OK, GONE]),
];

/// What is paid as it goes, which does not expire.
const PAY_AS_YOU_GO: [(Verb, [&str; 8]); 11] = [
    (Associate, [A, OK, HOLDS, A, "", "", A, GONE]),
    (Dissociate, [D, FREE, OK, OK, "", "", D, GONE]),
    (Resize, [M, OK, OK, M, "", "", M, GONE]),
    (Renew, [PAY, PAY, PAY, PAY, "", "", PAY, GONE]),
    (AutoRenew, [PAY, PAY, PAY, PAY, "", "", PAY, GONE]),
    (Unsubscribe, [PAY, PAY, PAY, PAY, "", "", PAY, GONE]),
    (UnsubscribeForced, [PAY, PAY, PAY, PAY, "", "", PAY, GONE]),
    (Delete, [X, OK, USED, USED, "", "", X, GONE]),
    (DeleteForced, [X, OK, OK, OK, "", "", X, GONE]),
    (CreateRule, [RULE, FREE, OK, RULE, "", "", RULE, GONE]),
    (Describe, [OK, OK, OK, OK, "", "", OK, GONE]),
];

/// A plan in a state, with a rule where it can have one, and a free network.
struct Scene {
    world: World,
    plan: String,
    rule: Option<String>,
    free: String,
}

async fn scene(state: State, subscription: bool) -> Scene {
    let world = World::new().await;
    let (network, free) = (world.network(1).await, world.network(2).await);
    world.agent_applies().await;
    let associated = !matches!(state, NotAssociated | NotAssociatedExpired);
    let network = associated.then_some(&*network);
    let plan = if subscription { world.subscription("1m", network).await } else { world.payg(network).await };
    let mut rule = None;
    if state != Creating {
        world.agent_applies().await;
        if associated {
            let body = json!({"plan": plan, "name": "rule", "up_bps": 1_000_000, "down_bps": 1_000_000});
            rule = Some(world.acme_post("/rules", body).await.good().text("id"));
            world.agent_applies().await;
        }
    }
    let end = |path: &str| (path.to_owned(), json!({"plans": [plan], "force": true}));
    let (path, body) = end(if subscription { "/plans/unsubscribe" } else { "/plans/delete" });
    match state {
        Changing => {
            world.acme_post(&format!("/plans/{plan}/dissociate"), json!({})).await.good();
            world.agent_applies().await;
            world.acme_post(&format!("/plans/{plan}/associate"), json!({"network": free})).await.good();
            rule = None;
        }
        NotAssociatedExpired | InUseExpired => world.at("2026-12-24T00:00:00Z").await,
        Releasing | Released => {
            world.acme_post(&path, body).await.good();
            if state == Released {
                world.agent_applies().await;
            }
        }
        Creating | NotAssociated | InUse => {}
    }
    Scene { world, plan, rule, free }
}

impl Scene {
    async fn ask(&self, verb: Verb) -> Answer {
        let Self { world, plan, free, .. } = self;
        let path = |verb: &str| format!("/plans/{plan}/{verb}");
        let end = |force: bool| json!({"plans": [plan], "force": force});
        match verb {
            Associate => world.acme_post(&path("associate"), json!({"network": free})).await,
            Dissociate => world.acme_post(&path("dissociate"), json!({})).await,
            Resize => world.acme_post(&path("resize"), json!({"peak_bps": 40_000_000})).await,
            AutoRenew => {
                let body = Some(json!({"enabled": true}));
                world.call("PUT", &path("auto-renew"), Some(&world.acme.1), body).await
            }
            Renew => world.acme_post("/plans/renew", json!({"plans": [plan], "duration": "1m"})).await,
            Unsubscribe => world.acme_post("/plans/unsubscribe", end(false)).await,
            UnsubscribeForced => world.acme_post("/plans/unsubscribe", end(true)).await,
            Delete => world.acme_post("/plans/delete", end(false)).await,
            DeleteForced => world.acme_post("/plans/delete", end(true)).await,
            CreateRule => {
                let body = json!({"plan": plan, "name": "new", "up_bps": 1_000_000, "down_bps": 1_000_000});
                world.acme_post("/rules", body).await
            }
            DeleteRule => world.acme_post("/rules/delete", json!({"rules": [self.rule]})).await,
            Describe => world.acme_get(&format!("/plans/{plan}")).await,
        }
    }
}

/// The code of an answer; of a batch, of its only outcome. Empty: done.
fn code(answer: &Answer) -> String {
    let of = |value: &Value| value["code"].as_str().unwrap_or_default().to_owned();
    match &answer.body {
        Value::Array(outcomes) => of(&outcomes[0]["refused"]),
        body if answer.status >= 400 => of(body),
        _ => String::new(),
    }
}

async fn check(cells: &[(Verb, [&str; 8])], subscription: bool) {
    for (column, state) in STATES.into_iter().enumerate() {
        let expires = matches!(state, NotAssociatedExpired | InUseExpired);
        if expires && !subscription {
            continue;
        }
        for (verb, expected) in cells {
            let scene = scene(state, subscription).await;
            if *verb == DeleteRule && scene.rule.is_none() {
                continue;
            }
            if *verb == DeleteRule && matches!(state, Releasing | Released) {
                // The rule went with the plan.
                assert_eq!(code(&scene.ask(*verb).await), "RuleNotFound", "{verb:?} in {state:?}");
                continue;
            }
            let answer = scene.ask(*verb).await;
            assert_eq!(code(&answer), expected[column], "{verb:?} in {state:?}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn every_cell_for_subscriptions() {
    check(&SUBSCRIPTION, true).await;
}

#[tokio::test]
async fn every_cell_for_pay_as_you_go() {
    check(&PAY_AS_YOU_GO, false).await;
}
