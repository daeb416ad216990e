//! The ways in which a job is run, and that they all come to the same.
// spec: E-2, E-3

use super::diff::Difference;
use super::report::Report;
use super::rows::SinkRows;
use crate::job::sinks;
use anabranch_engine::pipeline::{Ending, Output, PipelineConfig};
use anabranch_engine::plan::{Class, NodeKind, Plan};
use anabranch_sim::lab::{Crash, Fault, FaultFn, Lab, LabSplit};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Into about so many epochs an input is cut at most: each costs time.
const EPOCHS_MAX: usize = 200;
/// How many threads the other runs have.
const PIECES: usize = 4;
/// How long the answers of a slow split take, in virtual ms.
const SLOW_MS: i64 = 40;

/// The run in which nothing is special.
pub(super) const STRAIGHT: &str = "straight";
/// The run in which an epoch takes as little as it may.
pub(super) const SMALL: &str = "re-cut into small epochs";

/// What each sink came to hold, by its name.
pub(super) type Results = BTreeMap<String, SinkRows>;

/// One way to run a job.
struct Way {
    name: String,
    config: PipelineConfig,
    pieces: usize,
    /// The split whose answers take long.
    slow: Option<String>,
    crash: Option<Crash>,
}

/// What a run came to.
struct Ran {
    results: Results,
    /// The lines of all that the pipeline asked for.
    trace: Vec<String>,
}

/// Runs a job in every way; gives what the straight run came to, and that in small epochs
/// if it ended well. Other ways that come to something else are differences.
///
/// # Errors
/// If the straight run does not end well.
pub(super) fn all(
    plan: &Plan,
    splits: &[LabSplit],
    report: &mut Report,
    differences: &mut Vec<Difference>,
) -> Result<(Results, Option<Results>), Difference> {
    let straight = Way::straight();
    let first = run(&straight, plan, splits)
        .map_err(|what| Difference::words(&format!("the job did not end well: {what}")))?;
    report.runs.push(straight.name);
    report.sinks = first.results.iter().map(|(name, rows)| (name.clone(), rows.len())).collect();
    let fixed: BTreeSet<String> = content_sinks(plan);
    for name in first.results.keys().filter(|name| !fixed.contains(*name)) {
        report.notes.push(format!("{name} depends on the clock: only one run of it is looked at"));
    }
    let mut take = |way: Way| -> Option<Ran> {
        let ran = run(&way, plan, splits);
        match &ran {
            Err(what) => {
                let words = format!("the run \"{}\" did not end well: {what}", way.name);
                differences.push(Difference::words(&words));
            }
            Ok(ran) => {
                for name in &fixed {
                    let (straight, other) = (&first.results[name], &ran.results[name]);
                    differences.extend(straight.disagreement(name, other, &way.name));
                }
            }
        }
        report.runs.push(way.name);
        ran.ok()
    };
    let small = small_limits(splits);
    let cut = take(Way::small(SMALL, &small));
    // Splits are held back one by one, so that records meet in other orders.
    for split in splits.iter().take(3) {
        let name = split.name.name.clone();
        let way = Way::small(&format!("re-cut, with {name} slow"), &small);
        take(Way { slow: Some(name), ..way });
    }
    take(Way { pieces: PIECES, ..Way::named(&format!("on {PIECES} executors")) });
    let name = format!("re-cut, on {PIECES} executors");
    take(Way { pieces: PIECES, ..Way::small(&name, &small) });
    let (cut, trace) = cut.map_or((None, Vec::new()), |ran| (Some(ran.results), ran.trace));
    for (place, crash) in crashes(plan, &trace) {
        let way = Way::small(&format!("crash right {place}"), &small);
        take(Way { crash: Some(crash), ..way });
    }
    Ok((first.results, cut))
}

impl Way {
    fn straight() -> Way {
        Way::named(STRAIGHT)
    }

    fn named(name: &str) -> Way {
        let config = PipelineConfig { poison_starts: u32::MAX, ..PipelineConfig::default() };
        Way { name: name.to_owned(), config, pieces: 1, slow: None, crash: None }
    }

    fn small(name: &str, config: &PipelineConfig) -> Way {
        Way { config: config.clone(), ..Way::named(name) }
    }

    /// Holds the slow split back.
    fn faults(&self) -> Option<FaultFn> {
        let slow = self.slow.clone()?;
        Some(Box::new(move |output: &Output| match output {
            Output::Fetch { name, .. } if name.name == slow => Fault::Slow(SLOW_MS),
            _ => Fault::None,
        }))
    }
}

