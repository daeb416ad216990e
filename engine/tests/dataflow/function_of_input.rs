//! The answer is a function of the input: whatever the cuts, the interleaving, the
//! parallelism, and with restarts in the middle.
//!
//! A case is a job and records, both made from a seed. It is run once on a random
//! schedule that tells the control records, and then on others that keep these at
//! their places. To run a case again, put its seed into [`KEPT`].
// spec: E-1, E-2, E-3, E-5, E-6, T-1, T-2, T-3, T-4, T-5, F-1, S-3

use crate::job::{Job, job};
use crate::records::{SplitData, records};
use crate::rng::Rng;
use crate::schedule::{Happened, Script, Style, record, replay};
use crate::world::{Results, difference, text_of};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Seeds of cases that failed once.
const KEPT: [u64; 0] = [];

/// How many cases showed what.
type Shares = BTreeMap<String, usize>;

#[test]
fn the_answer_is_a_function_of_the_input_1() {
    cases(0..250);
}

#[test]
fn the_answer_is_a_function_of_the_input_2() {
    cases(250..500);
}

#[test]
fn the_answer_is_a_function_of_the_input_3() {
    cases(500..750);
}

#[test]
fn the_answer_is_a_function_of_the_input_4() {
    cases(750..1000);
}

#[test]
fn cases_that_failed_once_do_not_fail_again() {
    KEPT.into_iter().for_each(|seed| check(seed, &mut Shares::new()));
}

fn cases(seeds: Range<u64>) {
    let count = (seeds.end - seeds.start) as usize;
    let mut shares = Shares::new();
    for seed in seeds {
        check(seed, &mut shares);
    }
    let lines: Vec<String> = shares
        .iter()
        .map(|(what, n)| format!("{what}: {} of {count}, {} %", n, n * 100 / count))
        .collect();
    // The tests' own report; it is shown with --nocapture.
    #[expect(clippy::disallowed_macros, reason = "the shares are for a person to see")]
    {
        println!("{}", lines.join("\n"));
    }
    for (what, least) in LEAST {
        let share = shares.get(*what).copied().unwrap_or(0) * 100 / count;
        assert!(share >= *least, "{what}: {share} % of the cases, at least {least} % are wanted");
    }
}

/// How many of a hundred cases must show what.
const LEAST: &[(&str, usize)] = &[
    ("late rows", 50),
    ("partly late rows", 20),
    ("sessions over several splits", 10),
    ("windows over several splits", 30),
    ("advances", 30),
    ("splits added late", 30),
    ("ends", 50),
    ("an idle split beside an ended one", 10),
    ("wake-ups", 50),
    ("a restart with state", 50),
    ("dead records", 50),
    ("dead derived rows", 2),
    ("malformed records", 50),
    ("open state in the end", 15),
    ("a window over a window", 40),
    ("window columns on rows", 25),
    ("two ways of one table", 25),
    ("two tables in one operator", 15),
    ("a table without a watermark", 15),
    ("operators in one total order", 5),
    ("infinite or undefined sums", 2),
    ("one split", 1),
    ("eight splits", 1),
    ("TUMBLE", 25),
    ("HOP", 25),
    ("CUMULATE", 25),
    ("SESSION", 25),
    ("COUNT()", 5),
    ("SUM(2)", 5),
    ("AVG(2)", 5),
    ("SUM(3)", 5),
    ("AVG(3)", 5),
    ("MIN(3)", 5),
    ("MAX(3)", 5),
    ("SUM(4)", 5),
    ("AVG(4)", 5),
    ("COUNT(DISTINCT 3)", 5),
    ("COUNT(DISTINCT 5)", 5),
    ("FIRST_VALUE(3)", 5),
    ("LAST_VALUE(3)", 5),
    ("FIRST_VALUE(5)", 5),
    ("LAST_VALUE(5)", 5),
    ("MIN(5)", 5),
    ("MAX(4)", 5),
];

/// The schedules that a case is run on again.
const STYLES: [Style; 3] = [
    Style { steps_max: 1000, picks_max: 60, restarts: 0, pieces: 4 },
    Style { steps_max: 3, picks_max: 5, restarts: 30, pieces: 2 },
    Style { steps_max: 9, picks_max: 3, restarts: 15, pieces: 1 },
];

/// Runs one case; panics with its seed and its records if runs differ.
fn check(seed: u64, shares: &mut Shares) {
    let mut rng = Rng::new(seed);
    let job = job(&mut rng);
    let data = records(&mut rng, &job);
    match run(seed, &job, &data) {
        Ok(outcome) => note(&job, &data, &outcome, shares),
        Err(_) => {
            let data = shrunk(seed, &job, data);
            let failure = run(seed, &job, &data).err().unwrap_or_default();
            panic!("seed {seed}\n{}\n{failure}", described(&job, &data));
        }
    }
}

