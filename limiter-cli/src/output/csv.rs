//! Bills as CSV: a line for each entry, with decimal amounts.

use limiter_api::money::{BillLine, LedgerEntry};

use super::text;

/// What moved money.
pub(crate) fn entries(entries: &[LedgerEntry]) -> String {
    let head = ["number", "at", "month", "kind", "source", "amount", "balance", "detail"];
    let row = |entry: &LedgerEntry| {
        line(&[
            entry.number.to_string(),
            entry.at.to_string(),
            entry.month.clone(),
            entry.kind.clone(),
            entry.source.clone(),
            text::micro(entry.amount_micro),
            text::micro(entry.balance_micro),
            harmless(&entry.detail),
        ])
    };
    line(&head.map(str::to_owned)) + &entries.iter().map(row).collect::<String>()
}

/// Hours.
pub(crate) fn lines(lines: &[BillLine]) -> String {
    let head = [
        "plan",
        "item",
        "hour",
        "revision",
        "quantity",
        "original",
        "amount",
        "discount_bp",
        "price_book",
        "held",
        "explained",
    ];
    let row = |bill: &BillLine| {
        line(&[
            bill.plan.clone(),
            bill.item.clone(),
            bill.hour.to_string(),
            bill.revision.to_string(),
            bill.quantity.to_string(),
            text::micro(bill.original_micro),
            text::micro(bill.amount_micro),
            bill.discount_bp.to_string(),
            bill.price_book.to_string(),
            bill.held.to_string(),
            harmless(&bill.explained),
        ])
    };
    line(&head.map(str::to_owned)) + &lines.iter().map(row).collect::<String>()
}

fn line(fields: &[String]) -> String {
    let fields: Vec<_> = fields.iter().map(|field| quoted(field)).collect();
    fields.join(",") + "\n"
}

fn quoted(field: &str) -> String {
    let plain = text::plain(field);
    if plain.contains([',', '"']) { format!("\"{}\"", plain.replace('"', "\"\"")) } else { plain }
}

/// What people wrote must not be a formula to a spreadsheet.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@']) { format!("'{text}") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_a_line_whatever_was_written() {
        let entry = LedgerEntry {
            number: 1,
            at: "2026-11-23T10:15:00Z".parse().expect("a moment"),
            kind: "top_up".into(),
            source: "no-1".into(),
            amount_micro: 5_000_000,
            balance_micro: -13_797,
            month: "2026-11".into(),
            detail: "=1+1, \"x\"\n".into(),
        };
        assert_eq!(
            entries(&[entry]),
            "number,at,month,kind,source,amount,balance,detail\n\
             1,2026-11-23T10:15:00Z,2026-11,top_up,no-1,5.00,-0.013797,\"'=1+1, \"\"x\"\"\\n\"\n"
        );
    }
}
