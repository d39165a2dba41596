//! What the database itself refuses, by name.

use limiter_control::store::{Constraint, Paging, Store, StoreError, TokenFilter, Write};
use limiter_domain::{Instance, Network, Node, Plan, Rule, Token, User};

use crate::things::{Basis, account, basis, commit, instance, network, node, plan, rule, token, user};
use crate::world::{Place, on_both};

on_both!(
    names,
    external_identities,
    a_network_has_one_plan,
    what_others_refer_to_stays,
    tokens_go_with_their_user_and_node,
);

/// Checks that the database refuses what `put` writes, for the reason `constraint`.
async fn refused(
    store: &Store,
    constraint: Constraint,
    put: impl AsyncFnOnce(&Write) -> Result<(), StoreError>,
) {
    let write = store.write().await.expect("a transaction");
    assert_eq!(put(&write).await, Err(StoreError::Conflict { constraint }));
}

async fn names(place: &mut Place) {
    let store = place.open().await;
    let Basis { account: owner, network: home, plan: own } = basis(&store).await;
    commit(&store, async |write| {
        write.put_account(&account(2)).await.expect("put");
        write.put_user(&user(1)).await.expect("put");
        write.put_token(&token(1)).await.expect("put");
        write.put_node(&node(1)).await.expect("put");
        write.put_instance(&instance(1, &home)).await.expect("put");
        write.put_rule(&rule(1, &own)).await.expect("put");
    })
    .await;
    let mut twin = account(3);
    twin.name = account(2).name;
    refused(&store, Constraint::AccountName, async |write| write.put_account(&twin).await).await;
    let twin = User { name: user(1).name, ..user(3) };
    refused(&store, Constraint::UserName, async |write| write.put_user(&twin).await).await;
    let twin = Token { hash: token(1).hash, ..token(3) };
    refused(&store, Constraint::TokenHash, async |write| write.put_token(&twin).await).await;
    let twin = Node { name: node(1).name, ..node(3) };
    refused(&store, Constraint::NodeName, async |write| write.put_node(&twin).await).await;
    let twin = Network { name: home.name.clone(), ..network(3, &owner) };
    refused(&store, Constraint::NetworkName, async |write| write.put_network(&twin).await).await;
    let twin = Instance { name: instance(1, &home).name, ..instance(3, &home) };
    refused(&store, Constraint::InstanceName, async |write| write.put_instance(&twin).await).await;
    let twin = Rule { name: rule(1, &own).name, ..rule(3, &own) };
    refused(&store, Constraint::RuleName, async |write| write.put_rule(&twin).await).await;
    commit(&store, async |write| {
        // Elsewhere the names are free, and case counts.
        let elsewhere = Network { name: home.name.clone(), ..network(4, &account(2)) };
        write.put_network(&elsewhere).await.expect("put");
        let same = Instance { name: instance(1, &home).name, ..instance(4, &elsewhere) };
        write.put_instance(&same).await.expect("put");
        write.put_plan(&plan(4, &account(2)), None).await.expect("put");
        let same = Rule { name: rule(1, &own).name, ..rule(4, &plan(4, &account(2))) };
        write.put_rule(&same).await.expect("put");
        let other_case = Rule { name: rule(1, &own).name.to_uppercase().into(), ..rule(5, &own) };
        write.put_rule(&other_case).await.expect("put");
    })
    .await;
}

