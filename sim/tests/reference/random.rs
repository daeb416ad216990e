//! Random jobs over random records with random cuts, crashes and splits that come, go
//! quiet and end: the engine does what the interpreter says.
//!
//! To run one case again, put its seed into [`KEPT`].

use crate::generate::{Records, job};
use crate::job::{expected, journal, log};
use anabranch_engine::ids::{Epoch, SinkId};
use anabranch_engine::journal::{JournalEntry, scan};
use anabranch_engine::pipeline::{Ending, Output, PipelineConfig};
use anabranch_engine::plan::Plan;
use anabranch_engine::snapshot::Manifest;
use anabranch_sim::lab::{Crash, Event, Fault, Lab, LabSplit, RunEnd, Trigger};
use anabranch_sim::model::{View, ViewRecord};
use anabranch_sim::oracle::{
    Finding, Guarantee, Reach, Shape, SinkOracle, discords, fires_once, replay, restore,
};
use anabranch_sim::reference::{Case, Expected, SplitLog};
use anabranch_sim::rng::Draws;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds of cases that failed once.
const KEPT: [u64; 0] = [];

/// How many cases are run.
const CASES: u64 = 150;

/// What happened in all cases, so that agreement says something.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    rows: usize,
    timed_rows: usize,
    late: u64,
    dead: u64,
    advances: usize,
    snapshots: usize,
    crashes: usize,
    epochs: usize,
    added_late: usize,
}

/// One case: a world that ran to its end.
pub(crate) struct Run {
    plan: Plan,
    lab: Lab,
    logs: Vec<SplitLog>,
    crashes: usize,
}

fn limits(draws: &mut Draws) -> PipelineConfig {
    PipelineConfig {
        binary: "test".into(),
        epoch_bytes_max: 100 + draws.below(900) as usize,
        fetch_bytes: 80 + draws.below(500) as u32,
        split_buffer_bytes_max: 1_000,
        epochs_inflight_max: 1 + draws.below(4) as usize,
        flush_bytes: 100 + draws.below(900) as usize,
        flush_age_ms: 1 + draws.below(40) as i64,
        snapshot_bytes: if draws.happens(300_000) { 0 } else { 500 + draws.below(2_000) },
        poison_starts: u32::MAX,
        ..PipelineConfig::default()
    }
}

/// Lets a world of a seed run.
pub(crate) fn run(seed: u64) -> Run {
    let job = job(seed);
    let mut draws = Draws::new(seed, "world", "");
    let is_log = draws.happens(400_000);
    let mut splits = Vec::new();
    let mut finals = Vec::new();
    let mut script = Vec::new();
    for table in 0..job.sources {
        let declared = &job.plan.tables[table as usize];
        // Names do not sort as the splits are listed.
        for name in ["m", "z", "a"].iter().take(1 + draws.below(3) as usize) {
            let name = format!("{name}{table}");
            let mut records = Records::new(seed, &name);
            let mut text = records.lines(draws.below(40), &declared.format);
            let split = LabSplit { is_log, ..LabSplit::file(table, &name, text.clone()) };
            let added = draws.below(300) as i64;
            let late = !declared.bounded && draws.happens(300_000);
            match late {
                true => script.push((Trigger::At(added), Event::Add(split.clone()))),
                false => splits.push(split.clone()),
            }
            if !declared.bounded {
                let mut at = added + 1;
                for _ in 0..draws.below(4) {
                    at += draws.below(200) as i64;
                    let more = records.lines(1 + draws.below(10), &declared.format);
                    text.push_str(&more);
                    script.push((Trigger::At(at), Event::Grow(name.clone(), more)));
                }
                if draws.happens(300_000) {
                    at += draws.below(100) as i64;
                    script.push((Trigger::At(at), Event::End(name.clone())));
                }
            }
            let ended = declared.bounded;
            finals.push(LabSplit { data: text.into(), ended, ..split });
        }
    }
    let is_endless = job.plan.tables[..job.sources as usize].iter().any(|table| !table.bounded);
    let mut lab = Lab::new(job.plan.clone(), limits(&mut draws), splits);
    lab.script = script;
    // A stop that a crash swallows is asked for again.
    let stop = |lab: &mut Lab| {
        if is_endless {
            lab.script.push((Trigger::At(lab.elapsed_ms() + 1_500), Event::Stop));
        }
    };
    stop(&mut lab);
    let mut crashes = 0;
    let mut end = RunEnd::Crashed;
    for _ in 0..draws.below(4) {
        lab.pieces = 1 + draws.below(4) as usize;
        keep_everything(&mut lab);
        let crash = match draws.happens(500_000) {
            true => Crash::After(20 + draws.below(150) as usize),
            false => Crash::Before(20 + draws.below(150) as usize),
        };
        if end == RunEnd::Crashed {
            end = lab.run(crash).0;
            crashes += usize::from(end == RunEnd::Crashed);
            lab.config = limits(&mut draws);
        }
    }
    if end == RunEnd::Crashed {
        keep_everything(&mut lab);
        stop(&mut lab);
        end = lab.run(Crash::Never).0;
    }
    let wanted = if is_endless { Ending::Stopped } else { Ending::Finished };
    // A job that had just finished when it was killed finds that out.
    let finished = end == RunEnd::Ended(Ending::AlreadyFinished) && !is_endless;
    assert!(
        finished || end == RunEnd::Ended(wanted),
        "seed {seed}: {end:?}\n{}",
        lab.trace.join("\n")
    );
    let logs = finals.iter().map(|split| log(&job.plan, split)).collect();
    Run { plan: job.plan, lab, logs, crashes }
}

