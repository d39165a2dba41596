//! The program `nft`, which turns JSON into one transaction of the kernel.

use std::io::{self, Write as _};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::error::EgressError;
use super::table::NAME;

/// Carries out `commands` in one transaction, or none of them.
pub(super) fn run(commands: &Value) -> Result<(), EgressError> {
    nft(&["-j", "-f", "-"], &commands.to_string())?.map(drop).map_err(EgressError::Refused)
}

/// The objects of our table; none where there is no such table.
pub(super) fn list() -> Result<Option<Vec<Value>>, EgressError> {
    match nft(&["-j", "list", "table", "inet", NAME], "")? {
        Ok(text) => objects(&text).map(Some),
        Err(message) if message.contains("No such file or directory") => Ok(None),
        Err(message) => Err(EgressError::Refused(message)),
    }
}

/// The objects of every table.
pub(super) fn ruleset() -> Result<Vec<Value>, EgressError> {
    let text = nft(&["-j", "list", "ruleset"], "")?.map_err(EgressError::Refused)?;
    objects(&text)
}

fn objects(text: &str) -> Result<Vec<Value>, EgressError> {
    let mut listed: Value =
        serde_json::from_str(text).map_err(|error| EgressError::Form(error.to_string()))?;
    match listed["nftables"].take() {
        Value::Array(objects) => Ok(objects),
        other => Err(EgressError::Form(other.to_string())),
    }
}

/// What it printed, or why it refused.
fn nft(words: &[&str], input: &str) -> Result<Result<String, String>, EgressError> {
    let mut child = Command::new("nft")
        .args(words)
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => EgressError::NoProgram,
            _ => EgressError::Io(error),
        })?;
    // It reads all of its input before it says anything, so neither side waits for the other.
    let written = child.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output()?;
    if output.status.success() {
        written?;
        return Ok(Ok(String::from_utf8_lossy(&output.stdout).into_owned()));
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let line = message.lines().find(|line| !line.trim().is_empty()).unwrap_or("it gave no reason");
    Ok(Err(line.trim().to_owned()))
}
