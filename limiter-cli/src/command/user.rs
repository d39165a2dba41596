//! Users.

use limiter_api::client::all_pages;
use limiter_api::params::{NewUser, Paging, UserChange};

use super::{Session, something};
use crate::args::UserCommand;
use crate::failure::Failure;
use crate::password;

pub(super) async fn run(session: &Session, command: UserCommand) -> Result<(), Failure> {
    let client = &session.client;
    match command {
        UserCommand::List => {
            let users = all_pages(Paging::default(), async |paging| client.users(paging).await).await?;
            session.output.list(&users, "no users; make one with `limiter user create NAME --role operator`")
        }
        UserCommand::Show { user } => session.output.one(&session.find().user(&user).await?),
        UserCommand::Create { name, role, password_file } => {
            let password = password::new(password_file.as_deref())?;
            let account = session.account_of_role(&role);
            let new = NewUser { name, password, role, account };
            session.output.one(&client.create_user(&new).await?)
        }
        UserCommand::Update { user, password, password_file, enable, disable, version } => {
            something(password || password_file.is_some() || enable || disable)?;
            let user = session.find().user(&user).await?;
            if disable {
                session
                    .confirm
                    .ask(&format!("User {} is signed out and may not sign in any more.", user.name))?;
            }
            let password = match (password, password_file) {
                (false, None) => None,
                (_, file) => Some(password::new(file.as_deref())?),
            };
            let change = UserChange { password, enabled: (enable || disable).then_some(enable) };
            session.output.one(&session.client_at(&version).update_user(&user.id, &change).await?)
        }
        UserCommand::Delete { user, version } => {
            let user = session.find().user(&user).await?;
            session.confirm.ask(&format!("User {} ({}) is deleted and signed out.", user.name, user.role))?;
            session.client_at(&version).delete_user(&user.id).await?;
            session.output.gone("user", &[user.id])
        }
    }
}
