//! Tables of text: columns as wide as their cells, within the terminal where there is one.

use std::io::{self, Write as _};

use rustix::termios::tcgetwinsize;

/// Two spaces between columns.
const GAP: &str = "  ";
/// A text column is not cut below this width.
const CUT_MIN_CHARS: usize = 10;

/// Head and kind of a column.
#[derive(Clone, Copy, Debug)]
pub enum Column {
    /// Words: to the left, cut where the terminal is too narrow.
    Text(&'static str),
    /// Figures: to the right, never cut.
    Number(&'static str),
}

impl Column {
    fn head(self) -> &'static str {
        match self {
            Self::Text(head) | Self::Number(head) => head,
        }
    }
}

/// Columns and rows of the terminal on standard output; none where it is a file or a pipe.
pub fn terminal() -> Option<(usize, usize)> {
    let size = tcgetwinsize(io::stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some((size.ws_col.into(), size.ws_row.into()))
}

/// Writes to standard output. A reader that went away ends the output, which is no error.
pub fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(0),
        result => result,
    }
}

/// The rows under their heads, within `width` characters as far as cutting texts allows. A column
/// without a cell is left out.
pub fn table<const N: usize>(columns: [Column; N], rows: &[[String; N]], width: Option<usize>) -> String {
    let heads = columns.map(|column| column.head().to_uppercase());
    let mut widths: [usize; N] = std::array::from_fn(|place| {
        let cells = rows.iter().map(|row| row[place].chars().count());
        let widest = cells.max().unwrap_or(0);
        if widest == 0 && !rows.is_empty() { 0 } else { widest.max(heads[place].chars().count()) }
    });
    if let Some(width) = width {
        fit(&mut widths, columns, width);
    }
    let mut text = String::new();
    for row in [&heads].into_iter().chain(rows) {
        let cells = row.iter().zip(widths).zip(columns).filter(|((_, width), _)| *width > 0);
        let cells: Vec<String> = cells.map(|((cell, width), column)| pad(cell, width, column)).collect();
        text.push_str(cells.join(GAP).trim_end());
        text.push('\n');
    }
    text
}

/// Takes from the widest text column until all fit or none can give.
fn fit<const N: usize>(widths: &mut [usize; N], columns: [Column; N], width: usize) {
    loop {
        let shown = widths.iter().filter(|width| **width > 0);
        let total = shown.clone().sum::<usize>() + GAP.len() * shown.count().saturating_sub(1);
        let texts = widths.iter_mut().zip(columns).filter(|(_, column)| matches!(column, Column::Text(_)));
        match texts.map(|(width, _)| width).max() {
            Some(widest) if total > width && *widest > CUT_MIN_CHARS => *widest -= 1,
            _ => return,
        }
    }
}

fn pad(cell: &str, width: usize, column: Column) -> String {
    // Names of devices may hold what a terminal would obey.
    let mut cell: String = cell.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if let Some((cut, _)) = cell.char_indices().nth(width) {
        cell.truncate(cell[..cut].char_indices().next_back().map_or(0, |(last, _)| last));
        cell.push('…');
    }
    match column {
        Column::Text(_) => format!("{cell:width$}"),
        Column::Number(_) => format!("{cell:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::Text("instance"), Column::Number("up"), Column::Text("note")];

    fn row(cells: [&str; 3]) -> [String; 3] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [row(["office/web", "2Mbps", ""]), row(["b", "unlimited", ""])];
        let expected = "INSTANCE           UP\noffice/web      2Mbps\nb           unlimited\n";
        assert_eq!(table(COLUMNS, &rows, None), expected);
        assert_eq!(table(COLUMNS, &[], None), "INSTANCE  UP  NOTE\n");
    }

    #[test]
    fn texts_give_way_to_the_terminal_and_figures_do_not() {
        let rows = [row(["a-very-long-network/a-very-long-name", "100Gbps", "queue 12 ms"])];
        let expected = "INSTANCE          UP  NOTE\na-very-lon…  100Gbps  queue 12 ms\n";
        assert_eq!(table(COLUMNS, &rows, Some(33)), expected);
        let narrowest = table(COLUMNS, &rows, Some(1));
        assert_eq!(narrowest.lines().nth(1), Some("a-very-lo…  100Gbps  queue 12 …"));
    }

    #[test]
    fn what_a_terminal_would_obey_is_not_written() {
        assert!(!table(COLUMNS, &[row(["\x1b[2J", "1", "x"])], None).contains('\x1b'));
    }
}
