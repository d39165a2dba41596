//! YAML bytes to a node state; every refusal names line, field, value and what is allowed.

use serde::Deserialize;
use serde_saphyr::{Error, MergeKeyPolicy, Options};

use super::check::check;
use super::error::{FieldPath, StateError};
use super::locate::{self, Content, Found};
use super::model::Desired;
use super::near::did_you_mean;
use super::plain;
use limiter_state::{NodeState, OriginSpec};

/// Largest state file, bytes; only JSON may be as large.
pub const FILE_MAX_BYTES: usize = 256 << 20;

/// Largest state file in YAML, bytes: room for more than half a million instances.
const YAML_MAX_BYTES: usize = 64 << 20;

/// Most YAML nodes in a file, so that a hostile one cannot take more than about 1 GB.
const NODES_MAX: usize = 12_000_000;

/// Reads and checks a node state in YAML.
///
/// The last line must end with a line feed: a file that was cut within a line is refused.
pub fn parse(bytes: &[u8]) -> Result<(NodeState, Desired), Box<StateError>> {
    let text = text(bytes)?;
    let state = match text.len() {
        0..=YAML_MAX_BYTES => plain::read(text).map_or_else(|| full(text), Ok)?,
        _ => large_json(text)?,
    };
    let desired = check(&state).map_err(|error| place(error, text))?;
    Ok((state, desired))
}

/// Which state of the control plane `bytes` are, where they are JSON and say so as they should; the rest of
/// it may be refused.
pub fn origin(bytes: &[u8]) -> Option<OriginSpec> {
    #[derive(Deserialize)]
    struct Head {
        origin: Option<OriginSpec>,
    }
    serde_json::from_slice::<Head>(bytes).ok()?.origin.filter(super::check::is_origin)
}

/// Any YAML.
pub(super) fn full(text: &str) -> Result<NodeState, Box<StateError>> {
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(&error, text))
}

/// The bytes as a text that is worth parsing.
fn text(bytes: &[u8]) -> Result<&str, Box<StateError>> {
    let whole = |reason: &str| StateError::new(FieldPath::default(), reason);
    if bytes.len() > FILE_MAX_BYTES || (bytes.len() > YAML_MAX_BYTES && !bytes.starts_with(b"{")) {
        return Err(whole(
            "the file is larger than 64 MiB, or 256 MiB of JSON; a state file holds at most that",
        ));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line = before.split(|&b| b == b'\n').count() as u64;
        let column = before.rsplit(|&b| b == b'\n').next().map_or(0, <[u8]>::len) as u64 + 1;
        let mut error = whole("the file is not UTF-8 text here; a state file is YAML in UTF-8");
        error.position = Some((line, column));
        error
    })?;
    let is_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "---" || line == "...";
    if text.lines().all(|line| is_nothing(line.trim())) {
        return Err(whole("the file is empty; the smallest state is the line `version: 1`"));
    }
    if !text.ends_with('\n') {
        return Err(whole(
            "the last line has no end, so the file may be half-written; end it with a line feed",
        ));
    }
    Ok(text)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 2 * NODES_MAX,
            max_nodes: NODES_MAX,
            max_depth: 16,
            flow_nesting_limit: 16,
            // A repeated value has a name here: a rule.
            max_anchors: 0,
            max_aliases: 0,
        },
        emit_comments: false,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        reject_tagged_field_names: true,
        with_snippet: false,
    }
}

/// Adds the line to an error of the checks.
pub(super) fn place(mut error: Box<StateError>, text: &str) -> Box<StateError> {
    if text.len() > YAML_MAX_BYTES {
        return error;
    }
    error.position = locate::find(text, &error.field).map(|found| found.position);
    if let Some((field, line)) = &mut error.other {
        *line = locate::find(text, field).map(|found| found.position.0);
    }
    error
}

/// JSON that is too large for the reader that names fields.
fn large_json(text: &str) -> Result<NodeState, Box<StateError>> {
    serde_json::from_str(text).map_err(|error| {
        let mut explained = StateError::new(FieldPath::default(), error.to_string());
        explained.position = Some((error.line() as u64, error.column() as u64));
        explained
    })
}

