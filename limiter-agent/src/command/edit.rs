//! Changes of the state file: made, or only shown.

use clap::Args;

use super::table;
use crate::control::record;
use crate::desired::edit::EditError;
use crate::desired::{self, Change, NodeState};
use crate::place::Place;

/// How a change of the state file is written.
#[derive(Args, Clone, Copy, Debug)]
pub struct WriteArgs {
    /// Allow that comments inside the file are lost where it has to be rewritten.
    #[arg(long)]
    drop_comments: bool,
    /// Show what would change in the file, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Changed lines that are shown of a change that was made; a dry run shows all.
const SHOWN_MAX_LINES: usize = 24;

impl WriteArgs {
    /// Puts what `edit` makes of the state into the state file, and says what changed.
    pub fn update(
        self,
        place: &Place,
        edit: impl FnOnce(NodeState) -> Result<NodeState, EditError>,
    ) -> anyhow::Result<()> {
        record::refuse_edit(place)?;
        let file = &place.state_file;
        let change = if self.dry_run {
            desired::preview(file, self.drop_comments, edit)?
        } else {
            desired::update(file, self.drop_comments, edit)?
        };
        let lines = difference(&change);
        let shown = if self.dry_run { lines.len() } else { lines.len().min(SHOWN_MAX_LINES) };
        let mut text = lines[..shown].join("\n");
        if shown > 0 {
            text.push('\n');
        }
        if shown < lines.len() {
            text += &format!("... and {} more lines\n", lines.len() - shown);
        }
        let file = file.display();
        text += &match () {
            () if lines.is_empty() => format!("{file} says so already; nothing to change.\n"),
            () if self.dry_run => format!("{file} would change so; nothing was changed now.\n"),
            () if place.is_locked() => format!("{file} changed; the agent puts it in force now.\n"),
            () => format!("{file} changed; no agent runs: it will hold when one starts.\n"),
        };
        Ok(table::print(&text)?)
    }
}

/// The lines that go, with a minus, and those that come, with a plus, between the first and the last
/// that differ.
fn difference(change: &Change) -> Vec<String> {
    let [before, after] = [&change.before, &change.after].map(|text| text.lines().collect::<Vec<_>>());
    let same = before.iter().zip(&after).take_while(|(old, new)| old == new).count();
    let (before, after) = (&before[same..], &after[same..]);
    let ends = before.iter().rev().zip(after.iter().rev()).take_while(|(old, new)| old == new).count();
    let goes = before[..before.len() - ends].iter().map(|line| format!("-{line}"));
    let comes = after[..after.len() - ends].iter().map(|line| format!("+{line}"));
    goes.chain(comes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference_of(before: &str, after: &str) -> String {
        difference(&Change { before: before.into(), after: after.into() }).join("|")
    }

    #[test]
    fn only_what_differs_is_shown() {
        assert_eq!(difference_of("a\nb\nc\n", "a\nB\nc\n"), "-b|+B");
        assert_eq!(difference_of("a\nc\n", "a\nb\nc\n"), "+b");
        assert_eq!(difference_of("a\na\n", "a\na\na\n"), "+a");
        assert_eq!(difference_of("a\nb\na\n", "a\n"), "-b|-a");
        assert_eq!(difference_of("a\n", "a\n"), "");
        assert_eq!(difference_of("", ""), "");
    }
}
