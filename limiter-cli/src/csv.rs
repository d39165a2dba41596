//! Instances as CSV: `name,addresses,external_id`, with the addresses of one separated by spaces.

use limiter_api::setup::SetupInstance;
use limiter_state::address;

/// Why a text is no list of instances.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub(crate) struct CsvError {
    line: usize,
    reason: String,
}

/// The instances of a text whose first line names the columns.
pub(crate) fn instances(text: &str) -> Result<Vec<SetupInstance>, CsvError> {
    let mut records = records(text.trim_start_matches('\u{feff}'))?.into_iter();
    let Some((line, head)) = records.next() else {
        return Err(CsvError { line: 1, reason: "the file is empty; begin with name,addresses".to_owned() });
    };
    let columns = Columns::read(&head).map_err(|reason| CsvError { line, reason })?;
    let mut instances: Vec<SetupInstance> = Vec::new();
    for (line, record) in records {
        let error = |reason| CsvError { line, reason };
        if record.len() != head.len() {
            let (is, wanted) = (record.len(), head.len());
            return Err(error(format!("{is} fields, but the first line names {wanted}")));
        }
        instances.push(columns.instance(&record).map_err(error)?);
    }
    Ok(instances)
}

/// Where each column is.
struct Columns {
    name: usize,
    addresses: usize,
    external_id: Option<usize>,
}

impl Columns {
    fn read(head: &[String]) -> Result<Self, String> {
        let known = ["name", "addresses", "external_id"];
        if let Some(other) = head.iter().find(|column| !known.contains(&column.trim())) {
            return Err(format!("`{other}` is no column; the columns are {}", known.join(", ")));
        }
        let place = |wanted: &str| {
            let mut places = head.iter().enumerate().filter(|(_, column)| column.trim() == wanted);
            match (places.next(), places.next()) {
                (_, Some(_)) => Err(format!("the column {wanted} is there twice")),
                (first, None) => Ok(first.map(|(place, _)| place)),
            }
        };
        let required = |wanted: &str| place(wanted)?.ok_or_else(|| format!("the column {wanted} is missing"));
        Ok(Self {
            name: required("name")?,
            addresses: required("addresses")?,
            external_id: place("external_id")?,
        })
    }

    fn instance(&self, record: &[String]) -> Result<SetupInstance, String> {
        let name = record[self.name].trim();
        if name.is_empty() {
            return Err("name: there is none".to_owned());
        }
        let checked = |text: &str| match address::instance_address(text) {
            Ok(net) => Ok(address::show(net)),
            Err(error) => Err(format!("addresses: `{text}` {error}")),
        };
        let addresses =
            record[self.addresses].split_whitespace().map(checked).collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(format!("addresses: `{name}` has none"));
        }
        let external_id = self.external_id.map(|place| record[place].trim()).filter(|id| !id.is_empty());
        Ok(SetupInstance {
            name: name.to_owned(),
            external_id: external_id.map(str::to_owned),
            addresses,
            ..SetupInstance::default()
        })
    }
}

/// Records with the line where each begins, as RFC 4180 has them; empty lines are none.
fn records(text: &str) -> Result<Vec<(usize, Vec<String>)>, CsvError> {
    let mut records = Vec::new();
    let mut record: Vec<String> = Vec::new();
    let (mut field, mut quoted, mut was_quoted) = (String::new(), false, false);
    let (mut line, mut begin) = (1, 1);
    let mut rest = text.chars().peekable();
    loop {
        let character = rest.next();
        match character {
            Some('"') if quoted && rest.peek() == Some(&'"') => {
                rest.next();
                field.push('"');
            }
            Some('"') if quoted => quoted = false,
            None if quoted => {
                return Err(CsvError { line: begin, reason: "a quote is not closed".to_owned() });
            }
            Some(inside) if quoted => field.push(inside),
            Some('"') if field.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            Some(',') => {
                record.push(std::mem::take(&mut field));
                was_quoted = false;
            }
            Some('\r') if rest.peek() == Some(&'\n') => {}
            Some('\n') | None => {
                if !(record.is_empty() && field.is_empty() && !was_quoted) {
                    record.push(std::mem::take(&mut field));
                    records.push((begin, std::mem::take(&mut record)));
                }
                was_quoted = false;
                begin = line + 1;
            }
            Some('"') => {
                return Err(CsvError {
                    line,
                    reason: "a quote inside a field; put the field in quotes".to_owned(),
                });
            }
            Some(_) if was_quoted => {
                return Err(CsvError { line, reason: "text after a closing quote".to_owned() });
            }
            Some(other) => field.push(other),
        }
        match character {
            Some('\n') => line += 1,
            None => return Ok(records),
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> String {
        instances(text).expect_err(text).to_string()
    }

    #[test]
    fn columns_in_any_order_quotes_and_line_ends() {
        let text = "\u{feff}addresses,name,external_id\r\n10.0.0.2 fd00::2,web-1,vm-1\r\n\r\n\"10.0.0.3\",\"a \"\"b\"\", c\",\n";
        let instances = instances(text).expect("instances");
        assert_eq!(instances.len(), 2);
        assert_eq!(instances[0].name, "web-1");
        assert_eq!(instances[0].addresses, ["10.0.0.2", "fd00::2"]);
        assert_eq!(instances[0].external_id.as_deref(), Some("vm-1"));
        assert_eq!(instances[1].name, "a \"b\", c");
        assert_eq!(instances[1].external_id, None);
    }

    #[test]
    fn refusals_name_line_column_and_value() {
        assert_eq!(refusal(""), "line 1: the file is empty; begin with name,addresses");
        assert_eq!(refusal("name\n"), "line 1: the column addresses is missing");
        assert_eq!(refusal("name,addresses,name\n"), "line 1: the column name is there twice");
        assert_eq!(
            refusal("name,adresses\n"),
            "line 1: `adresses` is no column; the columns are name, addresses, external_id"
        );
        let head = "name,addresses\n";
        assert_eq!(refusal(&format!("{head}a\n")), "line 2: 1 fields, but the first line names 2");
        assert_eq!(refusal(&format!("{head}a,10.0.0.1\n,10.0.0.2\n")), "line 3: name: there is none");
        assert_eq!(refusal(&format!("{head}a,\n")), "line 2: addresses: `a` has none");
        assert!(
            refusal(&format!("{head}a,10.0.0.300\n")).starts_with("line 2: addresses: `10.0.0.300` is no")
        );
        assert_eq!(refusal(&format!("{head}\"a,10.0.0.1\n")), "line 2: a quote is not closed");
        assert_eq!(refusal(&format!("{head}\"a\"b,10.0.0.1\n")), "line 2: text after a closing quote");
        assert!(refusal(&format!("{head}a\"b,10.0.0.1\n")).starts_with("line 2: a quote inside a field"));
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_read_back(fields in prop::collection::vec("[a-z\",\n ]{1,8}", 1..5)) {
            let quoted: Vec<_> = fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            let records = records(&(quoted.join(",") + "\n")).expect("records");
            prop_assert_eq!(records, vec![(1, fields)]);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[a-z0-9\",\r\n. ]{0,60}") {
            let _ = instances(&format!("name,addresses\n{text}"));
        }
    }
}
