//! What `sim` takes.

use anabranch_sim::generate::Assumption;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// So many records a run has at most, if nobody says otherwise.
pub(super) const RECORDS: usize = 240;

/// What is simulated, and how.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SimArgs {
    /// Something else than runs of seeds.
    #[command(subcommand)]
    pub mode: Option<SimMode>,
    /// Runs of seeds.
    #[command(flatten)]
    pub seeds: SeedArgs,
}

/// What else a simulation is good for.
#[derive(Debug, Subcommand)]
pub(crate) enum SimMode {
    /// Kill the job before and behind every single output of an undisturbed run, one after the other
    Sweep(SweepArgs),
    /// Make a plan that fails as small as possible
    Shrink(ShrinkArgs),
    /// Measure from a record's arrival to its results, in virtual time
    Latency(LatencyArgs),
    /// Switch planted bugs on, one after the other, and show what finds them
    Plants(PlantsArgs),
    /// Show how many rows of the job's files would be late with which watermark delay
    Watermark(WatermarkArgs),
}

/// What is measured.
#[derive(Debug, Args)]
pub(crate) struct LatencyArgs {
    /// The job
    #[arg(value_name = "JOB.sql")]
    pub file: PathBuf,
    /// How many records come in a second, over all splits, however far behind the job is
    #[arg(long, value_name = "COUNT", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// How many records come, at most, over all files of a table
    #[arg(long, value_name = "COUNT", default_value_t = 5_000)]
    pub records: usize,
    /// The seed that latencies and made-up records come from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How long things take [default: those of a data centre; docs/SIMULATION.md names the file]
    #[arg(long, value_name = "FILE.toml")]
    pub service_times: Option<PathBuf>,
}

/// Which planted bugs are looked for, and for how long.
#[derive(Debug, Args)]
pub(crate) struct PlantsArgs {
    /// Only these
    #[arg(value_name = "NAME")]
    pub only: Vec<String>,
    /// How often each is looked for, each time with other seeds
    #[arg(long, value_name = "COUNT", default_value_t = 10)]
    pub starts: u64,
    /// How many seeds each time at most
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    pub seeds: u64,
    /// How long each time at most
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = time)]
    pub time: std::time::Duration,
    /// How many are looked for at once [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    pub jobs: Option<usize>,
    /// Put the table into this document, too, between the marks that it has for it
    #[arg(long, value_name = "FILE.md", conflicts_with = "only")]
    pub into: Option<PathBuf>,
}

/// Whose watermarks.
#[derive(Debug, Args)]
pub(crate) struct WatermarkArgs {
    /// The job
    #[arg(value_name = "JOB.sql")]
    pub file: PathBuf,
}

/// Runs of seeds, or of one plan.
#[derive(Debug, Args)]
pub(crate) struct SeedArgs {
    /// The job [default, with --plan: the one that the plan names]
    #[arg(value_name = "JOB.sql")]
    pub file: Option<PathBuf>,
    /// The first and the last seed, such as 1..1000
    #[arg(long, value_name = "A..B", default_value = "1..100")]
    pub seeds: SeedRange,
    /// One seed
    #[arg(long, value_name = "N", conflicts_with_all = ["seeds", "plan"])]
    pub seed: Option<u64>,
    /// Write the plan of the one seed into a file
    #[arg(long, value_name = "FILE", requires = "seed")]
    pub save: Option<PathBuf>,
    /// Run a plan that was written before, rather than made-up ones
    #[arg(long, value_name = "FILE", conflicts_with_all = ["seeds", "profile", "time"])]
    pub plan: Option<PathBuf>,
    /// Begin no more seeds after so long, such as 60s or 10min
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub time: Option<std::time::Duration>,
    /// How hard the runs are
    #[arg(long, value_enum, default_value_t = ProfileName::Swarm)]
    pub profile: ProfileName,
    /// A kind of fault that there is not; may be given several times
    #[arg(long = "assume", value_name = "NAME", conflicts_with = "plan", value_parser = assumptions())]
    pub assumed: Vec<Assumption>,
    /// Print what happened, line by line: of the plan, of one seed, or of the first finding
    #[arg(long)]
    pub trace: bool,
    /// Stop at the first finding
    #[arg(long)]
    pub fail_fast: bool,
    /// Print a line for each seed
    #[arg(short, long)]
    pub verbose: bool,
    /// What all runs have in common.
    #[command(flatten)]
    pub world: WorldArgs,
}

