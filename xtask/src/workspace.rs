//! Where things are: the workspace, its target folder, and programs that the verbs call.

use std::env;
use std::path::{Path, PathBuf};

use crate::ebpf::cache_dir;

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace").to_owned()
}

/// The folder that cargo builds into.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The path of `program`: from the per-user cache, LLVM 22, PATH, cargo's folder, or where Debian keeps what is for root.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo = env::home_dir().unwrap_or_default().join(".cargo/bin");
    // An older LLVM in PATH writes and reads another dialect.
    let mut dirs = vec![cache_dir().join("tools/bin"), "/usr/lib/llvm-22/bin".into()];
    dirs.extend(env::split_paths(&path));
    dirs.extend([cargo, "/usr/sbin".into(), "/sbin".into()]);
    dirs.iter().map(|dir| dir.join(program)).find(|file| file.is_file())
}
