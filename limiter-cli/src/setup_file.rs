//! Files that hold a whole setup or a list of instances.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use limiter_api::setup::Setup;
use serde_saphyr::{MergeKeyPolicy, Options};

use crate::failure::Failure;

/// Largest file that is read.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// Most YAML nodes in a file.
const NODES_MAX: usize = 4_000_000;

/// The setup in a file, YAML or JSON.
pub(crate) fn setup(path: &Path) -> Result<Setup, Failure> {
    let text = text(path)?;
    parse(&text).map_err(|reason| Failure::Usage(format!("{}:{reason}", path.display())))
}

/// The text of a file; `-` is the standard input.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let read = || {
        let mut text = String::new();
        let source: Box<dyn Read> =
            if path == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
        let bytes = source.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)?;
        if bytes as u64 > FILE_MAX_BYTES {
            return Err(io::Error::other("larger than 64 MiB"));
        }
        Ok(text)
    };
    read().map_err(|error: io::Error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// The setup, or `LINE:COLUMN: what is wrong there`.
fn parse(text: &str) -> Result<Setup, String> {
    let is_nothing = |line: &str| line.is_empty() || line.starts_with('#') || line == "---";
    if text.lines().all(|line| is_nothing(line.trim())) {
        return Err("1:1: the file is empty; the smallest setup is `networks: []`".to_owned());
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| {
        let Some(location) = error.location() else { return format!(" {error}") };
        let (line, column) = (location.line(), location.column());
        let source = usize::try_from(line).ok().and_then(|line| text.lines().nth(line.checked_sub(1)?));
        let source: String = source.unwrap_or_default().trim().chars().take(80).collect();
        format!("{line}:{column}: `{source}`: {}", reason(&error))
    })
}

/// What the reader says, without the place, which is said before.
fn reason(error: &serde_saphyr::Error) -> String {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.rsplit_once(" at line ").map_or(first, |(reason, _)| reason).to_owned()
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 2 * NODES_MAX,
            max_nodes: NODES_MAX,
            max_depth: 16,
            flow_nesting_limit: 16,
        },
        emit_comments: false,
        merge_keys: MergeKeyPolicy::Error,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFFICE: &str = "networks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n";

    #[test]
    fn yaml_and_json() {
        let setup =
            parse(&format!("{OFFICE}    plan: {{pay: pay_as_you_go, peak: 20Mbps}}\n")).expect("a setup");
        assert_eq!(setup.networks[0].plan.as_ref().map(|plan| plan.peak.bps()), Some(20_000_000));
        let same = serde_json::to_string(&setup).expect("JSON");
        assert_eq!(parse(&same), Ok(setup));
    }

    #[test]
    fn the_example_of_the_documentation_is_a_setup() {
        let setup = parse(include_str!("../../docs/examples/setup.yaml")).expect("a setup");
        assert_eq!((setup.networks.len(), setup.networks[0].instances.len()), (3, 4));
    }

    #[test]
    fn refusals_name_line_field_and_remedy() {
        let with = |line: &str| parse(&format!("{OFFICE}    {line}\n")).expect_err(line);
        let rate = with("plan: {pay: pay_as_you_go, peak: 20mbps}");
        assert!(rate.starts_with("4:"), "{rate}");
        assert!(rate.contains("peak: 20mbps") && rate.contains("did you mean 20Mbps?"), "{rate}");
        let unknown = with("colour: red");
        assert!(
            unknown.starts_with("4:") && unknown.contains("colour") && unknown.contains("zone"),
            "{unknown}"
        );
        let missing = parse("networks:\n  - name: office\n").expect_err("no prefixes");
        assert!(missing.contains("prefixes"), "{missing}");
        assert!(parse("# only this\n").expect_err("empty").contains("the file is empty"));
        for text in [rate, unknown, missing] {
            assert!(!text.contains('\n') && !text.contains(" at line "), "{text}");
        }
    }

    #[test]
    fn hostile_yaml_ends_soon() {
        let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
        for step in 1..12 {
            let (name, before) = (char::from(b'a' + step), char::from(b'a' + step - 1));
            let items = vec![format!("*{before}"); 9].join(", ");
            bomb.push_str(&format!("{name}: &{name} [{items}]\n"));
        }
        assert!(parse(&bomb).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
