//! The commands, one file each.

mod check;
mod config;
mod explain;
mod history;
mod infer;
mod journal;
mod replay;
mod run;
pub(crate) mod sim;
mod state;
mod test;

use crate::cli::{Cli, Command, ConfigCommand, JournalCommand};
use crate::config::Resolved;
use crate::errors::JobError;
use crate::output::console::init_log;

/// Does what the command line asks for.
///
/// # Errors
/// Why it could not be done.
pub(crate) fn run(cli: Cli) -> Result<(), JobError> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let settings = Resolved::new(&cli.limits, variables)?;
    init_log(&settings.config);
    match cli.command {
        Command::Run(args) => run::run(&args, &settings),
        Command::Check(args) => check::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Config(ConfigCommand::Show) => config::show(&settings),
        Command::Replay(args) => replay::run(&args, &settings),
        Command::Journal(JournalCommand::Show(args)) => journal::show(&args),
        Command::Infer(args) => infer::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Sim(args) => sim::run(&args),
    }
}
