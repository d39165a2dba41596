//! How the kernel object is compiled; the agent's build script includes this file too.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The compile target of the kernel programs on a little-endian machine.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// The per-user cache: tools, kernels and the like that a second clone finds again.
pub(crate) fn cache_dir() -> PathBuf {
    let base = env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()).map(PathBuf::from);
    base.unwrap_or_else(|| home().join(".cache")).join("limiter")
}

/// A compiler that is able to make the kernel object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// Debian's rustc-web, which ships `core` for the target.
    Prebuilt { rustc: PathBuf },
    /// A nightly toolchain of rustup that builds `core` from its sources.
    Nightly,
}

/// The compiler to use, or what to install.
pub(crate) fn find_compiler() -> Result<Compiler, String> {
    let rustc = PathBuf::from("/usr/bin/rustc");
    if sysroot(Command::new(&rustc)).is_some_and(|root| root.join("lib/rustlib").join(TARGET).is_dir()) {
        return Ok(Compiler::Prebuilt { rustc });
    }
    let mut nightly = Command::new("rustup");
    nightly.args(["run", "nightly", "rustc"]);
    if sysroot(nightly).is_some_and(|root| root.join("lib/rustlib/src/rust/library/core").is_dir()) {
        return Ok(Compiler::Nightly);
    }
    Err(format!(
        "no Rust compiler for the target {TARGET}: run `cargo xtask setup` (on Debian it installs rustc-web and \
         libstd-rust-web-dev-bpf), or `rustup toolchain install nightly --component rust-src`, or name a ready \
         object in LIMITER_PREBUILT_OBJECT"
    ))
}

/// bpf-linker from the per-user cache, from PATH or from cargo's folder, or what to install.
pub(crate) fn find_linker() -> Result<PathBuf, String> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo = env::var_os("CARGO_HOME").map_or_else(|| home().join(".cargo"), PathBuf::from).join("bin");
    let mut dirs = vec![cache_dir().join("tools/bin")];
    dirs.extend(env::split_paths(&path));
    dirs.push(cargo);
    dirs.iter().map(|dir| dir.join("bpf-linker")).find(|file| file.is_file()).ok_or_else(|| {
        "bpf-linker is missing: run `cargo xtask setup` (or `cargo install bpf-linker`), or name a ready object in \
         LIMITER_PREBUILT_OBJECT"
            .to_owned()
    })
}

/// Compiles the program `bin` of limiter-ebpf for a node of CPU architecture `arch`, and returns the object's path.
///
/// `target_dir` must not be the one that a surrounding cargo has locked.
pub(crate) fn build(workspace: &Path, target_dir: &Path, bin: &str, arch: &str) -> Result<PathBuf, String> {
    let (compiler, linker) = (find_compiler()?, find_linker()?);
    let mut cargo = command(&compiler, &linker, arch);
    cargo.current_dir(workspace).arg("--bin").arg(bin).arg("--target-dir").arg(target_dir);
    let status = cargo.status().map_err(|error| format!("cannot run {cargo:?}: {error}"))?;
    if !status.success() {
        return Err(format!("the kernel object does not build with {compiler:?} and {}", linker.display()));
    }
    Ok(target_dir.join(TARGET).join("release").join(bin))
}

fn command(compiler: &Compiler, linker: &Path, arch: &str) -> Command {
    let mut cargo = match compiler {
        Compiler::Prebuilt { .. } => clean(&env::var_os("CARGO").unwrap_or_else(|| "cargo".into())),
        Compiler::Nightly => clean(OsStr::new("rustup")),
    };
    match compiler {
        Compiler::Prebuilt { rustc } => cargo.arg("build").env("RUSTC_BOOTSTRAP", "1").env("RUSTC", rustc),
        Compiler::Nightly => cargo.args(["run", "nightly", "cargo", "build", "-Zbuild-std=core"]),
    };
    cargo.args(["--package", "limiter-ebpf", "--release", "--target", TARGET]);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(linker, arch));
    cargo
}

/// A command without what cargo, or its user, sets for the programs of the host.
///
/// Some build scripts look at all of it, so the object would be compiled anew for each caller.
fn clean(program: &OsStr) -> Command {
    const KEPT: [&str; 7] = [
        "CARGO_HOME",
        "CARGO_LOG",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
    ];
    const OF_BUILD_SCRIPTS: [&str; 7] =
        ["DEBUG", "HOST", "NUM_JOBS", "OPT_LEVEL", "OUT_DIR", "PROFILE", "TARGET"];
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_cargo = text.starts_with("CARGO_") || text.starts_with("RUSTC") || text == "RUSTFLAGS";
        let kept = KEPT.iter().any(|kept| text.starts_with(kept));
        if (of_cargo && !kept) || OF_BUILD_SCRIPTS.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    command
}

/// v3 has the atomics that the meters need, and every kernel that we support runs it.
fn flags(linker: &Path, arch: &str) -> OsString {
    let mut linker_flag = OsString::from("-Clinker=");
    linker_flag.push(linker);
    let flags = [
        "-Zunstable-options".into(),
        linker_flag,
        "-Clinker-flavor=bpf".into(),
        "-Clink-arg=--btf".into(),
        "-Cdebuginfo=2".into(),
        "-Ctarget-cpu=v3".into(),
        "--cfg".into(),
        format!("bpf_target_arch=\"{arch}\"").into(),
    ];
    flags.join(&OsString::from("\u{1f}"))
}

fn sysroot(mut rustc: Command) -> Option<PathBuf> {
    let output = rustc.args(["--print", "sysroot"]).output().ok().filter(|output| output.status.success())?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

fn home() -> PathBuf {
    env::home_dir().unwrap_or_default()
}