/// An error of the YAML reader in our words.
fn explain(error: &Error, text: &str) -> Box<StateError> {
    let position = error.location().map(|location| (location.line(), location.column()));
    let names_key = matches!(
        error,
        Error::SerdeUnknownField { .. }
            | Error::SerdeMissingField { .. }
            | Error::DuplicateMappingKey { .. }
            | Error::TaggedStructFieldName { .. }
    );
    let found = position.and_then(|position| locate::at(text, position, names_key));
    let field = found.as_ref().map(|found| found.field.clone()).unwrap_or_default();
    let mut explained = match error {
        Error::Message { msg, .. } => with_value(field, found.as_ref(), msg),
        Error::SerdeUnknownField { expected, .. } => StateError::new(
            field.clone(),
            format_args!(
                "unknown field; the fields here are {}{}",
                expected.join(", "),
                did_you_mean(field.name(), expected.iter().copied())
            ),
        ),
        Error::SerdeMissingField { field: missing, .. } => {
            let field = parent(field);
            let allowed = shape(&field.clone().key(*missing));
            StateError::new(field, format_args!("the field `{missing}` is missing; write {allowed}"))
        }
        Error::DuplicateMappingKey { .. } => {
            StateError::new(field, "the field is given twice; write it once")
        }
        Error::MergeKeyNotAllowed { .. } => StateError::new(
            parent(field),
            "merge keys (<<) are not supported; write the fields out, or use a rule",
        ),
        Error::Budget { breach, .. } => StateError::new(field, budget(breach)),
        Error::MultipleDocuments { .. } => {
            StateError::new(FieldPath::default(), "a second document begins here; a state file holds one")
        }
        Error::UnsupportedTag { .. }
        | Error::TaggedStructFieldName { .. }
        | Error::TaggedScalarCannotDeserializeIntoString { .. } => {
            StateError::new(field, "YAML tags (!) are not supported; remove it")
        }
        Error::UnknownAnchor { .. } => StateError::new(field, NO_ALIASES),
        Error::ExternalMessage { msg, .. } => {
            StateError::new(field, format_args!("broken YAML: {msg}; the file may be half-written"))
        }
        _ => {
            let reason = format!("is not allowed here; write {}", shape(&field));
            with_value(field, found.as_ref(), &reason)
        }
    };
    explained.position = position;
    explained
}

const NO_ALIASES: &str = "anchors (&) and aliases (*) are not supported; use a rule";

fn with_value(field: FieldPath, found: Option<&Found>, reason: &str) -> Box<StateError> {
    match found.map(|found| &found.content) {
        Some(Content::Scalar(value)) => StateError::new(field, reason).value(value),
        Some(Content::Nothing) => {
            StateError::new(field, reason.replace("is not allowed here", "there is no value"))
        }
        Some(Content::List) => StateError::new(field, format_args!("a list {reason}")),
        Some(Content::Mapping) => StateError::new(field, format_args!("a mapping {reason}")),
        Some(Content::Key) | None => StateError::new(field, reason),
    }
}

fn parent(mut field: FieldPath) -> FieldPath {
    field.0.pop();
    field
}

fn budget(breach: &serde_saphyr::budget::BudgetBreach) -> String {
    use serde_saphyr::budget::BudgetBreach as Breach;
    match breach {
        Breach::Anchors { .. } | Breach::Aliases { .. } => NO_ALIASES.to_owned(),
        Breach::Depth { .. } => "nested deeper than any field of a state".to_owned(),
        _ => format!("the file has more than {NODES_MAX} values here, the most it may have"),
    }
}

