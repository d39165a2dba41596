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
use super::patch::patch;
use limiter_state::NodeState;

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
        "{}:{line}: this change needs a rewrite of the file, which keeps only the comments at its top; \
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

/// Reads and checks the state file `path`.
pub fn load(path: &Path) -> Result<Desired, Box<StateError>> {
    checked(path, &bytes(path)?)
}

/// Reads the state file `path`, unchecked.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Box<StateError>> {
    read_bytes(path, || ()).map_err(|error| {
        StateError::new(FieldPath::default(), format_args!("cannot be read: {error}")).file(path)
    })
}

/// Checks what was read from the state file `path`.
pub fn checked(path: &Path, bytes: &[u8]) -> Result<Desired, Box<StateError>> {
    Ok(parse(bytes).map_err(|error| error.file(path))?.1)
}

/// Reads the written state of the file `path`, checked.
pub fn load_state(path: &Path) -> Result<NodeState, Box<StateError>> {
    read(path).map(|(_, state)| state)
}

/// The text of a state file before and after a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// As it was.
    pub before: String,
    /// As it is, or would be.
    pub after: String,
}

/// Puts what `edit` makes of the state into the file `path`.
///
/// Edits of one file happen one after another (the folder is locked), and the new file replaces the old
/// one in one step, with its mode and owner. Changes of single values are made in place. Otherwise the
/// file is rewritten: comments at the top stay; where there are others, only with `drop_comments`.
/// JSON stays JSON.
pub fn update(
    path: &Path,
    drop_comments: bool,
    edit: impl FnOnce(NodeState) -> Result<NodeState, EditError>,
) -> Result<Change, UpdateError> {
    let failed = |what| move |error: io::Error| UpdateError::Io { file: path.to_owned(), what, error };
    // Through a symbolic link, so that the link stays and its target is replaced.
    let target = fs::canonicalize(path).map_err(failed("found"))?;
    let folder = target.parent().unwrap_or(Path::new("/"));
    let folder = File::open(folder).map_err(failed("locked"))?;
    rustix::fs::flock(&folder, FlockOperation::LockExclusive)
        .map_err(|errno| failed("locked")(errno.into()))?;

    let change = preview(path, drop_comments, edit)?;
    if change.after != change.before {
        replace(&target, &folder, change.after.as_bytes()).map_err(failed("written"))?;
    }
    Ok(change)
}

/// What [`update`] would do.
pub fn preview(
    path: &Path,
    drop_comments: bool,
    edit: impl FnOnce(NodeState) -> Result<NodeState, EditError>,
) -> Result<Change, UpdateError> {
    let (bytes, old) = read(path)?;
    let before = String::from_utf8_lossy(&bytes).into_owned();
    let new = edit(old.clone()).map_err(|error| UpdateError::Edit { file: path.to_owned(), error })?;
    if new == old {
        return Ok(Change { after: before.clone(), before });
    }
    check(&new).map_err(|error| error.file(path))?;
    let after = match patch(&before, &old, &new) {
        Some(patched) => patched,
        None => rewrite(path, &before, &new, drop_comments)?,
    };
    Ok(Change { before, after })
}

/// The text of `new`, under the comments at the top of `old`.
fn rewrite(path: &Path, old: &str, new: &NodeState, drop_comments: bool) -> Result<String, UpdateError> {
    let top = top_comments(old);
    if let Some(line) = lost_comment(old, top).filter(|_| !drop_comments) {
        return Err(UpdateError::Comments { file: path.to_owned(), line });
    }
    let text = write_state(&old[..top], new, old.starts_with('{'));
    // What would not be read back as it was meant is never written.
    match parse(text.as_bytes()) {
        Ok((read_back, _)) if read_back == *new => Ok(text),
        _ => {
            let error = io::Error::other("the new state does not survive being written");
            Err(UpdateError::Io { file: path.to_owned(), what: "written", error })
        }
    }
}

