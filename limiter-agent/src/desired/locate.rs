//! From a field to its line in the YAML text and back. Only errors pay for it: the text is read again.

use std::borrow::Cow;
use std::ops::{ControlFlow, Range};

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, Span};

use super::error::{FieldPath, Step};

/// A node of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// Line and column, both from 1.
    pub(super) position: (u64, u64),
    /// Its field; of a key, the field it begins.
    pub(super) field: FieldPath,
    /// What is written there.
    pub(super) content: Content,
    /// Where it is in the text, quotes included; of a list or mapping, where it begins.
    pub(super) bytes: Range<usize>,
}

/// What is written at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    Key,
    Scalar(String),
    Nothing,
    List,
    Mapping,
}

/// The value of `field`, or of the nearest field around it that is written.
pub(super) fn find(text: &str, field: &FieldPath) -> Option<Found> {
    let mut best: Option<Found> = None;
    walk(text, |frames, event, span| {
        let depth = frames.len();
        if is_key(frames) || depth > field.0.len() || !is_on_the_way(frames, field) {
            return ControlFlow::Continue(());
        }
        best = Some(found(frames, event, span));
        if depth == field.0.len() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    best
}

/// The innermost value that begins at `position`, or with `keys` the key that does; else the last node
/// before, which is where a syntax error was found.
pub(super) fn at(text: &str, position: (u64, u64), keys: bool) -> Option<Found> {
    let mut nodes = 0_usize;
    let mut here = None;
    walk(text, |frames, event, span| {
        let begin = begin(span);
        if begin > position {
            return ControlFlow::Break(());
        }
        nodes += 1;
        if begin == position && is_key(frames) == keys {
            here = Some(found(frames, event, span));
        }
        ControlFlow::Continue(())
    });
    here.or_else(|| nth(text, nodes.checked_sub(1)?))
}

fn nth(text: &str, mut skipped: usize) -> Option<Found> {
    let mut result = None;
    walk(text, |frames, event, span| {
        if skipped > 0 {
            skipped -= 1;
            return ControlFlow::Continue(());
        }
        result = Some(found(frames, event, span));
        ControlFlow::Break(())
    });
    result
}

/// Key and value of each entry of the mapping `parent`, in order.
pub(super) fn entries(text: &str, parent: &FieldPath) -> Vec<(Found, Found)> {
    let mut entries = Vec::new();
    let mut last_key = None;
    walk(text, |frames, event, span| {
        if frames.len() == parent.0.len() + 1 && is_on_the_way(frames, parent) {
            let node = found(frames, event, span);
            if is_key(frames) {
                last_key = Some(node);
            } else {
                entries.extend(last_key.take().map(|key| (key, node)));
            }
        }
        ControlFlow::Continue(())
    });
    entries
}

/// An open list or mapping.
enum Frame<'text> {
    List(usize),
    /// The key whose value is next; none where a key is next.
    Mapping(Option<Cow<'text, str>>),
    /// The key itself, while it is shown.
    Key(Cow<'text, str>),
}

impl Frame<'_> {
    fn is(&self, step: &Step) -> bool {
        match (self, step) {
            (Frame::List(at), Step::Index(index)) => at == index,
            (Frame::Mapping(Some(at)) | Frame::Key(at), Step::Key(key)) => at == key,
            _ => false,
        }
    }
}

/// True where one of the two lies within the other, or they are the same.
fn is_on_the_way(frames: &[Frame], field: &FieldPath) -> bool {
    frames.iter().zip(&field.0).all(|(frame, step)| frame.is(step))
}

fn is_key(frames: &[Frame]) -> bool {
    matches!(frames.last(), Some(Frame::Key(_)))
}

fn found(frames: &[Frame], event: &Event, span: &Span) -> Found {
    let steps = frames.iter().filter_map(|frame| match frame {
        Frame::List(index) => Some(Step::Index(*index)),
        Frame::Mapping(key) => key.as_ref().map(|key| Step::Key(key.to_string().into())),
        Frame::Key(key) => Some(Step::Key(key.to_string().into())),
    });
    let content = match event {
        _ if is_key(frames) => Content::Key,
        Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&**text, "" | "~" | "null") => {
            Content::Nothing
        }
        Event::Scalar(text, ..) => Content::Scalar(text.to_string()),
        Event::SequenceStart(..) => Content::List,
        _ => Content::Mapping,
    };
    let bytes = span.byte_range().unwrap_or_default();
    Found { position: begin(span), field: FieldPath(steps.collect()), content, bytes }
}

/// Shows every node of the first document until `visit` breaks or the text ends or is broken.
fn walk(text: &str, mut visit: impl FnMut(&[Frame], &Event, &Span) -> ControlFlow<()>) {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut frames: Vec<Frame> = Vec::new();
    for (event, span) in Parser::new_from_str_with_options(text, options).map_while(Result::ok) {
        let opens = match &event {
            Event::SequenceStart(..) => Some(Frame::List(0)),
            Event::MappingStart(..) => Some(Frame::Mapping(None)),
            Event::Scalar(..) | Event::Alias(_) => None,
            Event::SequenceEnd | Event::MappingEnd => {
                frames.pop();
                step_on(&mut frames);
                continue;
            }
            Event::DocumentEnd => return,
            _ => continue,
        };
        if let Some(Frame::Mapping(key @ None)) = frames.last_mut() {
            // Only a scalar can name a field; behind any other key no field is ours.
            let Event::Scalar(name, ..) = &event else { return };
            *key = Some(name.clone());
            let mapping = frames.pop();
            frames.push(Frame::Key(name.clone()));
            let flow = visit(&frames, &event, &span);
            frames.pop();
            frames.extend(mapping);
            if flow.is_break() {
                return;
            }
            continue;
        }
        if visit(&frames, &event, &span).is_break() {
            return;
        }
        match opens {
            Some(frame) => frames.push(frame),
            None => step_on(&mut frames),
        }
    }
}

/// Moves past the value that just ended.
fn step_on(frames: &mut [Frame]) {
    match frames.last_mut() {
        Some(Frame::List(index)) => *index += 1,
        Some(Frame::Mapping(key)) => *key = None,
        _ => {}
    }
}

fn begin(span: &Span) -> (u64, u64) {
    (span.start.line() as u64, span.start.col() as u64 + 1)
}