async fn external_identities(place: &mut Place) {
    let store = place.open().await;
    let Basis { account: owner, network: home, .. } = basis(&store).await;
    let external_id = Some("ext".into());
    let network_of = |number| Network { external_id: external_id.clone(), ..network(number, &owner) };
    let instance_of = |number| Instance { external_id: external_id.clone(), ..instance(number, &home) };
    let plan_of = |number| Plan { external_id: external_id.clone(), ..plan(number, &owner) };
    commit(&store, async |write| {
        write.put_network(&network_of(2)).await.expect("put");
        write.put_instance(&instance_of(2)).await.expect("put");
        write.put_plan(&plan_of(2), None).await.expect("put");
    })
    .await;
    refused(&store, Constraint::NetworkExternalId, async |write| write.put_network(&network_of(3)).await)
        .await;
    refused(&store, Constraint::InstanceExternalId, async |write| write.put_instance(&instance_of(3)).await)
        .await;
    refused(&store, Constraint::PlanExternalId, async |write| write.put_plan(&plan_of(3), None).await).await;
    commit(&store, async |write| {
        // Those without one do not stand in each other's way.
        write.put_network(&network(5, &owner)).await.expect("put");
        write.put_network(&network(6, &owner)).await.expect("put");
        write.put_account(&account(2)).await.expect("put");
        let other = Network { external_id: external_id.clone(), ..network(7, &account(2)) };
        write.put_network(&other).await.expect("put");
    })
    .await;
}

async fn a_network_has_one_plan(place: &mut Place) {
    let store = place.open().await;
    let Basis { account: owner, network: home, plan: holder } = basis(&store).await;
    let second = Plan { network: Some(home.id.clone()), ..plan(2, &owner) };
    refused(&store, Constraint::PlanNetwork, async |write| write.put_plan(&second, None).await).await;
    let released = Plan { network: None, ..holder };
    commit(&store, async |write| {
        write.put_plan(&plan(3, &owner), None).await.expect("plans without a network are many");
        write.put_plan(&released, None).await.expect("put");
        write.put_plan(&second, None).await.expect("the network is free");
    })
    .await;
}

async fn what_others_refer_to_stays(place: &mut Place) {
    let store = place.open().await;
    let Basis { account: owner, network: home, plan: own } = basis(&store).await;
    let bound = Instance { rule: Some(rule(1, &own).id), ..instance(1, &home) };
    commit(&store, async |write| {
        write.put_rule(&rule(1, &own)).await.expect("put");
        write.put_instance(&bound).await.expect("put");
    })
    .await;
    let reference = Constraint::Reference;
    refused(&store, reference, async |write| write.remove_network(&home.id).await.map(|_| ())).await;
    refused(&store, reference, async |write| write.remove_rule(&rule(1, &own).id).await.map(|_| ())).await;
    let stray = instance(2, &network(9, &owner));
    refused(&store, reference, async |write| write.put_instance(&stray).await).await;
    let stray = network(9, &account(9));
    refused(&store, reference, async |write| write.put_network(&stray).await).await;
    commit(&store, async |write| {
        assert!(write.remove_instance(&bound.id).await.expect("remove"));
        assert!(!write.remove_instance(&bound.id).await.expect("remove"), "it is gone");
        assert!(write.remove_rule(&rule(1, &own).id).await.expect("remove"));
        write.put_plan(&Plan { network: None, ..own.clone() }, None).await.expect("put");
        assert!(write.remove_network(&home.id).await.expect("remove"));
    })
    .await;
}

async fn tokens_go_with_their_user_and_node(place: &mut Place) {
    let store = place.open().await;
    commit(&store, async |write| {
        write.put_user(&user(1)).await.expect("put");
        write.put_node(&node(1)).await.expect("put");
        write.put_token(&Token { user: Some(user(1).id), ..token(1) }).await.expect("put");
        write.put_token(&Token { node: Some(node(1).id), ..token(2) }).await.expect("put");
        write.put_token(&token(3)).await.expect("put");
    })
    .await;
    commit(&store, async |write| {
        assert!(write.remove_user(&user(1).id).await.expect("remove"));
        assert!(write.remove_node(&node(1).id).await.expect("remove"));
    })
    .await;
    let left = store.read().await.expect("a view").tokens(&TokenFilter::default(), &Paging::default()).await;
    assert_eq!(left.expect("list").items, [token(3)]);
}
