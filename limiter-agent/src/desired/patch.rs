//! Small changes of a state made in its text, so that comments and form of a hand-written file stay.

use serde_json::Value;

use super::error::{FieldPath, Step};
use super::locate::{self, Content, Found};
use super::parse::parse;
use limiter_state::NodeState;

/// Longest text that is patched, bytes; a larger one is a program's, and is rewritten.
const TEXT_MAX_BYTES: usize = 1 << 20;

/// Most fields that are changed in place.
const CHANGES_MAX: usize = 16;

/// `text` with what differs between the states changed in place. [`None`] where that is more than some
/// fields of one value, or where the form of the text does not allow it.
pub(super) fn patch(text: &str, old: &NodeState, new: &NodeState) -> Option<String> {
    if text.len() > TEXT_MAX_BYTES || text.starts_with('{') {
        return None;
    }
    let [before, after] = [old, new].map(|state| serde_json::to_value(state).ok());
    let mut changes = Vec::new();
    compare(&before?, &after?, &FieldPath::default(), &mut changes)?;
    if changes.len() > CHANGES_MAX {
        return None;
    }
    // What goes may be what a new field is put behind, so it goes last.
    changes.sort_by_key(|change| change.value.is_none());
    let mut patched = text.to_owned();
    for change in &changes {
        change.apply(&mut patched)?;
    }
    let (read_back, _) = parse(patched.as_bytes()).ok()?;
    (read_back == *new).then_some(patched)
}

/// A field and the text of its new value; [`None`]: it goes.
struct Change {
    field: FieldPath,
    value: Option<String>,
}

fn compare(old: &Value, new: &Value, field: &FieldPath, changes: &mut Vec<Change>) -> Option<()> {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(old), Value::Object(new)) => {
            for (key, old) in old {
                let field = field.clone().key(key.clone());
                match new.get(key) {
                    Some(new) => compare(old, new, &field, changes)?,
                    None => changes.push(Change { value: default_of(field.name()), field }),
                }
            }
            for (key, new) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                changes.push(Change { field: field.clone().key(key.clone()), value: Some(scalar(new)?) });
            }
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                compare(old, new, &field.clone().index(index), changes)?;
            }
        }
        (_, new) => changes.push(Change { field: field.clone(), value: Some(scalar(new)?) }),
    }
    Some(())
}

/// How the default of `name` is written, where it can be: a field that is there stays there.
fn default_of(name: &str) -> Option<String> {
    let value = match name {
        "bypass" | "observe" => "false",
        "internet" => "allow",
        "unknown_sources" | "foreign_sources" => "drop",
        "other_ethertypes" => "pass",
        "mode" => "auto",
        _ => return None,
    };
    Some(value.to_owned())
}

/// A value of one word, in quotes where YAML might read it otherwise.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let plain = text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
            Some(if plain { text.clone() } else { value.to_string() })
        }
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    }
}

impl Change {
    fn apply(&self, text: &mut String) -> Option<()> {
        let there = locate::find(text, &self.field).filter(|found| found.field == self.field);
        match (&self.value, there) {
            (Some(value), Some(there)) => {
                let one_value = matches!(there.content, Content::Scalar(_));
                one_value.then(|| text.replace_range(there.bytes, value))
            }
            (Some(value), None) => self.add(text, value),
            (None, Some(there)) => self.remove(text, &there),
            // A default that is not written in the first place.
            (None, None) => Some(()),
        }
    }

    /// Puts the field behind the first one of its mapping that has one value.
    fn add(&self, text: &mut String, value: &str) -> Option<()> {
        let (Step::Key(name), parent) = self.field.0.split_last()? else { return None };
        let parent = FieldPath(parent.to_vec());
        let entries = locate::entries(text, &parent);
        let (key, first) = entries.iter().find(|(_, value)| matches!(value.content, Content::Scalar(_)))?;
        let mapping = locate::find(text, &parent)?;
        if text[mapping.bytes.start..].starts_with('{') {
            text.insert_str(first.bytes.end, &format!(", {name}: {value}"));
        } else {
            let line_end = first.bytes.end + text[first.bytes.end..].find('\n')?;
            let indent = " ".repeat(key.position.1 as usize - 1);
            text.insert_str(line_end, &format!("\n{indent}{name}: {value}"));
        }
        Some(())
    }