/// What belongs into `field`.
fn shape(field: &FieldPath) -> &'static str {
    match field.name() {
        "instances" if field.0.len() == 2 => "a number of instances such as 100000",
        "" => "a mapping that begins with `version: 1`",
        "version" => "version: 1",
        "bypass" | "observe" => "true or false",
        "up" | "down" => "a rate such as 5Mbps, or leave the line out for unlimited",
        "mode" => "auto, shape or police",
        "internet" => "allow or deny",
        "egress" => "none, {shared: ADDRESS} or {exclusive: ADDRESS}",
        "shared" | "exclusive" => "an IPv4 address such as 198.51.100.7",
        "egress_addresses" => "assign or routed",
        "until" => "a mapping such as {at: 2026-12-01T00:00:00Z, up: 5Mbps, down: 5Mbps}",
        "at" => "an instant such as 2026-12-01T00:00:00Z",
        "origin" => "a mapping of incarnation and revision, which the control plane gives",
        "revision" => "a whole number from 0",
        "foreign_sources" | "other_ethertypes" => "pass or drop",
        "unknown_sources" => "drop or budget",
        "capacity" => "a mapping such as {instances: 100000}",
        "uplinks" => "a list of interface names such as [eth0]",
        "interfaces" => "a list of mappings that begin with `- match:`",
        "zones" | "rules" | "networks" | "instances" => "a list of mappings that begin with `- name:`",
        "prefixes" | "local_prefixes" => "a list of prefixes such as [10.10.0.0/24, \"fd00:10::/64\"]",
        "addresses" => "a list of addresses or prefixes such as [10.10.0.2, \"fd00:10::2\"]",
        "match" => "an interface name or pattern such as \"veth-*\"",
        "instance" => "an instance as NETWORK/NAME, such as office/web",
        _ => "a name",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(bytes: &[u8]) -> String {
        match parse(bytes) {
            Ok((state, _)) => format!("accepted: {state:?}"),
            Err(mut error) => {
                error.file = Some("s".into());
                error.to_string()
            }
        }
    }

    #[test]
    fn files() {
        let empty = "s: the file is empty; the smallest state is the line `version: 1`";
        for (bytes, expected) in [
            (&b""[..], empty),
            (b" \n\n", empty),
            (b"---\n", empty),
            (b"# only this\n", empty),
            (
                b"version: 1",
                "s: the last line has no end, so the file may be half-written; end it with a line feed",
            ),
            (b"version: 1\na\xff\n", "s:2:2: the file is not UTF-8 text here; a state file is YAML in UTF-8"),
            (
                b"version: 1\n---\nversion: 1\n",
                "s:3:1: a second document begins here; a state file holds one",
            ),
            (b"5\n", "s:1:1: \"5\" is not allowed here; write a mapping that begins with `version: 1`"),
            (b"[]\n", "s:1:1: a list is not allowed here; write a mapping that begins with `version: 1`"),
            (b"{}\n", "s:1:1: the field `version` is missing; write version: 1"),
            (b"bypass: true\n", "s:1:1: the field `version` is missing; write version: 1"),
            (b"version: one\n", "s:1:10: version: \"one\" is not allowed here; write version: 1"),
        ] {
            assert_eq!(refusal(bytes), expected, "{}", String::from_utf8_lossy(bytes));
        }
        let mut large = vec![b' '; FILE_MAX_BYTES + 1];
        let expected =
            "s: the file is larger than 64 MiB, or 256 MiB of JSON; a state file holds at most that";
        assert_eq!(refusal(&large), expected);
        large.truncate(YAML_MAX_BYTES + 1);
        assert_eq!(refusal(&large), expected);
        for (end, expected) in
            [(" 1}\n", "accepted"), (" 2}\n", "s: version: \"2\" is no version"), ("]\n", "s:1:")]
        {
            large[..11].copy_from_slice(b"{\"version\":");
            let begin = large.len() - end.len();
            large[begin..].copy_from_slice(end.as_bytes());
            assert!(refusal(&large).starts_with(expected), "{}", refusal(&large));
        }
        assert!(refusal(b"version: 1\n").starts_with("accepted"));
        assert!(refusal(b"{\"version\": 1}\n").starts_with("accepted"));
    }

    /// A network in the form of the tables, with `line` as its last line.
    fn in_network(line: &str) -> String {
        refusal(
            format!("version: 1\nnetworks:\n  - name: a\n    prefixes: [10.0.0.0/24]\n    {line}\n")
                .as_bytes(),
        )
    }

    #[test]
    fn fields() {
        for (line, expected) in [
            (
                "up: 5mbps",
                "s:5:9: networks[0].up: \"5mbps\" is no rate; write bits per second as bps, kbps, Mbps or Gbps, for example 5Mbps; did you mean 5Mbps?",
            ),
            (
                "up: 7kbps",
                "s:5:9: networks[0].up: \"7kbps\" is out of range; a rate is between 8kbps and 100Gbps",
            ),
            (
                "up:",
                "s:5:7: networks[0].up: there is no value; write a rate such as 5Mbps, or leave the line out for unlimited",
            ),
            (
                "up: {}",
                "s:5:9: networks[0].up: a mapping is not allowed here; write a rate such as 5Mbps, or leave the line out for unlimited",
            ),
            (
                "upp: 5Mbps",
                "s:5:5: networks[0].upp: unknown field; the fields here are id, name, zone, prefixes, up, down, internet, observe, unknown_sources, egress, plan, until, default_rule, instances; did you mean \"up\"?",
            ),
            ("name: b", "s:5:5: networks[0].name: the field is given twice; write it once"),
            (
                "internet: maybe",
                "s:5:15: networks[0].internet: \"maybe\" is not allowed here; write allow or deny",
            ),
            ("internet:", "s:5:13: networks[0].internet: there is no value; write allow or deny"),
            ("observe: yes", "s:5:14: networks[0].observe: \"yes\" is not allowed here; write true or false"),
            ("zone: ~", "s:5:11: networks[0].zone: there is no value; write a name"),
            (
                "zone: &a b",
                "s:5:14: networks[0].zone: anchors (&) and aliases (*) are not supported; use a rule",
            ),
            (
                "zone: *a",
                "s:5:11: networks[0].zone: anchors (&) and aliases (*) are not supported; use a rule",
            ),
            ("up: !rate 5Mbps", "s:5:15: networks[0].up: YAML tags (!) are not supported; remove it"),
            (
                "<<: {up: 5Mbps}",
                "s:5:5: networks[0]: merge keys (<<) are not supported; write the fields out, or use a rule",
            ),
            (
                "instances: [{addresses: []}]",
                "s:5:18: networks[0].instances[0]: the field `name` is missing; write a name",
            ),
            (
                "instances: [{name: a, name: b}]",
                "s:5:27: networks[0].instances[0].name: the field is given twice; write it once",
            ),
            (
                "instances: {}",
                "s:5:16: networks[0].instances: a mapping is not allowed here; write a list of mappings that begin with `- name:`",
            ),
            (
                "instances: [",
                "s:5:16: networks[0].instances: broken YAML: unclosed bracket '['; the file may be half-written",
            ),
            (
                "zone: \"lab",
                "s:5:11: networks[0].zone: broken YAML: unclosed quote; the file may be half-written",
            ),
            (
                "  up: 5Mbps",
                "s:5:7: networks[0].prefixes[0]: broken YAML: while parsing a block mapping, did not find expected key; the file may be half-written",
            ),
        ] {
            assert_eq!(in_network(line), expected, "{line}");
        }
        let wrong_list = refusal(b"version: 1\nnetworks:\n  - name: a\n    prefixes: 10.0.0.0/24\n");
        assert_eq!(
            wrong_list,
            "s:4:15: networks[0].prefixes: \"10.0.0.0/24\" is not allowed here; write a list of prefixes such as [10.10.0.0/24, \"fd00:10::/64\"]"
        );
        let number = refusal(b"version: 1\ncapacity: {instances: 5000000000}\n");
        assert_eq!(
            number,
            "s:2:23: capacity.instances: \"5000000000\" is not allowed here; write a number of instances such as 100000"
        );
    }

    #[test]
    fn lists_have_an_end() {
        let names: Vec<String> = (0..1_001).map(|index| format!("e{index}")).collect();
        let text = |names: &[String]| format!("version: 1\nuplinks: [{}]\n", names.join(", "));
        assert!(refusal(text(&names[1..]).as_bytes()).starts_with("accepted"));
        let message = refusal(text(&names).as_bytes());
        assert!(message.ends_with("is one too many; the list holds at most 1000"), "{message}");
        let deep = format!("version: 1\nuplinks: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
        assert!(refusal(deep.as_bytes()).starts_with("s:2:"), "no stack is used up");
    }
}