/// Every single crash of one run.
#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// The job
    #[arg(value_name = "JOB.sql")]
    pub file: PathBuf,
    /// The seed that the input and the limits come from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Only around every so-manieth output
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub every: u32,
    /// Zombies instead: one at each of these outputs, which goes on behind every so-manieth
    /// output of its successor. The journal is a topic, and no store has a lock
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..))]
    pub zombies: Option<u32>,
    /// Stop at the first finding
    #[arg(long)]
    pub fail_fast: bool,
    /// What all runs have in common.
    #[command(flatten)]
    pub world: WorldArgs,
}

/// A plan that fails.
#[derive(Debug, Args)]
pub(crate) struct ShrinkArgs {
    /// The plan
    #[arg(value_name = "FILE")]
    pub plan: PathBuf,
    /// The job [default: the one that the plan names]
    #[arg(long, value_name = "JOB.sql")]
    pub job: Option<PathBuf>,
    /// How many smaller plans are tried at most
    #[arg(long, value_name = "COUNT", default_value_t = 2_000)]
    pub tries: u32,
    /// What all runs have in common.
    #[command(flatten)]
    pub world: WorldArgs,
}

/// What all runs have in common.
#[derive(Debug, Args)]
pub(crate) struct WorldArgs {
    /// How many records a run has at most, over all files of a table
    #[arg(long, value_name = "COUNT", default_value_t = RECORDS)]
    pub records: usize,
    /// Take the records from the journal in the state folder of a run, and from its sources
    #[arg(long, value_name = "DIR")]
    pub from_journal: Option<PathBuf>,
    /// How many runs go on beside each other [default: one for each core]
    #[arg(long, value_name = "COUNT")]
    pub jobs: Option<usize>,
    /// The folder for plans and pages of what is found
    #[arg(long, value_name = "DIR", default_value = "anabranch-sim")]
    pub out: PathBuf,
    /// Where the page of the first finding is written [default: beside its plan]
    #[arg(long, value_name = "FILE.html")]
    pub report: Option<PathBuf>,
    /// How the results are written
    #[arg(long, value_enum, default_value_t = SimFormat::Text)]
    pub format: SimFormat,
    /// Switch a planted bug on
    #[cfg(feature = "plants")]
    #[arg(long, value_name = "NAME", hide = true)]
    pub plant: Option<String>,
}

/// How hard runs are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileName {
    /// Nothing goes wrong: only the limits and the latencies differ
    Calm,
    /// Each kind of fault is there in about half of the runs, a few at a time
    Swarm,
    /// Much goes wrong at once
    Storm,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimFormat {
    /// One JSON object a seed, and one for all
    Json,
    /// XML as CI servers read it
    Junit,
    /// For people
    Text,
}

/// The first and the last of some seeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SeedRange {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

impl std::str::FromStr for SeedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<SeedRange, String> {
        let wrong = || format!("{text} is no range of seeds such as 1..100");
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let (first, last) = match text.split_once("..") {
            Some((first, last)) => (number(first)?, number(last.trim_start_matches('='))?),
            None => (number(text)?, number(text)?),
        };
        if first > last {
            return Err(wrong());
        }
        Ok(SeedRange { first, last })
    }
}

impl std::fmt::Display for SeedRange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}..{}", self.first, self.last)
    }
}

/// The names of what may be assumed.
fn assumptions() -> impl TypedValueParser<Value = Assumption> {
    let name = |it: &Assumption| PossibleValue::new(it.name()).help(it.words());
    PossibleValuesParser::new(Assumption::ALL.iter().map(name))
        .map(|name| Assumption::named(&name).expect("only names of assumptions are possible"))
}

/// A time such as `60s`.
fn time(text: &str) -> Result<std::time::Duration, String> {
    let ms = anabranch_engine::plan::connector::parse_duration_ms(text);
    let ms = ms.and_then(|ms| u64::try_from(ms).ok());
    ms.map(std::time::Duration::from_millis).ok_or_else(|| format!("{text} is no time such as 60s"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_seeds_has_both_its_ends() {
        assert_eq!("3..9".parse(), Ok(SeedRange { first: 3, last: 9 }));
        assert_eq!("7".parse(), Ok(SeedRange { first: 7, last: 7 }));
        assert!("9..3".parse::<SeedRange>().is_err());
        assert!("a..3".parse::<SeedRange>().is_err());
    }
}