    /// Takes the field's line away, where it holds nothing else, no comment either.
    fn remove(&self, text: &mut String, value: &Found) -> Option<()> {
        let parent = FieldPath(self.field.0.split_last()?.1.to_vec());
        let (key, _) = locate::entries(text, &parent).into_iter().find(|(key, _)| key.field == self.field)?;
        let begin = text[..key.bytes.start].rfind('\n').map_or(0, |end| end + 1);
        let end = value.bytes.end + text[value.bytes.end..].find('\n')? + 1;
        let around = [&text[begin..key.bytes.start], &text[value.bytes.end..end]];
        let alone = around.iter().all(|part| part.trim().is_empty()) && !text[begin..end - 1].contains('\n');
        alone.then(|| text.replace_range(begin..end, ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::edit::{self, InstanceEdit, LimitEdit, NetworkEdit};

    const TEXT: &str = "# Top.
version: 1   # for ever
rules: [{name: small, up: 2Mbps, down: 1Mbps}]   # one line

networks:
  - name: office     # ours
    prefixes: [10.10.0.0/24]
    # the contract
    up: 5Mbps        # since May
    down: \"5Mbps\"
    instances:
      - {name: web, addresses: [10.10.0.2], rule: small}
      - name: db
        addresses: [10.10.0.3]
        rule: small
        internet: deny
";

    fn state() -> NodeState {
        parse(TEXT.as_bytes()).expect("a good state").0
    }

    fn patched(new: &NodeState) -> String {
        patch(TEXT, &state(), new).expect("patched")
    }

    fn limit(text: &str) -> Option<LimitEdit> {
        text.parse().ok()
    }

    #[test]
    fn values_change_in_place() {
        let edit = NetworkEdit {
            up: limit("20Mbps"),
            down: limit("2.5Gbps"),
            prefixes: Some(vec!["10.10.0.0/23".to_owned()]),
            ..NetworkEdit::default()
        };
        let new = edit::set_network(state(), "office", edit).expect("changed");
        let expected =
            TEXT.replace("up: 5Mbps", "up: 20Mbps").replace("\"5Mbps\"", "2.5Gbps").replace("0/24", "0/23");
        let expected = expected.replace("[10.10.0.0/23]", "[\"10.10.0.0/23\"]");
        assert_eq!(patched(&new), expected);
        let new = edit::set_rule(state(), "small", limit("3Mbps"), None);
        assert_eq!(patched(&new), TEXT.replace("up: 2Mbps", "up: 3Mbps"));
    }

    #[test]
    fn fields_come_and_go() {
        let new = edit::set_bypass(state(), true);
        let on = patched(&new);
        assert_eq!(on, TEXT.replace("# for ever\n", "# for ever\nbypass: true\n"));
        assert_eq!(patch(&on, &new, &state()), Some(on.replace("true", "false")));
        let allow = InstanceEdit {
            internet: Some(super::super::Access::Allow),
            up: limit("1Mbps"),
            ..InstanceEdit::default()
        };
        let new = edit::set_instance(state(), "office/db", allow).expect("changed");
        let expected =
            TEXT.replace("        rule: small\n        internet: deny\n", "        internet: allow\n");
        assert_eq!(patched(&new), expected.replace("name: db\n", "name: db\n        up: 1Mbps\n"));
        let deny = InstanceEdit { internet: Some(super::super::Access::Deny), ..InstanceEdit::default() };
        let new = edit::set_instance(state(), "office/web", deny).expect("changed");
        assert_eq!(patched(&new), TEXT.replace("{name: web,", "{name: web, internet: deny,"));
    }

    #[test]
    fn larger_changes_are_left_to_a_rewrite() {
        let refused =
            |new: Result<NodeState, edit::EditError>| patch(TEXT, &state(), &new.expect("an edit")).is_none();
        let two = Some(vec!["10.10.0.2".to_owned(), "10.10.0.4".to_owned()]);
        let more = InstanceEdit { addresses: two, ..InstanceEdit::default() };
        assert!(refused(edit::set_instance(state(), "office/web", more.clone())));
        assert!(refused(edit::add_instance(state(), "office/new", more)));
        assert!(refused(edit::remove_instance(state(), "office/web")));
        let commented = NetworkEdit { up: limit("unlimited"), ..NetworkEdit::default() };
        assert!(refused(edit::set_network(state(), "office", commented)), "its comment would be lost");
        let rates = InstanceEdit { up: limit("1Mbps"), ..InstanceEdit::default() };
        assert!(refused(edit::set_instance(state(), "office/web", rates)), "the rule shares its line");
    }
}
