//! Each promise of SPECIFICATION.md names the tests that hold it; this finds the ones that do not exist.

/// A row `| P3 | what is promised | … | ``crate::file::test`` |`: its number and the tests of its last column.
#[derive(Debug, PartialEq, Eq)]
struct Promise<'a> {
    number: u32,
    tests: Vec<&'a str>,
}

/// What is wrong in `specification`, given all test sources as (path, text).
pub(crate) fn check(specification: &str, tests: &[(&str, &str)]) -> Vec<String> {
    let promises: Vec<_> = specification.lines().filter_map(promise).collect();
    let mut problems = Vec::new();
    if promises.is_empty() {
        problems.push("SPECIFICATION.md: no row `| P1 | … | `test` |`".to_owned());
    }
    for (index, Promise { number, tests: named }) in promises.iter().enumerate() {
        if promises[..index].iter().any(|before| before.number == *number) {
            problems.push(format!("SPECIFICATION.md: P{number} is there twice"));
        }
        if named.is_empty() {
            problems.push(format!("SPECIFICATION.md: P{number} names no test in its last column"));
        }
        let missing = named.iter().filter(|name| !tests.iter().any(|(path, text)| holds(path, text, name)));
        problems.extend(
            missing.map(|name| format!("SPECIFICATION.md: P{number} names `{name}`, which does not exist")),
        );
    }
    problems
}

fn promise(line: &str) -> Option<Promise<'_>> {
    let cells: Vec<_> = line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let number = cells.first()?.strip_prefix('P')?.parse().ok()?;
    // Between backticks lies every second piece.
    let tests = cells.last()?.split('`').skip(1).step_by(2).collect();
    Some(Promise { number, tests })
}

/// True when the source is a test's and has the function; a file or folder named before it must be in the path.
fn holds(path: &str, text: &str, name: &str) -> bool {
    let mut parts = name.rsplit("::");
    let function = parts.next().unwrap_or_default();
    let file = parts.find(|part| *part != "tests").filter(|part| !part.starts_with("limiter-"));
    let in_path = |file: &str| path.trim_end_matches(".rs").split('/').any(|part| part == file);
    let has_tests = text.contains("#[test]") || text.contains("proptest!");
    has_tests && text.contains(&format!("fn {function}(")) && file.is_none_or(in_path)
}

#[cfg(test)]
mod tests {
    const SOURCES: [(&str, &str); 2] = [
        ("tests/tests/netns_accuracy.rs", "#[test]\nfn udp_is_held() {}"),
        ("limiter-common/src/gcra.rs", "mod tests { #[test] fn never_over() {} }"),
    ];

    fn check(specification: &str) -> Vec<String> {
        super::check(specification, &SOURCES)
    }

    #[test]
    fn promises_with_tests_pass() {
        let specification = "| no | promise | test |\n|---|---|---|\n\
            | P1 | UDP is held | `limiter-tests::netns_accuracy::udp_is_held` |\n\
            | P2 | never over | `limiter-common::gcra::tests::never_over`, `udp_is_held` |\n";
        assert_eq!(check(specification), [""; 0]);
    }

    #[test]
    fn a_promise_without_its_test_is_named() {
        let wrong =
            "| P1 | x | `netns_accuracy::tcp_is_held` |\n| P1 | y | none |\n| P3 | z | `vm::never_over` |";
        let expected = [
            "SPECIFICATION.md: P1 names `netns_accuracy::tcp_is_held`, which does not exist",
            "SPECIFICATION.md: P1 is there twice",
            "SPECIFICATION.md: P1 names no test in its last column",
            "SPECIFICATION.md: P3 names `vm::never_over`, which does not exist",
        ];
        assert_eq!(check(wrong), expected);
    }

    #[test]
    fn a_page_without_promises_fails() {
        assert_eq!(check("# Promises\n").len(), 1);
    }
}
