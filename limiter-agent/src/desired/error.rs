//! The one form of every error about a node state: file, line, field, value, and what is allowed.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

/// Longest part of a value that is shown, characters.
const VALUE_SHOWN_CHARS: usize = 80;

/// What is wrong with a node state.
///
/// It reads `state.yaml:12:9: networks[1].instances[0].up: "5mbps" is no rate; write ...`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct StateError {
    /// The file; none for a state that came another way.
    pub file: Option<PathBuf>,
    /// Line and column in the file, both from 1.
    pub position: Option<(u64, u64)>,
    /// The field; empty for the file as a whole.
    pub field: FieldPath,
    /// The value as written.
    pub value: Option<String>,
    /// What is wrong with it and what is allowed; reads on after the value.
    pub reason: String,
    /// The field that this one conflicts with; its line ends the message.
    pub(super) other: Option<(FieldPath, Option<u64>)>,
}

impl StateError {
    pub(super) fn new(field: FieldPath, reason: impl fmt::Display) -> Box<Self> {
        let reason = reason.to_string();
        Box::new(Self { file: None, position: None, field, value: None, reason, other: None })
    }

    pub(super) fn value(mut self: Box<Self>, value: impl Into<String>) -> Box<Self> {
        self.value = Some(value.into());
        self
    }

    pub(super) fn other(mut self: Box<Self>, other: FieldPath) -> Box<Self> {
        self.other = Some((other, None));
        self
    }

    pub(super) fn file(mut self: Box<Self>, file: &Path) -> Box<Self> {
        self.file = Some(file.to_owned());
        self
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}", file.display())?;
            if let Some((line, column)) = self.position {
                write!(f, ":{line}:{column}")?;
            }
            f.write_str(": ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        if let Some(value) = &self.value {
            let shown: String = value.chars().take(VALUE_SHOWN_CHARS).collect();
            let cut = if shown.len() < value.len() { "..." } else { "" };
            write!(f, "{shown:?}{cut} ")?;
        }
        f.write_str(&self.reason)?;
        match &self.other {
            Some((_, Some(line))) => write!(f, " (line {line})"),
            Some((field, None)) => write!(f, " ({field})"),
            None => Ok(()),
        }
    }
}

/// Where a value is in the state, such as `networks[1].instances[0].up`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldPath(pub(super) Vec<Step>);

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(Cow<'static, str>),
    Index(usize),
}

impl FieldPath {
    /// True for the state as a whole.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn key(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.0.push(Step::Key(name.into()));
        self
    }

    pub(super) fn index(mut self, index: usize) -> Self {
        self.0.push(Step::Index(index));
        self
    }

    /// The field `name` of the whole state.
    pub(super) fn root(name: &'static str) -> Self {
        Self::default().key(name)
    }

    /// Element `index` of the list `name` of the whole state.
    pub(super) fn element(name: &'static str, index: usize) -> Self {
        Self::root(name).index(index)
    }

    /// The name that says what kind of value stands here: the last key.
    pub(super) fn name(&self) -> &str {
        let key = |step: &Step| matches!(step, Step::Key(_));
        match self.0.iter().rfind(|step| key(step)) {
            Some(Step::Key(name)) => name,
            _ => "",
        }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (depth, step) in self.0.iter().enumerate() {
            match step {
                Step::Key(name) if depth == 0 => f.write_str(&name.escape_debug().to_string())?,
                Step::Key(name) => write!(f, ".{}", name.escape_debug())?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_as_one_line() {
        let field = FieldPath::element("networks", 1).key("instances").index(0).key("up");
        let error = StateError::new(field.clone(), "is no rate").value("5\nmbps");
        assert_eq!(error.to_string(), r#"networks[1].instances[0].up: "5\nmbps" is no rate"#);

        let mut error = error.file(Path::new("state.yaml")).other(FieldPath::element("networks", 0));
        assert_eq!(
            error.to_string(),
            r#"state.yaml: networks[1].instances[0].up: "5\nmbps" is no rate (networks[0])"#
        );
        error.position = Some((12, 9));
        error.other = Some((field, Some(3)));
        error.value = Some("x".repeat(200));
        let shown = "x".repeat(80);
        assert_eq!(
            error.to_string(),
            format!(r#"state.yaml:12:9: networks[1].instances[0].up: "{shown}"... is no rate (line 3)"#)
        );
    }
}