/// Limits under which even a small input makes many epochs, groups and snapshots.
fn small_limits(splits: &[LabSplit]) -> PipelineConfig {
    let bytes: usize = splits.iter().map(|split| split.data.len()).sum();
    let epoch = (bytes / EPOCHS_MAX).max(1);
    let fetch = epoch.max(64);
    PipelineConfig {
        epoch_bytes_max: epoch,
        fetch_bytes: u32::try_from(fetch).unwrap_or(u32::MAX),
        split_buffer_bytes_max: 2 * fetch,
        flush_bytes: 3 * epoch,
        flush_age_ms: 20,
        snapshot_bytes: (bytes as u64 / 10).max(1),
        poison_starts: u32::MAX,
        ..PipelineConfig::default()
    }
}

/// Where a run is killed: around the middle of whatever it asks for, before that took
/// effect or before it learned that it did.
fn crashes(plan: &Plan, trace: &[String]) -> Vec<(String, Crash)> {
    let middle = |beginning: &str| {
        let places: Vec<usize> = trace
            .iter()
            .enumerate()
            .filter(|(_, line)| line.starts_with(beginning))
            .map(|(index, _)| index + 1)
            .collect();
        places.get(places.len() / 2).copied()
    };
    let mut all = Vec::new();
    for (beginning, before) in [
        ("append epoch", false),
        ("append epoch", true),
        ("apply to sink", false),
        ("apply to sink", true),
        ("store snapshot", false),
        ("append finished", true),
    ] {
        let Some(number) = middle(beginning) else { continue };
        let (word, crash) = match before {
            true => ("before", Crash::Before(number)),
            false => ("after", Crash::After(number)),
        };
        all.push((format!("{word} {}", in_words(plan, &trace[number - 1])), crash));
    }
    all
}

/// What a pipeline asked for, for people.
fn in_words(plan: &Plan, line: &str) -> String {
    let word = |index: usize| line.split(' ').nth(index).unwrap_or_default().to_owned();
    if line.starts_with("append epoch") {
        return format!("epoch {} was journaled", word(2));
    }
    if line.starts_with("apply to sink") {
        let index: usize = word(3).parse().unwrap_or_default();
        let table = sinks(plan).nth(index).map(super::folder::sink_name);
        return format!("{} took a group of rows", table.unwrap_or_else(|| word(3)));
    }
    match line.starts_with("store snapshot") {
        true => format!("the snapshot of epoch {} was stored", word(4)),
        false => "the end was journaled".to_owned(),
    }
}

/// The sinks whose rows are a function of the records alone.
fn content_sinks(plan: &Plan) -> BTreeSet<String> {
    let nodes = plan.nodes.iter().filter(|node| node.class == Class::Content);
    let tables = nodes.filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(super::folder::sink_name(plan.table(sink.table))),
        _ => None,
    });
    tables.collect()
}

/// Runs a job once. Mistakes of ours end the run, not the process.
fn run(way: &Way, plan: &Plan, splits: &[LabSplit]) -> Result<Ran, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let ran = catch_unwind(AssertUnwindSafe(|| run_in_lab(way, plan, splits)));
    std::panic::set_hook(hook);
    ran.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
        Err(format!("internal error: {text}"))
    })
}

fn run_in_lab(way: &Way, plan: &Plan, splits: &[LabSplit]) -> Result<Ran, String> {
    let mut lab = Lab::new(plan.clone(), way.config.clone(), splits.to_vec());
    lab.pieces = way.pieces;
    lab.faults = way.faults();
    let crashes: Vec<Crash> = way.crash.into_iter().collect();
    match lab.run_through(&crashes) {
        Ending::Finished | Ending::AlreadyFinished => {}
        Ending::Failed(failure) => return Err(failure.to_string()),
        Ending::FinishedWithout { sinks } => {
            return Err(format!("it finished without {}", sinks.join(", ")));
        }
        Ending::Stopped => return Err("it was stopped".to_owned()),
    }
    let mut rows = lab.sink_rows()?;
    let results = sinks(plan).map(|table| {
        let rows = rows.remove(&table.name).unwrap_or_default();
        (super::folder::sink_name(table), SinkRows::of(plan, table, rows))
    });
    Ok(Ran { results: results.collect(), trace: lab.trace })
}
