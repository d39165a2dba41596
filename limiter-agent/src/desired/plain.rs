//! The fast lane for large states: JSON, and the plain YAML that a state is mostly written in.
//!
//! The full reader takes more than a second for 100,000 instances. This one takes a tenth, knows one
//! value a line and gives up on anything else: it never explains and never guesses, so whatever it
//! returns, the full reader returns too (a property test holds it to that).

use limiter_state::NodeState;

/// The state in `text`, where it is JSON or plain YAML and has no error.
pub(super) fn read(text: &str) -> Option<NodeState> {
    if text.starts_with('{') {
        return serde_json::from_str(text).ok();
    }
    serde_json::from_str(&Json::of(text)?).ok()
}

/// Deepest nesting of `[` and `{` on a line.
const FLOW_DEPTH_MAX: usize = 4;

/// A list or mapping that is open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    List,
    Mapping,
}

/// The text as JSON, as far as it is read.
struct Json {
    out: String,
    /// Open blocks with the column of their elements.
    open: Vec<(usize, Block)>,
    /// A key at the end of its line waits for its block.
    pending: bool,
}

impl Json {
    fn of(text: &str) -> Option<String> {
        // The full reader knows which other characters are allowed where.
        if !text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)) {
            return None;
        }
        let out = String::with_capacity(text.len() + text.len() / 4);
        let mut json = Self { out, open: Vec::new(), pending: true };
        for line in text.lines() {
            let rest = line.trim_start_matches(' ');
            if !rest.is_empty() && !rest.starts_with('#') {
                json.line(line.len() - rest.len(), rest)?;
            }
        }
        if json.pending {
            return None;
        }
        while let Some((_, block)) = json.open.pop() {
            json.close(block);
        }
        Some(json.out)
    }

    fn line(&mut self, column: usize, rest: &str) -> Option<()> {
        let item = rest.strip_prefix("- ");
        let block = if item.is_some() { Block::List } else { Block::Mapping };
        if self.pending {
            self.open_pending(column, block)?;
        } else {
            self.close_down_to(column, block);
            if self.open.last() != Some(&(column, block)) {
                return None;
            }
            self.out.push(',');
        }
        match item {
            Some(rest) if key(rest).is_some() => {
                self.open_at(column + 2, Block::Mapping);
                self.entry(rest)
            }
            Some(rest) => self.value(rest),
            None => self.entry(rest),
        }
    }

    /// A list may begin in the column of its key, a mapping not.
    fn open_pending(&mut self, column: usize, block: Block) -> Option<()> {
        let inside = match self.open.last() {
            None => column == 0 && block == Block::Mapping,
            Some(&(outer, _)) => column > outer || (column == outer && block == Block::List),
        };
        inside.then(|| self.open_at(column, block))
    }

    fn open_at(&mut self, column: usize, block: Block) {
        self.pending = false;
        self.open.push((column, block));
        self.out.push(if block == Block::List { '[' } else { '{' });
    }

    fn close_down_to(&mut self, column: usize, block: Block) {
        while let Some(&(inner, kind)) = self.open.last()
            && (inner > column || (inner == column && kind == Block::List && block == Block::Mapping))
        {
            self.open.pop();
            self.close(kind);
        }
    }

    fn close(&mut self, block: Block) {
        self.out.push(if block == Block::List { ']' } else { '}' });
    }

    /// `key: value`, or `key:` before a block.
    fn entry(&mut self, text: &str) -> Option<()> {
        let (key, rest) = key(text)?;
        self.string(key);
        self.out.push(':');
        if is_end(rest) {
            self.pending = true;
            return Some(());
        }
        self.value(rest.trim_start_matches(' '))
    }

    /// A value up to the end of its line.
    fn value(&mut self, text: &str) -> Option<()> {
        is_end(self.flow(text, 0)?).then_some(())
    }

    /// A scalar, `[..]` or `{..}`; returns what follows it.
    fn flow<'text>(&mut self, text: &'text str, depth: usize) -> Option<&'text str> {
        if let Some(rest) = text.strip_prefix('"') {
            let (value, rest) = rest.split_once('"')?;
            self.string(Some(value).filter(|value| !value.contains('\\'))?);
            return Some(rest);
        }
        let end = match text.as_bytes().first()? {
            b'[' => ']',
            b'{' => '}',
            _ => return self.scalar(text),
        };
        if depth == FLOW_DEPTH_MAX {
            return None;
        }
        self.out.push_str(&text[..1]);
        let mut rest = text[1..].trim_start_matches(' ');
        if let Some(rest) = rest.strip_prefix(end) {
            self.out.push(end);
            return Some(rest);
        }
        loop {
            if end == '}' {
                let (key, value) = key(rest)?;
                self.string(key);
                self.out.push(':');
                rest = value.trim_start_matches(' ');
            }
            rest = self.flow(rest, depth + 1)?.trim_start_matches(' ');
            if let Some(rest) = rest.strip_prefix(end) {
                self.out.push(end);
                return Some(rest);
            }
            self.out.push(',');
            rest = rest.strip_prefix(", ")?.trim_start_matches(' ');
        }
    }

    /// A scalar without quotes.
    fn scalar<'text>(&mut self, text: &'text str) -> Option<&'text str> {
        let length = text.bytes().position(|b| !(b.is_ascii_alphanumeric() || b"_-./:+".contains(&b)));
        let (value, rest) = text.split_at(length.unwrap_or(text.len()));
        let first = value.bytes().next()?;
        let begins = first.is_ascii_alphanumeric() || first == b'_' || first == b'/';
        if !begins || value.ends_with(':') || matches!(value, "null" | "Null" | "NULL") {
            return None;
        }
        let number =
            value.len() < 10 && value.bytes().all(|b| b.is_ascii_digit()) && (first != b'0' || value == "0");
        if number || matches!(value, "true" | "false") {
            self.out.push_str(value);
        } else {
            self.string(value);
        }
        Some(rest)
    }

    fn string(&mut self, value: &str) {
        self.out.push('"');
        self.out.push_str(value);
        self.out.push('"');
    }
}

/// The key that `text` begins with, and what follows its colon: nothing, or a space and more.
fn key(text: &str) -> Option<(&str, &str)> {
    let (key, rest) = text.split_once(':')?;
    let good = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    (good && (rest.is_empty() || rest.starts_with(' '))).then_some((key, rest))
}

/// True where the line is over: nothing, or a comment behind a space.
fn is_end(rest: &str) -> bool {
    let behind = rest.trim_start_matches(' ');
    behind.is_empty() || (behind.starts_with('#') && behind.len() < rest.len())
}
