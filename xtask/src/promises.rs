//! Each promise names the tests that hold it; this finds the tests that do not exist.

/// A page with a table of promises: rows such as `| P3 | what is promised | … | ``crate::file::test`` |`.
pub(crate) struct Page {
    /// Where it is.
    pub(crate) path: &'static str,
    /// What its numbers begin with.
    letter: char,
    /// Issues that a row may wait for instead, as its last column says: `later: console`.
    later: &'static [&'static str],
}

/// The pages that are checked.
pub(crate) const PAGES: [Page; 2] = [
    Page { path: "SPECIFICATION.md", letter: 'P', later: &[] },
    Page { path: "docs/requirements.md", letter: 'R', later: &["metering and billing", "console"] },
];

/// A row: its number, and of its last column the tests and what it waits for.
#[derive(Debug, PartialEq, Eq)]
struct Promise<'a> {
    number: u32,
    tests: Vec<&'a str>,
    later: Option<&'a str>,
}

/// What is wrong in the `text` of a page, given all test sources as (path, text).
pub(crate) fn check(page: &Page, text: &str, tests: &[(&str, &str)]) -> Vec<String> {
    let Page { path, letter, later } = page;
    let promises: Vec<_> = text.lines().filter_map(|line| promise(*letter, line)).collect();
    let mut problems = Vec::new();
    if promises.is_empty() {
        problems.push(format!("{path}: no row `| {letter}1 | … | `test` |`"));
    }
    for (index, promise) in promises.iter().enumerate() {
        let number = promise.number;
        if promises[..index].iter().any(|before| before.number == number) {
            problems.push(format!("{path}: {letter}{number} is there twice"));
        } else if number > 1 && !promises.iter().any(|other| other.number == number - 1) {
            problems.push(format!("{path}: {letter}{number} is there without {letter}{}", number - 1));
        }
        match promise.later {
            Some(issue) if !later.contains(&issue) => {
                problems.push(format!("{path}: {letter}{number} waits for {issue:?}, which is not to come"));
            }
            None if promise.tests.is_empty() => {
                problems.push(format!("{path}: {letter}{number} names no test in its last column"));
            }
            _ => {}
        }
        let exists = |name: &str| tests.iter().any(|(path, text)| holds(path, text, name));
        let missing = promise.tests.iter().filter(|name| !exists(name));
        problems.extend(
            missing.map(|name| format!("{path}: {letter}{number} names `{name}`, which does not exist")),
        );
    }
    problems
}

fn promise(letter: char, line: &str) -> Option<Promise<'_>> {
    let cells: Vec<_> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let number = cells.first()?.strip_prefix(letter)?.parse().ok()?;
    let last = cells.last()?;
    // Between backticks lies every second piece.
    let tests = last.split('`').skip(1).step_by(2).collect();
    let later = last.rsplit_once("later: ").map(|(_, issue)| issue.trim());
    Some(Promise { number, tests, later })
}

/// True when the source is a test's and has the function; a file or folder named before it must be in the path.
fn holds(path: &str, text: &str, name: &str) -> bool {
    let mut parts = name.rsplit("::");
    let function = parts.next().unwrap_or_default();
    let file = parts.find(|part| *part != "tests").filter(|part| !part.starts_with("limiter-"));
    let in_path = |file: &str| path.trim_end_matches(".rs").split('/').any(|part| part == file);
    let has_tests = ["#[test]", "#[tokio::test]", "proptest!"].iter().any(|mark| text.contains(mark));
    has_tests && text.contains(&format!("fn {function}(")) && file.is_none_or(in_path)
}

#[cfg(test)]
mod tests {
    use super::{PAGES, Page};

    const SOURCES: [(&str, &str); 3] = [
        ("tests/tests/netns_accuracy.rs", "#[test]\nfn udp_is_held() {}"),
        ("limiter-common/src/gcra.rs", "mod tests { #[test] fn never_over() {} }"),
        ("limiter-control/tests/api/life.rs", "#[tokio::test]\nasync fn it_expires() {}"),
    ];
    const PROMISES: &Page = &PAGES[0];
    const REQUIREMENTS: &Page = &PAGES[1];

    fn check(page: &Page, text: &str) -> Vec<String> {
        super::check(page, text, &SOURCES)
    }

    #[test]
    fn promises_with_tests_pass() {
        let specification = "| no | promise | test |\n|---|---|---|\n\
            | P1 | UDP is held | `limiter-tests::netns_accuracy::udp_is_held` |\n\
            | P2 | never over | `limiter-common::gcra::tests::never_over`, `udp_is_held` |\n\
            | P3 | it ends | `life::it_expires` |\n";
        assert_eq!(check(PROMISES, specification), [""; 0]);
    }

    #[test]
    fn a_promise_without_its_test_is_named() {
        let wrong =
            "| P1 | x | `netns_accuracy::tcp_is_held` |\n| P1 | y | none |\n| P3 | z | `vm::never_over` |";
        let expected = [
            "SPECIFICATION.md: P1 names `netns_accuracy::tcp_is_held`, which does not exist",
            "SPECIFICATION.md: P1 is there twice",
            "SPECIFICATION.md: P1 names no test in its last column",
            "SPECIFICATION.md: P3 is there without P2",
            "SPECIFICATION.md: P3 names `vm::never_over`, which does not exist",
        ];
        assert_eq!(check(PROMISES, wrong), expected);
    }

    #[test]
    fn a_requirement_has_a_test_or_waits_for_what_is_to_come() {
        let text = "| R1 | a | `never_over` |\n| R2 | b | later: console |\n\
            | R3 | c | `never_over`; its page later: console |\n";
        assert_eq!(check(REQUIREMENTS, text), [""; 0]);
        let wrong = "| R1 | a | some day |\n| R2 | b | later: never |\n| R3 | c | `no`; later: console |\n";
        let expected = [
            "docs/requirements.md: R1 names no test in its last column",
            "docs/requirements.md: R2 waits for \"never\", which is not to come",
            "docs/requirements.md: R3 names `no`, which does not exist",
        ];
        assert_eq!(check(REQUIREMENTS, wrong), expected);
        assert!(check(PROMISES, "| P1 | a | later: console |")[0].contains("not to come"));
    }

    #[test]
    fn a_page_without_promises_fails() {
        assert_eq!(check(PROMISES, "# Promises\n").len(), 1);
    }
}
