//! `scaler`: pools of scale sets kept at their targets, looked at and explained.

mod deploy;
mod explain;
mod remove;
mod run;
mod status;
mod words;

use vmss_scaler::file::ScalerFile;
use vmss_scaler::scaler::Pool;

pub use run::{keep, keep_until, show_pass};
pub use words::Told;

use crate::alone;
use crate::args::{ScalerCommand, ScalerPoolArgs};
use crate::failure::{Exit, Failure, Outcome};
use crate::scalers;
use crate::session::Session;

/// Runs `scaler …`.
pub async fn run(session: &Session, command: &ScalerCommand) -> Outcome {
    match command {
        ScalerCommand::Run(args) => run::run(session, args).await,
        ScalerCommand::Once(args) => run::once(session, args).await,
        ScalerCommand::Explain(args) => explain::run(session, args).await,
        ScalerCommand::Status(args) => status::run(session, args).await,
        ScalerCommand::File => file(session).await,
        ScalerCommand::Deploy(args) => Box::pin(deploy::run(session, args)).await,
        ScalerCommand::Remove(args) => Box::pin(remove::run(session, args)).await,
    }
}

/// Prints the scaler's own file. JSON is YAML.
async fn file(session: &Session) -> Outcome {
    let file = scalers::farm_file(session).await?;
    let text = serde_json::to_string_pretty(&file).map_err(|error| Failure::bug(&error.into()))?;
    session.printer.raw(format!("{text}\n").as_bytes());
    Ok(Exit::Done)
}

/// The file and the pools that were named.
async fn open(session: &Session, args: &ScalerPoolArgs) -> Outcome<(ScalerFile, Vec<Pool>)> {
    let file = match &args.file {
        Some(path) => alone::scaler_file(session, path).await?,
        None => scalers::farm_file(session).await?,
    };
    let pools = scalers::pools(&session.client, &file).await?;
    let pools = scalers::chosen(pools, args.pool.as_deref())?;
    Ok((file, pools))
}
