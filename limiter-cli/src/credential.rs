//! The token of a call: from a file that is named, the environment, or the sessions that `login` stored.

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use limiter_api::client::Endpoint;

use crate::args::Global;
use crate::failure::Failure;
use crate::output;

/// Longest file with tokens that is read.
const FILE_MAX_BYTES: u64 = 1 << 20;

/// The token for `endpoint`; the local socket needs none.
pub(crate) fn token(global: &Global, endpoint: &Endpoint) -> Result<Option<String>, Failure> {
    if endpoint.is_local_socket() {
        return Ok(None);
    }
    if let Some(path) = &global.token_file {
        return secret_of(path).map(Some);
    }
    if let Some(token) = env::var("LIMITER_TOKEN").ok().filter(|token| !token.is_empty()) {
        return Ok(Some(token));
    }
    let Some(store) = Sessions::at_home() else { return Ok(None) };
    store.find(&endpoint.to_string())
}

/// The secret that is all a file holds.
pub(crate) fn secret_of(path: &Path) -> Result<String, Failure> {
    let (text, mode) = read(path)?;
    if mode & 0o077 != 0 {
        output::note(&format!("warning: others may read {}; chmod 600 it", path.display()));
    }
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(Failure::Usage(format!("{} is empty", path.display())));
    }
    Ok(secret.to_owned())
}

/// Writes a secret to a new file that only its owner may read.
pub(crate) fn write_secret(path: &Path, secret: &str) -> Result<(), Failure> {
    let written = create(path).and_then(|mut file| writeln!(file, "{secret}").and_then(|()| file.sync_all()));
    written.map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

/// The sessions that `login` stored, one a line: the control plane, a space, the secret.
#[derive(Debug)]
pub(crate) struct Sessions {
    file: PathBuf,
}

impl Sessions {
    /// Those of this user, where the user has a home.
    pub(crate) fn at_home() -> Option<Self> {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
        Some(Self { file: config.join("limiter").join("token") })
    }

    /// Where they are.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// The secret for one control plane.
    pub(crate) fn find(&self, endpoint: &str) -> Result<Option<String>, Failure> {
        Ok(self.lines()?.into_iter().find(|(other, _)| other == endpoint).map(|(_, secret)| secret))
    }

    /// Keeps the secret for one control plane, instead of an older one.
    pub(crate) fn keep(&self, endpoint: &str, secret: &str) -> Result<(), Failure> {
        let mut lines = self.lines()?;
        lines.retain(|(other, _)| other != endpoint);
        lines.push((endpoint.to_owned(), secret.to_owned()));
        self.write(&lines)
    }

    /// Forgets the secret for one control plane; says whether there was one.
    pub(crate) fn forget(&self, endpoint: &str) -> Result<bool, Failure> {
        let mut lines = self.lines()?;
        let before = lines.len();
        lines.retain(|(other, _)| other != endpoint);
        if lines.len() == before {
            return Ok(false);
        }
        self.write(&lines).map(|()| true)
    }

    fn lines(&self) -> Result<Vec<(String, String)>, Failure> {
        if matches!(self.file.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return Ok(Vec::new());
        }
        let (text, mode) = read(&self.file)?;
        if mode & 0o077 != 0 {
            let file = self.file.display();
            return Err(Failure::Usage(format!(
                "others may read {file}; chmod 600 it, or delete it and log in"
            )));
        }
        let pair =
            |line: &str| line.split_once(' ').map(|(place, secret)| (place.to_owned(), secret.to_owned()));
        Ok(text.lines().filter_map(pair).collect())
    }

    fn write(&self, lines: &[(String, String)]) -> Result<(), Failure> {
        let text = lines.iter().fold(String::new(), |all, (place, secret)| all + place + " " + secret + "\n");
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let next = folder.join(format!("token.{}.next", std::process::id()));
        let write = || {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let mut file = create(&next)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&next, &self.file)
        };
        write().map_err(|error| {
            // What was written so far holds a secret.
            let _ = fs::remove_file(&next);
            Failure::Usage(format!("{} cannot be written: {error}", self.file.display()))
        })
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// The text of a file and its permissions.
fn read(path: &Path) -> Result<(String, u32), Failure> {
    let read = || {
        let file = File::open(path)?;
        let mode = file.metadata()?.mode();
        let mut text = String::new();
        file.take(FILE_MAX_BYTES).read_to_string(&mut text)?;
        Ok((text, mode))
    };
    read().map_err(|error: io::Error| Failure::Usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn sessions(folder: &tempfile::TempDir) -> Sessions {
        Sessions { file: folder.path().join("limiter").join("token") }
    }

    #[test]
    fn one_secret_for_each_control_plane() {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = sessions(&folder);
        assert_eq!(sessions.find("https://a").expect("no file yet"), None);
        sessions.keep("https://a", "one").expect("kept");
        sessions.keep("https://b", "two").expect("kept");
        sessions.keep("https://a", "three").expect("kept");
        assert_eq!(sessions.find("https://a").expect("a file"), Some("three".into()));
        assert_eq!(sessions.find("https://b").expect("a file"), Some("two".into()));
        assert!(sessions.forget("https://a").expect("forgotten"));
        assert!(!sessions.forget("https://a").expect("nothing to forget"));
        assert_eq!(sessions.find("https://b").expect("a file"), Some("two".into()));
    }

    #[test]
    fn nobody_else_may_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let sessions = sessions(&folder);
        sessions.keep("https://a", "one").expect("kept");
        let mode = |path: &Path| path.metadata().expect("metadata").mode() & 0o777;
        assert_eq!(mode(sessions.path()), 0o600);
        assert_eq!(mode(sessions.path().parent().expect("a folder")), 0o700);
        fs::set_permissions(sessions.path(), fs::Permissions::from_mode(0o640)).expect("chmod");
        let error = sessions.find("https://a").expect_err("others may read it").to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_secret_never_overwrites_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        write_secret(&path, "one").expect("written");
        assert!(write_secret(&path, "two").is_err());
        assert_eq!(secret_of(&path).expect("a secret"), "one");
    }
}
