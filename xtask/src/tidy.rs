//! Rules of layout that no lint knows: file length, first lines, module names, and what may be where.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

use anyhow::{Context, Result};

use crate::{promises, workspace};

/// The most lines that a source file may have, its tests included.
const LONGEST: usize = 600;

/// Names that say nothing about what a module does.
const EMPTY_NAMES: [&str; 7] = ["utils", "util", "helpers", "helper", "manager", "common", "misc"];

/// Where `unsafe` may be.
const UNSAFE_PLACES: [&str; 3] = ["limiter-agent/src/dataplane/", "limiter-common/", "limiter-ebpf/"];

/// Where aya may be named.
const AYA_PLACES: [&str; 4] = ["limiter-agent/src/dataplane/", "limiter-common/", "limiter-ebpf/", "tests/"];

/// A text file of the workspace, by its path from the root.
struct File {
    path: String,
    text: String,
}

/// What the rules found, and how long the files are.
pub(crate) struct Report {
    pub(crate) problems: Vec<String>,
    pub(crate) lengths: String,
}

/// Applies every rule to the workspace.
pub(crate) fn check() -> Result<Report> {
    let root = workspace::root();
    let mut files = Vec::new();
    collect(&root, &root, &mut files).with_context(|| format!("cannot read {}", root.display()))?;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let mut problems: Vec<_> = files.iter().flat_map(of_file).collect();
    let sources =
        files.iter().filter(|file| file.is_rust()).map(|file| (file.path.as_str(), file.text.as_str()));
    let sources: Vec<_> = sources.collect();
    for page in &promises::PAGES {
        match files.iter().find(|file| file.path == page.path) {
            Some(file) => problems.extend(promises::check(page, &file.text, &sources)),
            None => problems.push(format!("{} is missing", page.path)),
        }
    }
    Ok(Report { problems, lengths: lengths(&files) })
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        // In a linked working tree `.git` is a file.
        if name == ".git" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            if name != "target" && name != "node_modules" {
                collect(root, &entry.path(), files)?;
            }
        } else if entry.file_type()?.is_file() {
            let path =
                entry.path().strip_prefix(root).unwrap_or(&entry.path()).to_string_lossy().into_owned();
            // What is no UTF-8 is no source.
            files.extend(String::from_utf8(fs::read(entry.path())?).ok().map(|text| File { path, text }));
        }
    }
    Ok(())
}

fn of_file(file: &File) -> Vec<String> {
    let mut problems = foreign_paths(file);
    if file.is_rust() {
        problems.extend(shape(file));
        problems.extend(place(file));
    }
    problems.into_iter().map(|problem| format!("{}: {problem}", file.path)).collect()
}

/// Paths of somebody's machine.
fn foreign_paths(file: &File) -> Vec<String> {
    let foreign = ["work", "root"].map(|folder| format!("/{folder}/"));
    let found = foreign.iter().filter(|path| file.text.contains(path.as_str()));
    found.map(|path| format!("names {path}, a path of one machine")).collect()
}

fn shape(file: &File) -> Vec<String> {
    let mut problems = Vec::new();
    let lines = file.text.lines().count();
    if lines > LONGEST {
        problems.push(format!("has {lines} lines, at most {LONGEST} are allowed"));
    }
    if !file.text.starts_with("//! ") {
        problems.push("does not begin with a sentence `//! …`".to_owned());
    }
    let names = file.path.trim_end_matches(".rs").split('/').filter(|name| EMPTY_NAMES.contains(name));
    problems.extend(names.map(|name| format!("the module name {name} says nothing")));
    problems
}

fn place(file: &File) -> Vec<String> {
    let allowed = |places: &[&str]| places.iter().any(|place| file.path.starts_with(place));
    let mut problems = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        let words = words(line);
        let has = |word: &str| words.iter().any(|other| other == word);
        let mut problem = |text: &str| problems.push(format!("line {}: {text}", number + 1));
        if has("unsafe") && !allowed(&UNSAFE_PLACES) {
            problem("unsafe code belongs into limiter-agent/src/dataplane");
        }
        if (has("aya") || has("aya_obj")) && !allowed(&AYA_PLACES) {
            problem("aya belongs into limiter-agent/src/dataplane");
        }
        if line.trim_start().starts_with("#[ignore") {
            problem("a test that is not run proves nothing");
        }
    }
    problems
}

