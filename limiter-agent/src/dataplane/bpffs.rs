//! The BPF file system, which keeps maps while no process holds them.

use std::path::{Path, PathBuf};

use limiter_common::LAYOUT_VERSION;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::mount::{MountFlags, mount};

use super::DataPlaneError;

/// Where it is mounted by convention.
pub const MOUNT_POINT: &str = "/sys/fs/bpf";

/// The folder of this layout's maps below `pins`.
pub(super) fn layout(pins: &Path) -> PathBuf {
    pins.join(format!("v{LAYOUT_VERSION}"))
}

/// Puts the maps pinned in `next` in the place of those in `pins`, and those there, at one moment.
pub(super) fn exchange(pins: &Path, next: &Path) -> Result<(), DataPlaneError> {
    renameat_with(CWD, layout(next), CWD, layout(pins), RenameFlags::EXCHANGE)
        .map_err(|error| DataPlaneError::Pin { path: layout(next), source: error.into() })
}

/// True where it is mounted.
pub fn is_mounted() -> bool {
    const BPF_FS_MAGIC: u64 = 0xcafe_4a11;
    rustix::fs::statfs(MOUNT_POINT).is_ok_and(|stat| stat.f_type as u64 == BPF_FS_MAGIC)
}

/// Mounts it where it is missing and makes the folder `pins` in it.
pub fn prepare(pins: &Path) -> Result<(), DataPlaneError> {
    let failed = |source| DataPlaneError::Pin { path: pins.to_owned(), source };
    if !is_mounted() {
        mount("bpf", MOUNT_POINT, "bpf", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)
            .map_err(|error| failed(error.into()))?;
    }
    std::fs::create_dir_all(pins).map_err(failed)
}
