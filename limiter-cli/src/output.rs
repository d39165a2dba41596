//! What a command prints: a table that fits the terminal, JSON, YAML, or ids alone.

mod address;
pub(crate) mod csv;
mod money;
pub(crate) mod text;
mod usage;
mod view;

use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use jiff::tz::TimeZone;
use serde::Serialize;

pub(crate) use view::{View, summary};

use crate::failure::Failure;

/// The form of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For files
    Yaml,
}

/// Prints results.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    format: Format,
    quiet: bool,
    zone: TimeZone,
}

impl Output {
    pub(crate) fn new(format: Format, quiet: bool) -> Self {
        Self { format, quiet, zone: TimeZone::system() }
    }

    /// Whether a person reads.
    pub(crate) fn for_people(&self) -> bool {
        self.format == Format::Table && !self.quiet
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// A list; `hint` is the next step where it is empty.
    pub(crate) fn list<T: View>(&self, items: &[T], hint: &str) -> Result<(), Failure> {
        if self.quiet {
            return print(&items.iter().map(|item| text::plain(item.id()) + "\n").collect::<String>());
        }
        if self.format != Format::Table {
            return self.data(&items);
        }
        if items.is_empty() {
            note(hint);
            return Ok(());
        }
        let rows = items.iter().map(|item| item.cells(&self.zone));
        print(&table(Some(T::HEAD), rows, terminal_width()))
    }

    /// One object.
    pub(crate) fn one<T: View>(&self, item: &T) -> Result<(), Failure> {
        if self.quiet {
            return print(&(text::plain(item.id()) + "\n"));
        }
        if self.format != Format::Table {
            return self.data(item);
        }
        let rows = item.details(&self.zone).into_iter().map(|(name, value)| vec![name.to_owned(), value]);
        print(&table(None, rows, terminal_width()))
    }

    /// Ids of what is gone.
    pub(crate) fn gone(&self, kind: &str, ids: &[String]) -> Result<(), Failure> {
        if self.quiet {
            return print(&ids.iter().map(|id| text::plain(id) + "\n").collect::<String>());
        }
        match self.format {
            Format::Table => print(
                &ids.iter()
                    .fold(String::new(), |all, id| all + &format!("{kind} {} deleted\n", text::plain(id))),
            ),
            Format::Json | Format::Yaml => self.data(&serde_json::json!({ "deleted": ids })),
        }
    }

    /// A value as JSON or YAML; a person gets YAML.
    pub(crate) fn data(&self, value: &impl Serialize) -> Result<(), Failure> {
        let written = match self.format {
            Format::Json => serde_json::to_string_pretty(value).map_err(|error| error.to_string()),
            Format::Yaml | Format::Table => yaml(value),
        };
        let mut written = written.map_err(Failure::NotDone)?;
        if !written.ends_with('\n') {
            written.push('\n');
        }
        print(&written)
    }
}

/// Rows in columns, wrapped to `width` where there is one.
pub(crate) fn table(
    head: Option<&[&str]>,
    rows: impl IntoIterator<Item = Vec<String>>,
    width: Option<u16>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).force_no_tty();
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    if let Some(head) = head {
        table.set_header(head.iter().map(|name| name.to_uppercase()));
    }
    for row in rows {
        table.add_row(row.iter().map(|cell| text::plain(cell)));
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// Columns of the terminal that reads the output.
pub(crate) fn terminal_width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(stdout).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
        Err(error) => Err(Failure::NotDone(format!("the output cannot be written: {error}"))),
    }
}

/// A line for the person, beside the result.
pub(crate) fn note(line: &str) {
    // Nobody is told that nobody can be told.
    let _ = writeln!(io::stderr(), "{}", text::plain(line));
}

fn yaml(value: &impl Serialize) -> Result<String, String> {
    let style = serde_saphyr::ser_options! { compact_list_indent: false };
    serde_saphyr::to_string_with_options(value, style).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        vec![vec!["office".into(), "10.10.0.0/24 10.11.0.0/24 10.12.0.0/24".into()]]
    }

    #[test]
    fn a_table_fits_its_terminal() {
        let narrow = table(Some(&["name", "prefixes"]), rows(), Some(30));
        assert!(narrow.lines().all(|line| line.chars().count() <= 30), "{narrow}");
        assert!(narrow.lines().count() > 2, "{narrow}");
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line() {
        let wide = table(Some(&["name", "prefixes"]), rows(), None);
        assert_eq!(wide, "NAME    PREFIXES\noffice  10.10.0.0/24 10.11.0.0/24 10.12.0.0/24\n");
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let shown = table(None, [vec!["a\u{1b}[2Jb\nc".to_owned()]], None);
        assert_eq!(shown, "a\\u{1b}[2Jb\\nc\n");
    }
}
