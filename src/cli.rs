//! The command line.

use crate::commands::sim::args::SimArgs;
use clap::{Arg, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The option that may stand several times.
const SET: &str = "set";

/// A stream engine whose answer is a function of its input.
#[derive(Debug, Parser)]
#[command(name = "anabranch", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What every command takes.
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl Cli {
    /// What this process was started with; ends it if that makes no sense.
    pub(crate) fn read() -> Cli {
        let command = Cli::command();
        let set = command.get_arguments().find(|arg| arg.get_id() == SET);
        let set = set.expect("it is declared below").clone();
        let matches = with_option(command, &set).get_matches();
        let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        cli.limits.set = values_in_order(&matches);
        cli
    }
}

/// The command with the option also behind each of its commands.
fn with_option(command: clap::Command, option: &Arg) -> clap::Command {
    command.mut_subcommands(|below| with_option(below, option).arg(option))
}

/// The settings from the first command to the innermost.
fn values_in_order(matches: &ArgMatches) -> Vec<String> {
    let here = matches.get_many::<String>(SET).into_iter().flatten().cloned();
    let below = matches.subcommand().map(|(_, below)| values_in_order(below));
    here.chain(below.into_iter().flatten()).collect()
}

/// Settings that change how much is done at once, never a result.
#[derive(Debug, Default, Args)]
pub(crate) struct LimitArgs {
    /// The file with settings [default: anabranch.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A setting; `anabranch config show` lists them
    // Not global: then those behind the command would push out those before it.
    #[arg(id = SET, long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// How many threads compute [default: one for each core]
    #[arg(long, global = true, value_name = "COUNT")]
    pub threads: Option<String>,
    /// How messages are written: text or json
    #[arg(long, global = true, value_name = "FORMAT")]
    pub log: Option<String>,
    /// Which messages are written: error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL")]
    pub log_level: Option<String>,
    /// How often a JSON log says where the job is, such as 10 s; 0 for never
    #[arg(long, global = true, value_name = "TIME")]
    pub progress_interval: Option<String>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a job
    Run(RunArgs),
    /// Show all errors of a job without running it
    Check(JobArgs),
    /// Show the plan of a job: what it reads, keeps and promises
    Explain(JobArgs),
    /// Compute journaled epochs again and compare the results' hashes
    Replay(ReplayArgs),
    /// Look into a journal
    #[command(subcommand)]
    Journal(JournalCommand),
    /// Write a CREATE TABLE for a file of JSON lines or CSV, from its data
    Infer(InferArgs),
    /// Test jobs: small inputs, and the rows that should come of them however they are run
    Test(TestArgs),
    /// Run a job in a simulated world, in which much goes wrong, and judge its results
    Sim(Box<SimArgs>),
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Which job.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// The file with the statements
    #[arg(value_name = "JOB.sql", required_unless_present = "execute", conflicts_with = "execute")]
    pub file: Option<PathBuf>,
    /// The statements themselves
    #[arg(short, long, value_name = "SQL", allow_hyphen_values = true)]
    pub execute: Option<String>,
}

/// How a job is run.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Which job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Where journal and snapshots are kept [default: .anabranch/JOB beside the file]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Start over: forget the state of earlier runs
    #[arg(long)]
    pub fresh: bool,
    /// With --fresh: remove what earlier runs wrote
    #[arg(long, requires = "fresh")]
    pub overwrite: bool,
    /// How the rows of a SELECT are written
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub format: RowFormat,
}

/// How the rows of a SELECT are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowFormat {
    /// Comma-separated values with a header.
    Csv,
    /// One JSON object a line.
    Json,
    /// An aligned table.
    Table,
}

/// What is computed again.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Which job [default: the plan that the state folder holds]
    #[arg(value_name = "JOB.sql")]
    pub file: Option<PathBuf>,
    /// The folder with journal and snapshots
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Stop after this epoch
    #[arg(long, value_name = "EPOCH")]
    pub until: Option<u64>,
    /// Print the rows of these epochs, such as 5 or 5..9
    #[arg(long, value_name = "EPOCHS")]
    pub print: Option<String>,
    /// The folder to which paths are relative [default: that of the job, or the one in
    /// which .anabranch stands]
    #[arg(long, value_name = "DIR")]
    pub base: Option<PathBuf>,
}

/// What to do with a journal.
#[derive(Debug, Subcommand)]
pub(crate) enum JournalCommand {
    /// List segments and records
    Show(JournalArgs),
}

/// Which journal.
#[derive(Debug, Args)]
pub(crate) struct JournalArgs {
    /// The job [default: what --state-dir names]
    #[arg(value_name = "JOB.sql", required_unless_present = "state_dir")]
    pub file: Option<PathBuf>,
    /// The folder with journal and snapshots
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

/// What is looked at to infer a table.
#[derive(Debug, Args)]
pub(crate) struct InferArgs {
    /// The file, or a folder of such files
    #[arg(value_name = "FILE")]
    pub path: PathBuf,
    /// The name of the table [default: that of the file]
    #[arg(long)]
    pub name: Option<String>,
    /// How many records to look at
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    pub sample: usize,
    /// The column that is the event time [default: the first timestamp]
    #[arg(long, value_name = "COLUMN")]
    pub time: Option<String>,
}

/// Which tests are run.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The folder of a test, or of several: job.sql, input/TABLE.jsonl or the files that
    /// the job names, and expected/SINK.jsonl
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// The job of all tests [default: job.sql in the folder of each]
    #[arg(long, value_name = "JOB.sql")]
    pub job: Option<PathBuf>,
    /// Only tests whose name holds this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Write what comes out as what is expected; read it before you keep it
    #[arg(long)]
    pub bless: bool,
    /// How the results are written
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    pub format: TestFormat,
}

/// How the results of tests are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// One JSON object a test.
    Json,
    /// XML as CI servers read it.
    Junit,
    /// For people.
    Text,
}

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Each setting, its value, and where that comes from
    Show,
}
