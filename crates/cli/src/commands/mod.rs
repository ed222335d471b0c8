//! One file per command: `async fn run(session, args) -> Outcome`.

pub mod app;
pub mod connect;
pub mod demo;
pub mod deploy;
pub mod doctor;
pub mod download;
pub mod init;
pub mod pause;
pub mod plan;
pub mod pool;
pub mod scale;
pub mod scaler;
pub mod status;
pub mod teardown;
pub mod urls;
pub mod whoami;

use crate::args::Command;
use crate::failure::{Exit, Outcome};
use crate::session::Session;

/// Runs a command that needs a session.
pub async fn dispatch(session: &Session, command: &Command) -> Outcome {
    match command {
        Command::Init(args) => init::run(session, args).await,
        Command::Plan(args) => plan::run(session, args).await,
        Command::Deploy(args) => deploy::run(session, args).await,
        Command::Status(args) => status::run(session, *args).await,
        Command::Scale(args) => scale::run(session, args).await,
        Command::Pool(args) => pool::run(session, &args.command).await,
        Command::Scaler(args) => scaler::run(session, &args.command).await,
        Command::App(args) => app::run(session, &args.command).await,
        Command::Download(args) => download::run(session, args).await,
        Command::Pause(args) => pause::pause(session, *args).await,
        Command::Resume(args) => pause::resume(session, *args).await,
        Command::Teardown(args) => teardown::run(session, *args).await,
        Command::Urls => urls::run(session),
        Command::Tunnel(args) => connect::tunnel(session, *args).await,
        Command::Ssh(args) => connect::ssh(session, args).await,
        Command::Doctor(args) => doctor::run(session, args).await,
        Command::Whoami => whoami::run(session).await,
        // A life has many commands in it.
        Command::Demo => Box::pin(demo::run(session)).await,
        Command::ShamanUrl(_) | Command::Completions(_) | Command::Man => Ok(Exit::Done),
    }
}