struct Outcome {
    results: Results,
    happened: Happened,
    restarts: usize,
}

/// Runs a case on all schedules; the difference, if there is one.
fn run(seed: u64, job: &Job, data: &[SplitData]) -> Result<Outcome, String> {
    let work = || {
        let mut rng = Rng::new(seed ^ 0x5eed);
        let (results, scripts, happened) = record(&mut rng, job, data);
        let mut restarts = 0;
        for style in STYLES {
            let (again, times) = replay(&mut rng, job, data, &scripts, style);
            restarts += times;
            if let Some(difference) = difference(&results, &again) {
                return Err(format!("{}{style:?}: {difference}", scripts_text(data, &scripts)));
            }
        }
        Ok(Outcome { results, happened, restarts })
    };
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
        Err(format!("panicked: {}", text.unwrap_or_default()))
    })
}

/// The case without the lines that the failure does not need, as far as some hundred
/// tries find them.
fn shrunk(seed: u64, job: &Job, mut data: Vec<SplitData>) -> Vec<SplitData> {
    let mut tries = 300;
    for split in 0..data.len() {
        let mut count = data[split].lines.len();
        while count > 0 {
            let mut start = 0;
            while start < data[split].lines.len() && tries > 0 {
                tries -= 1;
                let mut tried = data.clone();
                let end = (start + count).min(tried[split].lines.len());
                tried[split].lines.drain(start..end);
                if run(seed, job, &tried).is_err() {
                    data = tried;
                } else {
                    start = end;
                }
            }
            count /= 2;
        }
    }
    data
}

fn described(job: &Job, data: &[SplitData]) -> String {
    let mut text = anabranch_engine::plan::plan_text(&job.plan);
    for source in &job.sources {
        let _ = writeln!(text, "{source:?}");
    }
    for split in data {
        let _ = writeln!(text, "{}", text_of(&split.name));
        split.lines.iter().for_each(|line| text.push_str(&line.text));
    }
    text
}

fn scripts_text(data: &[SplitData], scripts: &[Script]) -> String {
    let mut text = String::new();
    for (data, script) in data.iter().zip(scripts) {
        let _ = writeln!(text, "{} from {}: {:?}", text_of(&data.name), script.added, script.steps);
    }
    text
}

/// Counts what a case showed.
fn note(job: &Job, data: &[SplitData], outcome: &Outcome, shares: &mut Shares) {
    let Outcome { results, happened, restarts } = outcome;
    let counted = |what: &str| results.counts.keys().any(|key| key.starts_with(what));
    let derived = |dead: &bool| results.dead.keys().any(|(split, _)| split.is_empty() == *dead);
    let windows = || results.timed.iter().filter(|((sink, _), _)| sink.starts_with("window"));
    // The last aggregate of every operator counts the splits.
    let several = |line: &String| {
        let (before, _) = line.split_once(",\"window_start\"").expect("a window's row");
        before.rsplit_once(':').is_some_and(|(_, count)| count.parse::<u32>().is_ok_and(|n| n > 1))
    };
    let over_several = windows().any(|(_, lines)| lines.iter().any(several));
    let special = |line: &String| line.contains("Infinity") || line.contains("NaN");
    let mut seen: Vec<(&str, bool)> = vec![
        ("late rows", counted("late")),
        ("partly late rows", counted("partly")),
        ("windows over several splits", over_several),
        ("sessions over several splits", over_several && job.shows.contains("SESSION")),
        ("advances", happened.advances > 0),
        ("splits added late", happened.added_late > 0),
        ("ends", happened.ended > 0),
        ("an idle split beside an ended one", happened.idle_beside_ended > 0),
        ("wake-ups", happened.wake_ups > 0),
        ("a restart with state", *restarts > 0),
        ("dead records", derived(&false)),
        ("dead derived rows", derived(&true)),
        ("malformed records", !results.malformed.is_empty()),
        ("open state in the end", results.state.iter().any(|line| line.contains("StateEntry"))),
        ("infinite or undefined sums", windows().any(|(_, lines)| lines.iter().any(special))),
        ("one split", data.len() == 1),
        ("eight splits", data.len() == 8),
    ];
    seen.extend(job.shows.iter().map(|what| (what.as_str(), true)));
    for (what, shown) in seen {
        *shares.entry(what.to_owned()).or_default() += usize::from(shown);
    }
}
