//! The programs that were built with the tests.

use std::path::PathBuf;

/// The file of a program: named by the environment `variable`, or beside the test.
///
/// # Panics
/// With the remedy where it is not there.
pub fn find(name: &str, variable: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(variable) {
        return path.into();
    }
    let test = std::env::current_exe().expect("path of the test");
    let folders = test.ancestors().skip(1).take(3);
    let found = folders.map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("no {name} near {}; run `cargo build --bins`", test.display()))
}
