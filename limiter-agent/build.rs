//! Compiles the kernel programs; the agent includes them by the path in `LIMITER_OBJECT`.

#[path = "../xtask/src/ebpf.rs"]
mod ebpf;

use std::path::{Path, PathBuf};
use std::{env, fs, process};

fn main() {
    println!("cargo::rerun-if-env-changed=LIMITER_PREBUILT_OBJECT");
    println!("cargo::rerun-if-env-changed=XDG_CACHE_HOME");
    match object() {
        Ok(path) => println!("cargo::rustc-env=LIMITER_OBJECT={}", path.display()),
        Err(error) => {
            println!("cargo::error={error}");
            process::exit(1);
        }
    }
}

fn object() -> Result<PathBuf, String> {
    let source = match env::var_os("LIMITER_PREBUILT_OBJECT").filter(|path| !path.is_empty()) {
        Some(path) => {
            println!("cargo::rerun-if-changed={}", Path::new(&path).display());
            PathBuf::from(path)
        }
        None => compile()?,
    };
    let object = PathBuf::from(cargo_sets("OUT_DIR")?).join("limiter.o");
    let copied = fs::copy(&source, &object);
    copied.map_err(|error| format!("cannot copy the kernel object {}: {error}", source.display()))?;
    Ok(object)
}

fn compile() -> Result<PathBuf, String> {
    let manifest = PathBuf::from(cargo_sets("CARGO_MANIFEST_DIR")?);
    let workspace = manifest.parent().ok_or("the crate has no workspace around it")?;
    for path in [
        "limiter-ebpf",
        "limiter-common/src",
        "limiter-common/Cargo.toml",
        "xtask/src/ebpf.rs",
        "Cargo.toml",
        "Cargo.lock",
    ] {
        println!("cargo::rerun-if-changed={}", workspace.join(path).display());
    }
    let out_dir = cargo_sets("OUT_DIR")?;
    // OUT_DIR is <target>/<profile>/build/<package>/out; all profiles share one kernel object.
    let target = Path::new(&out_dir).ancestors().nth(4).ok_or("OUT_DIR is not inside a target folder")?;
    ebpf::build(workspace, &target.join("bpf"), "limiter", &cargo_sets("CARGO_CFG_TARGET_ARCH")?)
}

fn cargo_sets(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("cargo sets {name} for build scripts: {error}"))
}
