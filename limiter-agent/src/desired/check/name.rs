//! Names and identities: their form, that each is given once, and what refers to them.

use std::collections::HashMap;
use std::sync::Arc;

use super::Result;
use crate::desired::error::{FieldPath, StateError};
use crate::desired::model::{Rule, Zone};
use crate::desired::near::did_you_mean;

/// Longest name, characters.
const NAME_MAX_CHARS: usize = 64;

/// Identities seen so far, with the place of each.
pub(super) struct Identities<At> {
    /// False where all follow from the names, which are unique already.
    own: bool,
    seen: HashMap<Arc<str>, At>,
}

impl<At: Copy> Identities<At> {
    /// `own`: some element has an identity of its own.
    pub(super) fn new(own: bool) -> Self {
        Self { own, seen: HashMap::new() }
    }

    /// The identity of the element `at`: its own, or the one that follows from its names.
    pub(super) fn identity(
        &mut self,
        own: Option<&str>,
        default: impl Fn() -> String,
        at: At,
        field: impl Fn(At) -> FieldPath,
    ) -> Result<Arc<str>> {
        if let Some(own) = own {
            valid_id(own, || field(at).key("id"))?;
        }
        let id: Arc<str> = own.map_or_else(|| default().into(), Into::into);
        if !self.own {
            return Ok(id);
        }
        match self.seen.insert(id.clone(), at) {
            None => Ok(id),
            Some(first) => {
                let reason = "is the identity of another element too; give one of them another id";
                Err(StateError::new(field(at), reason).value(&*id).other(field(first)))
            }
        }
    }
}

/// Checks the names of the list `list`: their form, and that each is given once.
pub(super) fn unique_names<'a>(list: &'static str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = HashMap::with_capacity(names.size_hint().0);
    for (index, name) in names.enumerate() {
        let field = |index| FieldPath::element(list, index).key("name");
        valid_name(name, || field(index))?;
        unique(&mut seen, name, index, field)?;
    }
    Ok(())
}

/// Checks that `name` at `at` was not seen before.
pub(super) fn unique<'a, At: Copy>(
    seen: &mut HashMap<&'a str, At>,
    name: &'a str,
    at: At,
    field: impl Fn(At) -> FieldPath,
) -> Result<()> {
    match seen.insert(name, at) {
        None => Ok(()),
        Some(first) => {
            let reason = "is given twice; each must be the only one of its kind";
            Err(StateError::new(field(at), reason).value(name).other(field(first)))
        }
    }
}

/// Checks the form of a name.
pub(super) fn valid_name(name: &str, field: impl Fn() -> FieldPath) -> Result<()> {
    valid(name, NAME_MAX_CHARS, true, field)
}

/// Checks the form of an identity.
pub(super) fn valid_id(id: &str, field: impl Fn() -> FieldPath) -> Result<()> {
    valid(id, 4 * NAME_MAX_CHARS, false, field)
}

fn valid(name: &str, max_chars: usize, refuse_slash: bool, field: impl Fn() -> FieldPath) -> Result<()> {
    let good = !name.is_empty()
        && name.chars().nth(max_chars).is_none()
        && name.trim() == name
        && !name.chars().any(|c| c.is_control() || (refuse_slash && c == '/'));
    if good {
        return Ok(());
    }
    let slash = if refuse_slash { ", `/`" } else { "" };
    let reason = format_args!(
        "is no name; write 1 to {max_chars} characters, no control characters{slash}, and no space at either end"
    );
    Err(StateError::new(field(), reason).value(name))
}

/// Index of the zone `name` among `zones`, which are sorted.
pub(super) fn zone(name: &str, zones: &[Zone], field: impl Fn() -> FieldPath) -> Result<usize> {
    zones.binary_search_by(|zone| (*zone.name).cmp(name)).map_err(|_| {
        let near = did_you_mean(name, zones.iter().map(|zone| zone.name.as_str()));
        StateError::new(field(), format_args!("is no zone here; add it to `zones`{near}")).value(name)
    })
}

/// The rule `name` among `rules`, which are sorted.
pub(super) fn rule<'a>(name: &str, rules: &'a [Rule], field: impl Fn() -> FieldPath) -> Result<&'a Rule> {
    let index = rules.binary_search_by(|rule| (*rule.name).cmp(name)).map_err(|_| {
        let near = did_you_mean(name, rules.iter().map(|rule| &*rule.name));
        StateError::new(field(), format_args!("is no rule here; add it to `rules`{near}")).value(name)
    })?;
    Ok(&rules[index])
}
