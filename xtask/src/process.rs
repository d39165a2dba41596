//! Running other programs: shown, captured, or watched line by line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, io};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The status by which coreutils' `timeout` says that it ended the program.
const CUT: i32 = 124;

/// How a watched program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with success.
    Good,
    /// By itself, with a failure status or by a signal.
    Bad,
    /// By the time limit.
    Cut,
}

/// cargo, in the workspace.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(workspace::root()).args(args);
    cargo
}

/// Runs `command` with its output shown; an error unless it succeeds.
pub(crate) fn show(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {}", line(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", line(command));
    }
    Ok(())
}

/// What `command` prints; an error, with what it said, unless it succeeds.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot run {}", line(command)))?;
    if !output.status.success() {
        bail!(
            "{} ended with {}: {}",
            line(command),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    String::from_utf8(output.stdout).with_context(|| format!("{} prints no UTF-8", line(command)))
}

/// Runs `command` without input and gives each line of its output to `on_line`.
pub(crate) fn watch(mut command: Command, mut on_line: impl FnMut(&str)) -> Result<End> {
    let (output, input) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(input.try_clone()?).stderr(input);
    let mut child = command.spawn().with_context(|| format!("cannot run {}", line(&command)))?;
    // The command holds the writing end, and while it does the reading below would not end.
    drop(command);
    for bytes in BufReader::new(output).split(b'\n') {
        on_line(String::from_utf8_lossy(&bytes?).trim_end_matches('\r'));
    }
    let status = child.wait()?;
    Ok(match status.code() {
        Some(0) => End::Good,
        Some(CUT) => End::Cut,
        _ => End::Bad,
    })
}

/// A command that runs `program` for at most `limit` and then ends it with all that it started.
pub(crate) fn limited(limit: Duration, program: impl AsRef<OsStr>) -> Command {
    let mut timeout = Command::new("timeout");
    timeout.arg("--kill-after=10").arg(limit.as_secs().to_string()).arg(program);
    timeout
}

fn line(command: &Command) -> String {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(script: &str, limit: Duration) -> (End, Vec<String>) {
        let mut lines = Vec::new();
        let mut command = limited(limit, "sh");
        command.args(["-c", script]);
        let end = watch(command, |line| lines.push(line.to_owned())).expect("sh runs");
        (end, lines)
    }

    #[test]
    fn both_outputs_arrive_in_order() {
        let (end, lines) = lines_of("echo a; echo b >&2; printf 'c\\r\\n'; exit 3", Duration::from_secs(20));
        assert_eq!((end, lines), (End::Bad, ["a", "b", "c"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn a_hang_is_cut() {
        let (end, lines) = lines_of("echo a; sleep 60 & sleep 60", Duration::from_secs(1));
        assert_eq!((end, lines), (End::Cut, vec!["a".to_owned()]));
    }
}
