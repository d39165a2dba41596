//! Kernels for the virtual machines: Debian's packages, unpacked into the per-user cache.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, bail};

use crate::ebpf::cache_dir;
use crate::process::{capture, show};
use crate::workspace::find_program;

/// The kernel image of the series `version`, such as `6.12`; its modules lie in `../lib/modules`.
pub(crate) fn image(version: &str) -> Result<PathBuf> {
    let boot = folder(version).join("boot");
    let missing = || format!("no kernel {version} in {}: run `cargo xtask setup --vm`", boot.display());
    let entries = fs::read_dir(&boot).with_context(missing)?;
    let images = entries.filter_map(Result::ok).map(|entry| entry.path());
    images.filter(|path| file_name(path).starts_with("vmlinuz-")).max().with_context(missing)
}

/// Downloads and unpacks the newest Debian kernel of the series `version`.
pub(crate) fn install(version: &str) -> Result<()> {
    if env::consts::ARCH != "x86_64" {
        bail!("the virtual machines are for x86_64 only, this is {}", env::consts::ARCH);
    }
    let package = package(version)?;
    let (folder, unpacked) = (folder(version), folder(&format!("{version}.new")));
    for old in [&folder, &unpacked] {
        if old.exists() {
            fs::remove_dir_all(old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
    }
    fs::create_dir_all(&unpacked).with_context(|| format!("cannot make {}", unpacked.display()))?;
    // apt would otherwise download as a user of its own, who may not write here.
    let download = ["-o", "APT::Sandbox::User=root", "download", &package];
    show(Command::new("apt-get").args(download).current_dir(&unpacked))?;
    let archive = only_entry(&unpacked)?;
    show(Command::new("dpkg").arg("--extract").args([&archive, &unpacked]))?;
    fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
    let release = only_entry(&unpacked.join("lib/modules"))?;
    let depmod = find_program("depmod").context("depmod is missing")?;
    show(Command::new(depmod).arg("--basedir").arg(&unpacked).arg(file_name(&release)))?;
    fs::rename(&unpacked, &folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn folder(version: &str) -> PathBuf {
    cache_dir().join("kernels").join(version)
}

/// The package of the newest kernel of a series: what one of Debian's collective packages depends on.
fn package(version: &str) -> Result<String> {
    for collective in [format!("linux-image-{version}-amd64"), "linux-image-amd64".to_owned()] {
        let depends = capture(Command::new("apt-cache").args(["depends", &collective])).unwrap_or_default();
        if let Some(package) = concrete(&depends, version) {
            return Ok(package.to_owned());
        }
    }
    bail!(
        "the package sources of this machine have no Linux {version}: Debian 12 with its security updates has it"
    )
}

/// The kernel package of the series `version` among the dependencies that `apt-cache depends` lists.
fn concrete<'a>(depends: &'a str, version: &str) -> Option<&'a str> {
    let mut packages = depends.lines().filter_map(|line| line.trim().strip_prefix("Depends: "));
    packages.find(|package| package.starts_with(&format!("linux-image-{version}.")))
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths: Vec<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    match &paths[..] {
        [path] => Ok(path.clone()),
        _ => bail!("{} should hold one entry, not {}", folder.display(), paths.len()),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_decides_the_package() {
        let depends = "linux-image-amd64\n  Depends: linux-image-6.1.0-56-amd64\n";
        assert_eq!(concrete(depends, "6.1"), Some("linux-image-6.1.0-56-amd64"));
        assert_eq!(concrete(depends, "6.12"), None);
        let depends = "linux-image-6.12-amd64\n  Depends: linux-image-6.12.117+deb12-amd64\n";
        assert_eq!(concrete(depends, "6.12"), Some("linux-image-6.12.117+deb12-amd64"));
        assert_eq!(concrete(depends, "6.1"), None);
    }
}
