//! Signing in and out.

use limiter_api::client::Client;
use limiter_api::params::SignIn;

use crate::args::{Global, LoginArgs};
use crate::credential::Sessions;
use crate::endpoint;
use crate::failure::Failure;
use crate::output::{note, text};
use crate::password;

/// Signs in and keeps the session.
pub(super) async fn login(global: &Global, args: LoginArgs) -> Result<(), Failure> {
    let endpoint = endpoint::endpoint(global)?;
    if endpoint.is_local_socket() {
        return Err(Failure::Usage(format!(
            "{endpoint} needs no sign-in: its file permissions decide; name another control plane with --control"
        )));
    }
    let sessions = at_home()?;
    let user = match args.user {
        Some(user) => user,
        None => password::line("User: ")?,
    };
    let password = password::known(args.password_file.as_deref())?;
    let place = endpoint.to_string();
    let secret = Client::new(endpoint, None)?.sign_in(&SignIn { user: user.clone(), password }).await?;
    sessions.keep(&place, &secret.secret)?;
    let until =
        secret.expires_at.map(|at| format!(" until {}", text::moment(at, &jiff::tz::TimeZone::system())));
    let until = until.unwrap_or_default();
    note(&format!("signed in at {place} as {user}{until}; the session is in {}", sessions.path().display()));
    Ok(())
}

/// Ends the session and forgets it.
pub(super) async fn logout(global: &Global) -> Result<(), Failure> {
    let endpoint = endpoint::endpoint(global)?;
    let sessions = at_home()?;
    let place = endpoint.to_string();
    let Some(secret) = sessions.find(&place)? else {
        note(&format!("not signed in at {place}"));
        return Ok(());
    };
    let ended = Client::new(endpoint, Some(&secret))?.sign_out().await;
    sessions.forget(&place)?;
    match ended {
        // A session that is over needs no end.
        Err(error) if error.problem().is_none_or(|problem| problem.status != 401) => {
            note("the session is forgotten here, but may go on at the control plane");
            Err(error.into())
        }
        _ => {
            note(&format!("signed out at {place}"));
            Ok(())
        }
    }
}

fn at_home() -> Result<Sessions, Failure> {
    Sessions::at_home()
        .ok_or_else(|| Failure::Usage("no place for the session: set HOME or XDG_CONFIG_HOME".to_owned()))
}
