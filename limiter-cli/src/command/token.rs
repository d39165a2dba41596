//! Tokens.

use std::path::Path;

use limiter_api::client::all_pages;
use limiter_api::params::{NewToken, Paging};
use limiter_api::views::Secret;

use super::Session;
use crate::args::TokenCommand;
use crate::credential;
use crate::failure::Failure;
use crate::output::{Format, note, print, text};

pub(super) async fn run(session: &Session, command: TokenCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        TokenCommand::List => {
            let tokens = all_pages(Paging::default(), async |paging| client.tokens(paging).await).await?;
            session
                .output
                .list(&tokens, "no tokens; make one with `limiter token create NAME --role operator`")
        }
        TokenCommand::Show { id } => session.output.one(&session.find().token(&id).await?),
        TokenCommand::Create { name, role, node, expires, secret_file } => {
            free(secret_file.as_deref())?;
            let account = session.account_of_role(&role);
            let new = NewToken { name, role, account, node, expires_at: expires };
            show(session, &client.create_token(&new).await?, secret_file.as_deref())
        }
        TokenCommand::Rotate { id, secret_file } => {
            free(secret_file.as_deref())?;
            let token = session.find().token(&id).await?;
            session.confirm.ask(&format!(
                "Token {} ({}) gets a new secret; whoever uses the old one is refused.",
                token.name, token.role
            ))?;
            show(session, &client.rotate_token(&token.id).await?, secret_file.as_deref())
        }
        TokenCommand::Delete { id } => {
            let token = session.find().token(&id).await?;
            session.confirm.ask(&format!(
                "Token {} ({}) is deleted; whoever uses it is refused.",
                token.name, token.role
            ))?;
            client.delete_token(&token.id).await?;
            session.output.gone("token", &[token.id])
        }
    }
}

/// A secret that cannot be written would be lost.
fn free(file: Option<&Path>) -> Result<(), Failure> {
    match file {
        Some(file) if file.symlink_metadata().is_ok() => {
            Err(Failure::Usage(format!("{} is there already; name a new file", file.display())))
        }
        _ => Ok(()),
    }
}

fn show(session: &Session, secret: &Secret, file: Option<&Path>) -> Result<(), Failure> {
    if let Some(file) = file {
        credential::write_secret(file, &secret.secret)?;
        note(&format!("the secret of token {} is in {}", secret.id, file.display()));
        return print(&format!("{}\n", text::plain(&secret.id)));
    }
    if session.output.format() != Format::Table {
        return session.output.data(secret);
    }
    note(&format!("token {}; this is the only time that its secret is shown:", secret.id));
    print(&format!("{}\n", text::plain(&secret.secret)))
}
