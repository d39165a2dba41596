//! What a setup says twice: refused before anything is looked up.

use std::collections::HashSet;

use limiter_api::setup::{Setup, SetupNetwork};
use limiter_domain::Code;

use super::super::AppError;
use super::super::error::refuse_field;

/// Refuses names and external ids that are given twice, at the place of the second.
pub(super) fn unlike(setup: &Setup) -> Result<(), AppError> {
    let (mut names, mut ids, mut instance_ids) = (HashSet::new(), HashSet::new(), HashSet::new());
    for (index, network) in setup.networks.iter().enumerate() {
        let place = format!("setup.networks[{index}]");
        once(&mut names, Some(&network.name), || format!("{place}.name"))?;
        once(&mut ids, network.external_id.as_deref(), || format!("{place}.external_id"))?;
        inside(network, &place, &mut instance_ids)?;
    }
    Ok(())
}

fn inside<'a>(network: &'a SetupNetwork, place: &str, ids: &mut HashSet<&'a str>) -> Result<(), AppError> {
    let mut names = HashSet::new();
    for (index, rule) in network.rules.iter().enumerate() {
        once(&mut names, Some(rule.name.trim()), || format!("{place}.rules[{index}].name"))?;
    }
    names.clear();
    for (index, one) in network.instances.iter().enumerate() {
        once(&mut names, Some(&one.name), || format!("{place}.instances[{index}].name"))?;
        once(ids, one.external_id.as_deref(), || format!("{place}.instances[{index}].external_id"))?;
    }
    Ok(())
}

fn once<'a>(
    seen: &mut HashSet<&'a str>,
    text: Option<&'a str>,
    place: impl FnOnce() -> String,
) -> Result<(), AppError> {
    match text {
        Some(text) if !seen.insert(text) => {
            let shown: String = text.chars().take(64).collect();
            let message = format!("{shown:?} is given twice; write it once");
            Err(refuse_field(Code::InvalidParameter, &place(), message))
        }
        _ => Ok(()),
    }
}
