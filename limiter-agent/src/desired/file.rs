//! The state file: read as a whole or not at all, replaced as a whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, Gid, Mode, OFlags, Uid};
use serde_saphyr::granit_parser::{Event, Parser};

use super::check::check;
use super::edit::EditError;
use super::error::{FieldPath, StateError};
use super::model::Desired;
use super::parse::{FILE_MAX_BYTES, parse};
use super::state::NodeState;

/// Why a state file was not changed. It is as before.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// The state in the file, or what it would become, is refused.
    #[error(transparent)]
    State(#[from] Box<StateError>),
    /// The edit does not fit the state.
    #[error("{}: {error}", file.display())]
    Edit {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        error: EditError,
    },
    /// Comments would be lost.
    #[error(
        "{}:{line}: the file has comments, and a rewrite keeps only those at its top; \
         edit it by hand, or give --drop-comments", file.display()
    )]
    Comments {
        /// The file.
        file: PathBuf,
        /// Line of the first comment that would be lost.
        line: u64,
    },
    /// The file system refused.
    #[error("{}: cannot be {what}: {error}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What failed.
        what: &'static str,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Reads and checks the state file `path`; returns its bytes, too.
pub fn load(path: &Path) -> Result<(Vec<u8>, Desired), Box<StateError>> {
    let (bytes, _, desired) = read(path)?;
    Ok((bytes, desired))
}

/// Reads the written state of the file `path`, checked.
pub fn load_state(path: &Path) -> Result<NodeState, Box<StateError>> {
    read(path).map(|(_, state, _)| state)
}

/// Puts what `edit` makes of the state into the file `path`, and returns it checked.
///
/// Edits of one file happen one after another (the folder is locked), and the new file replaces the old
/// one in one step, with its mode and owner. Comments at the top stay; where there are others, the file
/// is rewritten only with `drop_comments`. JSON stays JSON.
pub fn update(
    path: &Path,
    drop_comments: bool,
    edit: impl FnOnce(NodeState) -> Result<NodeState, EditError>,
) -> Result<Desired, UpdateError> {
    let failed = |what| move |error: io::Error| UpdateError::Io { file: path.to_owned(), what, error };
    // Through a symbolic link, so that the link stays and its target is replaced.
    let target = fs::canonicalize(path).map_err(failed("found"))?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let folder = File::open(folder).map_err(failed("locked"))?;
    rustix::fs::flock(&folder, FlockOperation::LockExclusive)
        .map_err(|errno| failed("locked")(errno.into()))?;

    let (bytes, old, desired) = read(path)?;
    let new = edit(old.clone()).map_err(|error| UpdateError::Edit { file: path.to_owned(), error })?;
    if new == old {
        return Ok(desired);
    }
    let desired = check(&new).map_err(|error| error.file(path))?;
    let text = std::str::from_utf8(&bytes).unwrap_or_default();
    let top = top_comments(text);
    if let Some(line) = lost_comment(text, top).filter(|_| !drop_comments) {
        return Err(UpdateError::Comments { file: path.to_owned(), line });
    }
    let bytes = write_state(&text[..top], &new, text.starts_with('{'));
    // What would not be read back as it was meant is never written.
    match parse(&bytes) {
        Ok((read_back, _)) if read_back == new => {}
        _ => return Err(failed("written")(io::Error::other("the new state does not survive being written"))),
    }
    replace(&target, &folder, &bytes).map_err(failed("written"))?;
    Ok(desired)
}

fn read(path: &Path) -> Result<(Vec<u8>, NodeState, Desired), Box<StateError>> {
    let bytes = read_bytes(path).map_err(|error| {
        StateError::new(FieldPath::default(), format_args!("cannot be read: {error}")).file(path)
    })?;
    let (state, desired) = parse(&bytes).map_err(|error| error.file(path))?;
    Ok((bytes, state, desired))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a named pipe must not wait for a writer.
    let nonblock = OFlags::NONBLOCK.bits().cast_signed();
    let mut file = File::options().read(true).custom_flags(nonblock).open(path)?;
    let before = file.metadata()?;
    if !before.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let stamp = |metadata: &fs::Metadata| (metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    let mut bytes = Vec::with_capacity(before.len().min(FILE_MAX_BYTES as u64) as usize + 1);
    (&mut file).take(FILE_MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if stamp(&file.metadata()?) != stamp(&before) {
        return Err(io::Error::other(
            "it changed while it was read; it is read again when the writer is done",
        ));
    }
    Ok(bytes)
}

/// Length of the lines at the top that are empty or comments.
fn top_comments(text: &str) -> usize {
    let top = text.split_inclusive('\n').take_while(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#')
    });
    top.map(str::len).sum()
}

/// Line of the first comment behind `top`.
fn lost_comment(text: &str, top: usize) -> Option<u64> {
    if !text[top..].contains('#') {
        return None;
    }
    let line = |at: usize| text[..top].matches('\n').count() as u64 + at as u64;
    Parser::new_from_str(&text[top..]).find_map(|event| match event {
        Ok((Event::Comment(..), span)) => Some(line(span.start.line())),
        Ok(_) => None,
        // The text was read without its comments before, so they are what is too much for the parser.
        Err(error) => Some(line(error.marker().line())),
    })
}

fn write_state(top: &str, state: &NodeState, json: bool) -> Vec<u8> {
    let text =
        if json { serde_json::to_string_pretty(state).ok() } else { serde_saphyr::to_string(state).ok() };
    let mut text = format!("{top}{}", text.unwrap_or_default());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.into_bytes()
}

/// Writes beside `target` and renames; `folder` is its folder, locked.
fn replace(target: &Path, folder: &File, bytes: &[u8]) -> io::Result<()> {
    let mut next = target.as_os_str().to_owned();
    next.push(".next");
    let next = PathBuf::from(next);
    // A leftover of an edit that was killed; under the lock it is nobody's.
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = write_like(target, &next, bytes).and_then(|()| fs::rename(&next, target));
    if let Err(error) = written {
        fs::remove_file(&next).ok();
        return Err(error);
    }
    Ok(rustix::fs::fsync(folder)?)
}

/// Writes `next` with the mode and owner of `like`.
fn write_like(like: &Path, next: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = fs::metadata(like)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(next)?;
    let made = file.metadata()?;
    if (made.uid(), made.gid()) != (old.uid(), old.gid()) {
        rustix::fs::fchown(&file, Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?;
    }
    rustix::fs::fchmod(&file, Mode::from_raw_mode(old.mode() & 0o7777))?;
    file.write_all(bytes)?;
    file.sync_all()
}
