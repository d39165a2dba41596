//! Wakes when the state file may have changed, by inotify on its folder: editors and the CLI replace
//! the file, so a watch on the file itself would follow the old one. Where it is a link, the folder it
//! leads to is watched, too.

use std::ffi::{CStr, OsString};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::inotify::{self, ReadFlags, WatchFlags};
use tokio::sync::Notify;

use crate::privilege::{self, Stage};

/// A watch on one file. Its thread waits in the kernel until the process ends.
#[derive(Clone, Debug, Default)]
pub struct StateWatch {
    wake: Arc<Notify>,
    is_being_written: Arc<AtomicBool>,
}

impl StateWatch {
    /// Watches `file`, which need not exist; its folder must.
    pub fn open(file: &Path) -> io::Result<Self> {
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let folder = folder(file);
        watch_folder(&fd, folder).map_err(|error| {
            io::Error::new(error.kind(), format!("watching {}: {error}", folder.display()))
        })?;
        let watch = Self::default();
        let (state, file) = (watch.clone(), file.to_owned());
        thread::Builder::new().name("state-watch".into()).spawn(move || {
            if let Err(error) = privilege::drop_to(Stage::Nothing) {
                tracing::warn!(%error, "the watch of the state file keeps its capabilities");
            }
            state.follow(&fd, &file);
        })?;
        Ok(watch)
    }

    /// Waits until something happened to the file since the last call.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }

    /// True from the first byte that somebody writes into the file in place until it is closed: what is
    /// there then may read as a state, but one without its end.
    pub fn is_being_written(&self) -> bool {
        self.is_being_written.load(Ordering::Acquire)
    }

    /// Notifies of every event that may have changed the file; a queue that overran counts as one.
    fn follow(&self, fd: &OwnedFd, file: &Path) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(fd, &mut buffer);
        let mut names = names(fd, file);
        loop {
            match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(CStr::to_bytes);
                    if name.is_some_and(|name| !names.iter().any(|ours| ours.as_bytes() == name)) {
                        continue;
                    }
                    if event.events().contains(ReadFlags::MODIFY) {
                        self.is_being_written.store(true, Ordering::Release);
                    } else if !event.events().contains(ReadFlags::CREATE) || file.is_symlink() {
                        self.is_being_written.store(false, Ordering::Release);
                        names = self::names(fd, file);
                        self.wake.notify_one();
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "the state file is no longer watched; send SIGHUP after a change");
                    return;
                }
            }
        }
    }
}

/// Names at which an event may change what `file` is: its own and, where it is a link, the one beside it
/// through which it leads and that of its target, whose folder is watched from now on.
fn names(fd: &OwnedFd, file: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> = file.file_name().map(OsString::from).into_iter().collect();
    let Ok(link) = fs::read_link(file) else { return names };
    if let Some(Component::Normal(first)) = link.components().next() {
        names.push(first.to_owned());
    }
    if let Ok(target) = fs::canonicalize(file) {
        names.extend(target.file_name().map(OsString::from));
        if let Err(error) = watch_folder(fd, folder(&target)) {
            tracing::warn!(%error, target = %target.display(), "changes here are seen by the timer only");
        }
    }
    names
}

/// Watches a folder, or goes on doing so.
fn watch_folder(fd: &OwnedFd, folder: &Path) -> io::Result<()> {
    let events = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MODIFY
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO;
    inotify::add_watch(fd, folder, events)?;
    Ok(())
}

fn folder(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
