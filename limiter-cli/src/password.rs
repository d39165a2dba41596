//! Passwords: from a file, or asked on the terminal without echo.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::credential;
use crate::failure::Failure;

/// Longest line that is read from the terminal.
const LINE_MAX_BYTES: u64 = 4096;

/// The password in `file`, or the one that is typed once.
pub(crate) fn known(file: Option<&Path>) -> Result<String, Failure> {
    match file {
        Some(file) => credential::secret_of(file),
        None => Terminal::open()?.secret("Password: "),
    }
}

/// The password in `file`, or a new one that is typed twice.
pub(crate) fn new(file: Option<&Path>) -> Result<String, Failure> {
    if let Some(file) = file {
        return credential::secret_of(file);
    }
    let mut terminal = Terminal::open()?;
    let password = terminal.secret("New password: ")?;
    if terminal.secret("Again: ")? != password {
        return Err(Failure::Usage("the two passwords differ".to_owned()));
    }
    Ok(password)
}

/// A line that is asked for with echo.
pub(crate) fn line(prompt: &str) -> Result<String, Failure> {
    Terminal::open()?.ask(prompt)
}

struct Terminal {
    reader: BufReader<File>,
}

impl Terminal {
    fn open() -> Result<Self, Failure> {
        let opened = OpenOptions::new().read(true).write(true).open("/dev/tty");
        let reader = opened.map_err(|_| {
            Failure::Usage("there is no terminal to ask on; use --user and --password-file".to_owned())
        })?;
        Ok(Self { reader: BufReader::new(reader) })
    }

    fn ask(&mut self, prompt: &str) -> Result<String, Failure> {
        let gone = |error| Failure::Usage(format!("the terminal cannot be used: {error}"));
        let tty = self.reader.get_mut();
        tty.write_all(prompt.as_bytes()).and_then(|()| tty.flush()).map_err(gone)?;
        let mut line = String::new();
        self.reader.by_ref().take(LINE_MAX_BYTES).read_line(&mut line).map_err(gone)?;
        let line = line.trim_end_matches(['\r', '\n']);
        // Without echo the interrupt key arrives as a character.
        if line.is_empty() || line.contains('\u{3}') {
            return Err(Failure::NotDone("nothing was entered, nothing was done".to_owned()));
        }
        Ok(line.to_owned())
    }

    fn secret(&mut self, prompt: &str) -> Result<String, Failure> {
        let silence = Silence::on(self.reader.get_ref())?;
        let secret = self.ask(prompt);
        drop(silence);
        // The line feed that was typed was not shown.
        let _ = self.reader.get_mut().write_all(b"\n");
        secret
    }
}

/// A terminal without echo, for as long as this lives.
struct Silence {
    tty: File,
    before: Termios,
}

impl Silence {
    fn on(tty: &File) -> Result<Self, Failure> {
        let silence = || {
            let tty = tty.try_clone()?;
            let before = tcgetattr(&tty)?;
            let mut silent = before.clone();
            // Without signals nobody leaves the terminal silent.
            silent.local_modes &= !(LocalModes::ECHO | LocalModes::ISIG);
            tcsetattr(&tty, OptionalActions::Flush, &silent)?;
            Ok(Self { tty, before })
        };
        silence().map_err(|error: std::io::Error| {
            Failure::Usage(format!("the terminal would show the password ({error}); use --password-file"))
        })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // A terminal that is gone needs no echo.
        let _ = tcsetattr(&self.tty, OptionalActions::Flush, &self.before);
    }
}