/// The whole journal and all snapshots are looked at in the end.
fn keep_everything(lab: &mut Lab) {
    lab.faults = Some(Box::new(|output| match output {
        Output::Trim { .. } => Fault::Instead(Vec::new()),
        _ => Fault::None,
    }));
}

/// What a reader of a sink sees in the end.
fn view(lab: &Lab, expected: &Expected, plan: &Plan, sink: SinkId) -> View {
    let table = &plan.table(expected.sinks[sink.0 as usize].table).name;
    let text = lab.results().remove(table).unwrap_or_default();
    let record = |line: &str| ViewRecord { value: line.to_owned().into(), ..ViewRecord::default() };
    let marker = lab.sinks.get(&sink).and_then(|store| store.marker());
    View { records: text.lines().map(record).collect(), marker }
}

/// What the oracles find.
pub(crate) fn judge(run: &Run, shares: &mut Shares) -> Vec<Finding> {
    let epochs = journal(&run.lab);
    let log_ends = BTreeMap::new();
    let expected = expected(&run.plan, &run.logs, &epochs, &log_ends);
    let case = Case { plan: &run.plan, logs: &run.logs, epochs: &epochs, log_ends: &log_ends };
    let mut findings = discords(&expected);
    let last = epochs.last().map_or(Epoch(0), |record| record.epoch);
    for sink in &expected.sinks {
        let view = view(&run.lab, &expected, &run.plan, sink.sink);
        let oracle = SinkOracle {
            plan: &run.plan,
            expected: &expected,
            sink: sink.sink,
            shape: Shape::Log,
            guarantee: Guarantee::ExactlyOnce,
        };
        findings.extend(oracle.view(&view, Reach::whole(last)));
        findings.extend(fires_once(&run.plan, sink.sink, &view));
        shares.rows += sink.rows.len();
        let timed = |row: &&anabranch_sim::reference::ExpectedRow| {
            matches!(row.stream, anabranch_sim::reference::Stream::Timers(_))
        };
        shares.timed_rows += sink.rows.iter().filter(timed).count();
    }
    let journal = scan(&run.lab.journal.segments(), &[]).expect("the journal is whole");
    let chain = journal.entries.iter().rev().find_map(|placed| match &placed.entry {
        JournalEntry::Finished(finished) => Some(finished.chain),
        _ => None,
    });
    findings.extend(replay(case, &expected, chain));
    for (name, bytes) in run.lab.snapshots.manifests() {
        let manifest = Manifest::decode(&bytes).expect("the store keeps what it is given");
        // The epoch of a snapshot may have been undone by a crash and come back otherwise.
        let parts = run.lab.snapshots.parts(&name).expect("it is listed");
        findings.extend(restore(case, &expected, &manifest, &parts));
        shares.snapshots += 1;
    }
    let counts = expected.counts_up_to(last);
    shares.late += counts.late.values().chain(counts.late_partial.values()).sum::<u64>();
    shares.dead += counts.dead.values().sum::<u64>();
    shares.advances += expected.times.iter().map(|times| times.advances.len()).sum::<usize>();
    shares.epochs += epochs.len();
    shares.crashes += run.crashes;
    let first = expected.times.first().map_or(0, |times| times.splits.len());
    shares.added_late += expected.splits.len() - first;
    findings
}

fn check(seed: u64, shares: &mut Shares) {
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let run = run(seed);
        let findings = judge(&run, shares);
        (run, findings)
    }));
    let (run, findings) = match outcome {
        Ok(done) => done,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            panic!("seed {seed}: {}", text.unwrap_or_default());
        }
    };
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(
        findings.is_empty(),
        "seed {seed}:\n{}\n{}",
        shown.join("\n"),
        anabranch_engine::plan::plan_text(&run.plan)
    );
}

#[test]
fn the_engine_does_what_the_interpreter_says() {
    // spec: E-1, E-2, E-3, E-5, E-6, T-1, T-2, T-3, T-4, T-5, F-1, S-1
    let mut shares = Shares::default();
    KEPT.into_iter().for_each(|seed| check(seed, &mut shares));
    (0..CASES).for_each(|seed| check(seed, &mut shares));
    let cases = CASES as usize;
    assert!(shares.rows > 50 * cases && shares.timed_rows > 15 * cases, "{shares:?}");
    assert!(shares.late > CASES && shares.dead > CASES, "{shares:?}");
    assert!(shares.advances > cases / 2 && shares.added_late > cases / 10, "{shares:?}");
    assert!(shares.snapshots > cases / 2 && shares.crashes > cases / 3, "{shares:?}");
    assert!(shares.epochs > 10 * cases, "{shares:?}");
}