fn read(path: &Path) -> Result<(Vec<u8>, NodeState), Box<StateError>> {
    let bytes = bytes(path)?;
    let (state, _) = parse(&bytes).map_err(|error| error.file(path))?;
    Ok((bytes, state))
}

/// `meanwhile` stands for what others do to the file before it is read to its end.
fn read_bytes(path: &Path, meanwhile: impl FnOnce()) -> io::Result<Vec<u8>> {
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
    meanwhile();
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

/// The text of `state` under the lines `top`.
pub(super) fn write_state(top: &str, state: &NodeState, json: bool) -> String {
    let style = serde_saphyr::ser_options! { compact_list_indent: false };
    let text = if json {
        serde_json::to_string_pretty(state).ok()
    } else {
        serde_saphyr::to_string_with_options(state, style).ok()
    };
    let mut text = format!("{top}{}", text.unwrap_or_default());
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;
    use crate::desired::edit::{InstanceEdit, NetworkEdit, add_instance, set_bypass, set_network};

    const TEXT: &str = "# The office.\n\n# Two lines.\nversion: 1\nnetworks:\n  - name: office\n    prefixes: [10.10.0.0/24]\n";

    fn state_file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.yaml");
        fs::write(&path, text).expect("a file");
        (folder, path)
    }

    fn add(path: &Path, host: usize) -> Result<Change, UpdateError> {
        let edit =
            InstanceEdit { addresses: Some(vec![format!("10.10.0.{host}")]), ..InstanceEdit::default() };
        update(path, false, |state| add_instance(state, &format!("office/vm{host}"), edit))
    }

    fn content(path: &Path) -> String {
        fs::read_to_string(path).expect("the file is there")
    }

    #[test]
    fn unreadable_files() {
        let (folder, path) = state_file("version: 1\nbypas: true\n");
        let refusal = |path: &Path| {
            let message = load(path).expect_err("refused").to_string();
            message.replace(&*folder.path().to_string_lossy(), "DIR")
        };
        assert!(refusal(&path).starts_with("DIR/state.yaml:2:1: bypas: unknown field"), "{}", refusal(&path));
        assert_eq!(refusal(folder.path()), "DIR: cannot be read: it is no regular file");
        let gone = folder.path().join("gone.yaml");
        assert_eq!(refusal(&gone), "DIR/gone.yaml: cannot be read: No such file or directory (os error 2)");
        let pipe = folder.path().join("pipe");
        let mode = Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
        assert_eq!(refusal(&pipe), "DIR/pipe: cannot be read: it is no regular file");
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_refused() {
        let (_folder, path) = state_file(TEXT);
        let append = || {
            let mut file = File::options().append(true).open(&path).expect("the file");
            file.write_all(b"bypass: true\n").expect("written");
        };
        let error = read_bytes(&path, append).expect_err("refused").to_string();
        assert!(error.starts_with("it changed while it was read"), "{error}");
        assert!(read_bytes(&path, || ()).is_ok());
    }

    #[test]
    fn an_update_keeps_what_it_does_not_change() {
        let (folder, path) = state_file(TEXT);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("mode");
        chown(&path, Some(1), Some(1)).expect("run the tests as root: files of others are made here");
        let link = folder.path().join("link.yaml");
        symlink("state.yaml", &link).expect("a link");
        fs::write(folder.path().join("state.yaml.next"), "left behind").expect("a leftover");

        let change = add(&link, 2).expect("updated");
        assert_eq!((&*change.before, &change.after), (TEXT, &content(&path)));
        assert_eq!(
            content(&path),
            TEXT.to_owned() + "    instances:\n      - name: vm2\n        addresses: [\"10.10.0.2\"]\n"
        );
        let metadata = fs::metadata(&path).expect("the file is there");
        assert_eq!((metadata.mode() & 0o7777, metadata.uid(), metadata.gid()), (0o640, 1, 1));
        assert!(fs::symlink_metadata(&link).expect("the link is there").is_symlink());
        assert_eq!(
            fs::read_dir(folder.path()).expect("the folder is there").count(),
            2,
            "nothing is left behind"
        );
        let desired = load(&path).expect("it reads back");
        assert_eq!(desired.instances.len(), 1);
    }

    #[test]
    fn a_refused_update_changes_nothing() {
        let (_folder, path) = state_file(TEXT);
        let outside =
            InstanceEdit { addresses: Some(vec!["10.11.0.1".to_owned()]), ..InstanceEdit::default() };
        let refused =
            update(&path, true, |state| add_instance(state, "office/x", outside)).expect_err("outside");
        assert!(refused.to_string().ends_with(
            "state.yaml: networks[0].instances[0].addresses[0]: \"10.11.0.1\" is outside the prefixes of network \"office\": 10.10.0.0/24"
        ), "{refused}");
        let refused = update(&path, true, |state| add_instance(state, "ofice/x", InstanceEdit::default()));
        let message = refused.expect_err("unknown").to_string();
        assert!(
            message.ends_with("state.yaml: there is no network \"ofice\"; did you mean \"office\"?"),
            "{message}"
        );
        assert_eq!(content(&path), TEXT);
        let missing = path.with_file_name("gone.yaml");
        let message = add(&missing, 2).expect_err("missing").to_string();
        assert!(
            message.ends_with("gone.yaml: cannot be found: No such file or directory (os error 2)"),
            "{message}"
        );
    }

    #[test]
    fn comments_are_not_lost_unasked() {
        let text = TEXT.to_owned() + "    up: 5Mbps # the contract\n";
        let (_folder, path) = state_file(&text);
        let message = add(&path, 2).expect_err("refused").to_string();
        assert!(
            message.ends_with(
                "state.yaml:8: this change needs a rewrite of the file, which keeps only the comments at its top; \
                 edit it by hand, or give --drop-comments"
            ),
            "{message}"
        );
        assert_eq!(content(&path), text);
        update(&path, false, |state| Ok(set_bypass(state, true))).expect("changed in place");
        assert_eq!(content(&path), text.replace("version: 1\n", "version: 1\nbypass: true\n"));
        let edit = InstanceEdit { addresses: Some(vec!["10.10.0.2".to_owned()]), ..InstanceEdit::default() };
        update(&path, true, |state| add_instance(state, "office/x", edit)).expect("asked for");
        assert!(content(&path).starts_with("# The office.\n\n# Two lines.\nversion: 1\nbypass: true\n"));
        assert!(!content(&path).contains("contract"));

        let (_folder, path) = state_file(&TEXT.replace("name: office", "name: \"office # 1\""));
        let edit = NetworkEdit { prefixes: Some(vec!["10.11.0.0/24".to_owned()]), ..NetworkEdit::default() };
        update(&path, false, |state| set_network(state, "new", edit)).expect("a # in quotes is no comment");
    }

    #[test]
    fn json_stays_json() {
        let (_folder, path) = state_file("{\"version\": 1}\n");
        update(&path, false, |state| Ok(set_bypass(state, true))).expect("updated");
        assert_eq!(content(&path), "{\n  \"version\": 1,\n  \"bypass\": true\n}\n");
    }

    #[test]
    fn updates_at_once_lose_nothing() {
        let (_folder, path) = state_file(TEXT);
        let failures: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = (2..18)
                .map(|host| {
                    scope.spawn({
                        let path = &path;
                        move || add(path, host)
                    })
                })
                .collect();
            let results = threads.into_iter().map(|thread| thread.join().expect("no panic"));
            results.filter_map(|result| result.err().map(|error| error.to_string())).collect()
        });
        assert_eq!(failures, Vec::<String>::new());
        assert_eq!(load(&path).expect("it reads back").instances.len(), 16);
    }
}
