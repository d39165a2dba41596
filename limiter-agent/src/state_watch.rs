//! Wakes when the state file may have changed, by inotify on its folder: editors and the CLI replace
//! the file, so a watch on the file itself would follow the old one.

use std::ffi::OsString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use rustix::fs::inotify;
use tokio::sync::Notify;

use crate::privilege::{self, Stage};

/// A watch on one file. Its thread waits in the kernel until the process ends.
#[derive(Clone, Debug)]
pub struct StateWatch {
    wake: Arc<Notify>,
}

impl StateWatch {
    /// Watches `file`, which need not exist; its folder must.
    pub fn open(file: &Path) -> io::Result<Self> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error: io::Error| {
            io::Error::new(error.kind(), format!("watching {}: {error}", folder.display()))
        };
        let fd = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let events = inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MOVED_TO
            | inotify::WatchFlags::MOVED_FROM
            | inotify::WatchFlags::DELETE;
        inotify::add_watch(&fd, folder, events).map_err(|error| failed(error.into()))?;
        let watch = Self { wake: Arc::default() };
        let (wake, name) =
            (Arc::clone(&watch.wake), file.file_name().map(OsString::from).unwrap_or_default());
        thread::Builder::new().name("state-watch".into()).spawn(move || {
            if let Err(error) = privilege::drop_to(Stage::Nothing) {
                tracing::warn!(%error, "the watch of the state file keeps its capabilities");
            }
            follow(&fd, &name, &wake);
        })?;
        Ok(watch)
    }

    /// Waits until something happened to the file since the last call.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }
}

/// Notifies of every event on `name`; a queue that overran counts as one.
fn follow(fd: &OwnedFd, name: &OsString, wake: &Notify) {
    let mut buffer = [MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(fd, &mut buffer);
    loop {
        match reader.next() {
            Ok(event) => {
                if event.file_name().is_none_or(|file| file.to_bytes() == name.as_bytes()) {
                    wake.notify_one();
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