/// The words of a line's code, without comments and texts.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    // Every second piece between quotes is a text; the comment begins at the first `//` outside of one.
    for piece in line.replace("\\\"", "").split('"').step_by(2) {
        let (code, comment) = piece.split_once("//").map_or((piece, false), |(code, _)| (code, true));
        words.extend(code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned));
        if comment {
            break;
        }
    }
    words
}

/// Files, median, nine in ten, and the longest, for each crate.
fn lengths(files: &[File]) -> String {
    let mut crates: BTreeMap<&str, Vec<(usize, &str)>> = BTreeMap::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let (name, _) = file.path.split_once('/').unwrap_or_default();
        crates.entry(name).or_default().push((file.text.lines().count(), &file.path));
    }
    let mut table = format!("{:16}{:>6}{:>8}{:>6}  longest\n", "crate", "files", "median", "p90");
    for (name, mut lines) in crates {
        lines.sort_unstable();
        let at = |share: usize| lines[(lines.len() - 1) * share / 100].0;
        let (median, p90, (most, path)) = (at(50), at(90), lines[lines.len() - 1]);
        let _ = writeln!(table, "{name:16}{:>6}{median:>8}{p90:>6}  {most} {path}", lines.len());
    }
    table
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|extension| extension == "rs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<String> {
        of_file(&File { path: path.to_owned(), text: text.to_owned() })
    }

    #[test]
    fn the_workspace_is_tidy() {
        assert_eq!(check().expect("the workspace is readable").problems, [""; 0]);
    }

    #[test]
    fn a_tidy_file_passes() {
        let text = "//! Counts.\n\n// no unsafe, no aya\nconst A: &str = \"unsafe // aya\";\n";
        assert_eq!(problems("limiter-agent/src/count.rs", text), [""; 0]);
    }

    #[test]
    fn long_files_and_missing_first_lines_are_named() {
        let text = "\n".repeat(601);
        let first = "a/src/x.rs: has 601 lines, at most 600 are allowed";
        assert_eq!(
            problems("a/src/x.rs", &text),
            [first, "a/src/x.rs: does not begin with a sentence `//! …`"]
        );
    }

    #[test]
    fn empty_module_names_are_named() {
        assert_eq!(
            problems("a/src/utils.rs", "//! X."),
            ["a/src/utils.rs: the module name utils says nothing"]
        );
        assert_eq!(problems("a/src/helpers/x.rs", "//! X.").len(), 1);
        assert_eq!(problems("limiter-common/src/lib.rs", "//! X."), [""; 0]);
    }

    #[test]
    fn unsafe_and_aya_have_their_places() {
        let text = "//! X.\nuse aya::Ebpf;\nunsafe { x() }\n";
        let expected = [
            "limiter-agent/src/x.rs: line 2: aya belongs into limiter-agent/src/dataplane",
            "limiter-agent/src/x.rs: line 3: unsafe code belongs into limiter-agent/src/dataplane",
        ];
        assert_eq!(problems("limiter-agent/src/x.rs", text), expected);
        assert_eq!(problems("limiter-agent/src/dataplane/x.rs", text), [""; 0]);
    }

    #[test]
    fn paths_of_one_machine_and_skipped_tests_are_named() {
        let path = ["", "work", "x"].join("/");
        assert_eq!(problems("README.md", &path).len(), 1);
        assert_eq!(problems("README.md", "a workaround in the root"), [""; 0]);
        assert_eq!(problems("a/src/x.rs", "//! X.\n    #[ignore = \"slow\"]\n").len(), 1);
    }

    #[test]
    fn lengths_are_summed_for_each_crate() {
        let file = |path: &str, lines| File { path: path.to_owned(), text: "x\n".repeat(lines) };
        let table = lengths(&[file("a/src/x.rs", 10), file("a/src/y.rs", 30), file("a/src/z.rs", 20)]);
        assert_eq!(table.lines().nth(1), Some("a                    3      20    20  30 a/src/y.rs"));
    }
}
