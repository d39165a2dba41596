//! Price books.

use std::fs::File;
use std::io::{Read as _, stdin};
use std::path::Path;

use limiter_api::money::NewPriceBook;

use super::Session;
use crate::args::PriceCommand;
use crate::failure::Failure;

/// Largest file of prices, in bytes.
const FILE_MAX_BYTES: u64 = 1 << 20;

pub(super) async fn run(session: &Session, command: PriceCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        PriceCommand::List => {
            let hint = "no price book: everything is free; make one with `limiter price create --file FILE`";
            session.output.list(&client.price_books().await?.items, hint)
        }
        PriceCommand::Show { version } => session.output.one(&client.price_book(&version).await?),
        PriceCommand::Create { file, dry_run } => {
            let mut new = read(&file)?;
            let is_dry = dry_run || new.dry_run;
            new.dry_run = true;
            let book = client.create_price_book(&new).await?;
            if is_dry {
                return session.output.one(&book);
            }
            session.confirm.ask(&format!(
                "Prices in {} hold from {} on, as version {}. A price book is never changed or taken back.",
                book.currency, book.effective_from, book.version
            ))?;
            new.dry_run = false;
            session.output.one(&client.create_price_book(&new).await?)
        }
    }
}

fn read(path: &Path) -> Result<NewPriceBook, Failure> {
    let name = path.display();
    let wrong = |reason: String| Failure::Usage(format!("{name}: {reason}"));
    let mut text = String::new();
    let read = if path == Path::new("-") {
        stdin().lock().take(FILE_MAX_BYTES + 1).read_to_string(&mut text)
    } else {
        let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
        file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text)
    };
    read.map_err(|error| wrong(error.to_string()))?;
    if text.len() as u64 > FILE_MAX_BYTES {
        return Err(wrong(format!("a price book has at most {FILE_MAX_BYTES} bytes")));
    }
    serde_saphyr::from_str(&text).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_a_price_book() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/examples/prices.yaml");
        let book = read(Path::new(path)).expect("a price book");
        assert_eq!((book.currency.as_str(), book.items.len(), book.dry_run), ("EUR", 10, false));
    }

    #[test]
    fn a_file_that_is_none_is_named() {
        let missing = read(Path::new("/nowhere/prices.yaml")).expect_err("no file");
        assert!(missing.to_string().starts_with("/nowhere/prices.yaml: "), "{missing}");
    }
}
