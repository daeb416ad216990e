//! Windows, watermarks and lateness of the whole dataflow against the naive model.
//!
//! A case is made from a seed while it runs: records with disorder in several splits,
//! idle marks, new splits and ends, cut into epochs. The model is told the records and
//! the marks, never a watermark: it works these out by itself, and after each epoch
//! the control records, the operator's watermark and the windows that fired must be
//! the ones that it says. To run a case again, put its seed into [`KEPT`].
// spec: T-1, T-2, T-3, T-4, T-5, E-3, E-5

use crate::model::time::{Clock, NEVER};
use crate::model::{Case, Event, Record, Split, Timed, Windows, timed};
use crate::rng::Rng;
use crate::world::{Entry, World, split_name, text_of, timestamp};
use anabranch_engine::dataflow::{Control, EpochOutput};
use anabranch_engine::ids::{NodeId, SplitName, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{AggregateCall, Plan, Window};
use anabranch_engine::rows::Rows;
use anabranch_engine::types::SqlType;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_array::{Array, RecordBatch};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Kinds of window and seeds of cases that failed once.
const KEPT: [(Kind, u64); 0] = [];

/// How many cases each kind of window has: 10,000 in all.
const CASES: u64 = 2_500;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Cumulate,
    Hop,
    Session,
    Tumble,
}

#[test]
fn tumbling_windows_are_those_of_the_model() {
    cases(Kind::Tumble);
}

#[test]
fn hopping_windows_are_those_of_the_model() {
    cases(Kind::Hop);
}

#[test]
fn cumulating_windows_are_those_of_the_model() {
    cases(Kind::Cumulate);
}

#[test]
fn sessions_are_those_of_the_model() {
    cases(Kind::Session);
}

#[test]
fn cases_that_failed_once_do_not_fail_again() {
    KEPT.into_iter().for_each(|(kind, seed)| check(kind, seed, &mut Shares::new()));
}

/// How many cases showed what.
type Shares = BTreeMap<&'static str, u64>;

fn cases(kind: Kind) {
    let mut shares = Shares::new();
    for seed in 0..CASES {
        check(kind, seed, &mut shares);
    }
    let text: Vec<String> = shares
        .iter()
        .map(|(what, n)| format!("{kind:?}: {what}: {n} of {CASES}, {} %", n * 100 / CASES))
        .collect();
    // The test's own report; it is shown with --nocapture.
    #[expect(clippy::disallowed_macros, reason = "the shares are for a person to see")]
    {
        println!("{}", text.join("\n"));
    }
    let mut least = vec![
        ("late rows", 20),
        ("wake-ups", 10),
        ("a window fires exactly at the watermark", 5),
        ("a row exactly at the bound", 5),
        ("splits added later", 10),
        ("advances", 10),
        ("ends", 10),
        ("two tables", 10),
        ("several splits", 50),
        ("restarts", 20),
    ];
    match kind {
        // A quarter of all cases have sessions, so these are ten of a hundred of all.
        Kind::Session => least.push(("merged sessions", 40)),
        Kind::Cumulate | Kind::Hop => least.push(("partly late rows", 20)),
        Kind::Tumble => {}
    }
    for (what, percent) in least {
        let share = shares.get(what).copied().unwrap_or(0) * 100 / CASES;
        assert!(share >= percent, "{kind:?}: {what}: {share} %, at least {percent} % are wanted");
    }
}

fn check(kind: Kind, seed: u64, shares: &mut Shares) {
    let mut run = Run::new(kind, seed);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        run.epochs();
        run.compare()
    }));
    match outcome {
        Ok(Ok(expected)) => run.note(&expected, shares),
        Ok(Err(difference)) => panic!("{kind:?}, seed {seed}\n{}\n{difference}", run.trace),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|it| (*it).to_owned()));
            panic!("{kind:?}, seed {seed}\n{}\n{}", run.trace, text.unwrap_or_default());
        }
    }
}

/// One case while it runs.
struct Run {
    rng: Rng,
    case: Case,
    tables: u32,
    clock: Clock,
    names: Vec<SplitName>,
    /// For each split the event of each offset at which a record starts.
    offsets: Vec<BTreeMap<u64, usize>>,
    /// For each split how many bytes were read.
    read: Vec<u64>,
    /// For each split where its time stands.
    now: Vec<i64>,
    /// By epoch: the operator's watermark after it, and the lines that came out.
    fired: Vec<(i64, Vec<String>)>,
    late: Vec<(usize, usize, usize, usize)>,
    dead: Vec<(usize, usize)>,
    world: World,
    /// The open sessions of each key as rows come: (first, last).
    sessions: BTreeMap<Option<String>, Vec<(i64, i64)>>,
    seen: Shares,
    /// What entered, for a person.
    trace: String,
}

fn windows(rng: &mut Rng, kind: Kind) -> (Windows, Window) {
    let (step, times) = (rng.between(1, 6), rng.between(1, 5));
    let (size, offset) = (step * times, rng.between(-7, 7));
    let (size_ms, offset_ms) = (size, offset);
    match kind {
        Kind::Tumble => (Windows::Tumble { size, offset }, Window::Tumble { size_ms, offset_ms }),
        Kind::Hop => (
            Windows::Hop { size, slide: step, offset },
            Window::Hop { size_ms, slide_ms: step, offset_ms },
        ),
        Kind::Cumulate => (
            Windows::Cumulate { size, step, offset },
            Window::Cumulate { size_ms, step_ms: step, offset_ms },
        ),
        Kind::Session => (Windows::Session { gap: step }, Window::Session { gap_ms: step }),
    }
}

/// One window over one table, or over the union of two.
fn plan(window: Window, tables: u32, delay: i64, lateness: i64, bounded: bool) -> Plan {
    let mut plan = PlanBuilder::default();
    let columns = [("k", SqlType::STRING), ("ts", SqlType::Timestamp(3)), ("i", SqlType::BigInt)];
    let inputs: Vec<NodeId> = (0..tables)
        .map(|index| {
            let name = format!("t{index}");
            let table = plan.table(&name, "filesystem", &columns, Some((1, delay)), bounded);
            plan.scan(table)
        })
        .collect();
    let input = if tables == 1 { inputs[0] } else { plan.union(&inputs) };
    let calls = [("COUNT", None), ("SUM", Some(2)), ("MIN", Some(2))];
    let calls = calls.into_iter().chain([("FIRST_VALUE", Some(2)), ("LAST_VALUE", Some(2))]);
    let calls: Vec<AggregateCall> = calls
        .map(|(function, argument)| {
            crate::traces::call(function, argument.as_slice(), SqlType::BigInt)
        })
        .collect();
    let window = plan.aggregate("op", input, window, &[0], calls, lateness);
    plan.sink("out", "print", window);
    plan.build()
}

impl Run {
    fn new(kind: Kind, seed: u64) -> Run {
        let mut rng = Rng::new(seed * 4 + kind as u64);
        let (windows, window) = windows(&mut rng, kind);
        // Rows that join two sessions come between them and are not late.
        let sessions = kind == Kind::Session;
        let delay = rng.between(0, if sessions { 12 } else { 5 });
        let lateness = if rng.percent(25) { rng.between(1, 5) } else { 0 };
        let tables = if rng.percent(20) { 2 } else { 1 };
        let bounded = rng.percent(50);
        let plan = Arc::new(plan(window, tables, delay, lateness, bounded));
        let trace = format!(
            "{windows:?}, delay {delay}, lateness {lateness}, {tables} tables, bounded: {bounded}\n"
        );
        Run {
            case: Case { windows, delay, lateness, splits: Vec::new() },
            tables,
            clock: Clock::new(bounded),
            names: Vec::new(),
            offsets: Vec::new(),
            read: Vec::new(),
            now: Vec::new(),
            fired: Vec::new(),
            late: Vec::new(),
            dead: Vec::new(),
            world: World::new(&plan),
            sessions: BTreeMap::new(),
            seen: Shares::new(),
            trace,
            rng,
        }
    }

    fn saw(&mut self, what: &'static str) {
        self.seen.insert(what, 1);
    }

    fn epochs(&mut self) {
        let epochs = 3 + self.rng.below(5);
        for epoch in 0..=epochs {
            let mut entries = Vec::new();
            if epoch == 0 {
                (0..self.tables).for_each(|table| self.add(table, &mut entries));
            }
            while self.names.len() < 5 && self.rng.percent(if epoch == 0 { 45 } else { 12 }) {
                let table = self.rng.below(self.tables as usize) as u32;
                self.add(table, &mut entries);
            }
            for _ in 0..self.rng.below(5) {
                let split = self.rng.below(self.names.len());
                if !self.clock.splits[split].ended {
                    self.take(split, &mut entries);
                }
            }
            let last = epoch == epochs;
            for split in 0..self.names.len() {
                let end = last && self.rng.percent(60);
                if end && !self.clock.splits[split].ended {
                    self.end(split, &mut entries);
                }
            }
            self.step(&entries);
        }
    }

    fn add(&mut self, table: u32, entries: &mut Vec<(SplitName, Entry)>) {
        // Names do not sort as the splits are added.
        let name = split_name(table, &format!("s{}", (self.names.len() * 3 + 2) % 5));
        let first = self.clock.add();
        if !self.fired.is_empty() {
            self.saw("splits added later");
        }
        let _ = writeln!(self.trace, "  {} added, at {first}", text_of(&name));
        let events = if first == NEVER { Vec::new() } else { vec![Event::Advance(first)] };
        self.case.splits.push(Split { name: text_of(&name), events });
        entries.push((name.clone(), Entry::Added(None)));
        self.names.push(name);
        self.offsets.push(BTreeMap::new());
        self.read.push(0);
        let start = self.rng.between(-10, 12).max(first.saturating_sub(3));
        self.now.push(start.min(200));
    }

    /// Takes some records of a split, and perhaps a mark behind them.
    fn take(&mut self, split: usize, entries: &mut Vec<(SplitName, Entry)>) {
        let mut text = String::new();
        for _ in 0..self.rng.below(6) {
            self.record(split, &mut text);
        }
        let name = self.names[split].clone();
        if !text.is_empty() {
            entries.push((name.clone(), Entry::Lines(text)));
        }
        match self.rng.below(20) {
            0..=4 => {
                self.clock.splits[split].idle = true;
                let _ = writeln!(self.trace, "  {} idle", text_of(&name));
                entries.push((name, Entry::Idle));
            }
            5 => self.end(split, entries),
            _ => {}
        }
    }

    fn end(&mut self, split: usize, entries: &mut Vec<(SplitName, Entry)>) {
        self.saw("ends");
        self.clock.splits[split].ended = true;
        let name = self.names[split].clone();
        let _ = writeln!(self.trace, "  {} ended", text_of(&name));
        entries.push((name, Entry::Ended));
    }

    fn record(&mut self, split: usize, text: &mut String) {
        self.now[split] += match self.case.windows {
            Windows::Session { gap } => self.rng.between(0, gap + 2),
            _ => self.rng.between(0, 4),
        };
        let now = self.now[split];
        let time = match self.rng.below(12) {
            0 => None,
            1..=3 => Some(now - self.rng.between(0, 12)),
            _ => Some(now),
        };
        let keys = [Some("a"), Some("b"), Some("a"), None, Some("a"), Some("a")];
        let key = self.rng.pick(&keys).map(str::to_owned);
        let int = (!self.rng.percent(15)).then(|| self.rng.between(-9, 9));
        let json = |value: Option<String>| value.unwrap_or_else(|| "null".into());
        let line = format!(
            "{{\"k\":{},\"ts\":{},\"i\":{}}}\n",
            json(key.as_ref().map(|key| format!("\"{key}\""))),
            json(time.map(|time| format!("\"{}\"", timestamp(time)))),
            json(int.map(|int| int.to_string())),
        );
        let name = text_of(&self.names[split]);
        let _ = writeln!(self.trace, "  {name} {key:?} {time:?} {int:?}");
        let events = &mut self.case.splits[split].events;
        self.offsets[split].insert(self.read[split], events.len());
        self.read[split] += line.len() as u64;
        text.push_str(&line);
        events.push(Event::Record(Record {
            key: key.clone(),
            time,
            int,
            double: None,
            flag: None,
        }));
        if self.clock.splits[split].idle {
            self.saw("wake-ups");
        }
        if let (Some(time), Windows::Session { gap }) = (time, self.case.windows)
            && time + self.case.lateness > self.clock.splits[split].watermark
        {
            self.meet(key, time, gap);
        }
        self.clock.record(split, time.map(|time| time - self.case.delay));
    }

    /// Sees whether a row joins sessions that were apart.
    fn meet(&mut self, key: Option<String>, time: i64, gap: i64) {
        let open = self.sessions.entry(key).or_default();
        let touched = |it: &(i64, i64)| it.0 - gap <= time && time <= it.1 + gap;
        let (joined, apart): (Vec<_>, Vec<_>) = open.drain(..).partition(touched);
        *open = apart;
        let first = joined.iter().map(|it| it.0).min().unwrap_or(time).min(time);
        let last = joined.iter().map(|it| it.1).max().unwrap_or(time).max(time);
        open.push((first, last));
        if joined.len() > 1 {
            self.saw("merged sessions");
        }
    }

    /// Runs an epoch and compares what is told of time.
    fn step(&mut self, entries: &[(SplitName, Entry)]) {
        let pieces = *self.rng.pick(&[1, 2, 4]);
        let firsts: Vec<i64> = entries
            .iter()
            .filter(|(_, entry)| matches!(entry, Entry::Added(_)))
            .map(|_| self.clock.operator)
            .collect();
        let output = self.world.step(entries, pieces);
        let advances = self.clock.end_epoch();
        for (split, to) in &advances {
            self.case.splits[*split].events.push(Event::Advance(*to));
            let _ = writeln!(self.trace, "  {} advanced to {to}", self.case.splits[*split].name);
            self.saw("advances");
        }
        let mut added = Vec::new();
        let mut advanced = Vec::new();
        for (id, control) in &output.controls {
            match control {
                Control::Added { watermark, .. } => added.push(watermark.unwrap().0),
                Control::Advance(watermark) => advanced.push((id.0 as usize, watermark.0)),
                Control::Ended | Control::Idle => panic!("a step decides no {control:?}"),
            }
        }
        assert_eq!(added, firsts, "first watermarks");
        assert_eq!(advanced, advances, "advances");
        let operator = self.world.flow.first_watermark(TableId(0));
        assert_eq!(operator.0, self.clock.operator, "the operator's watermark");
        let _ = writeln!(self.trace, "epoch {} ends at {operator}", self.fired.len() + 1);
        self.keep(&output);
        if self.rng.percent(15) {
            self.world.restart();
            self.saw("restarts");
        }
    }

    fn keep(&mut self, output: &EpochOutput) {
        let pieces: Vec<&Rows> = output.sinks.iter().flat_map(|(_, rows)| rows).collect();
        let lines = pieces.iter().flat_map(|rows| window_lines(&rows.batch)).collect();
        self.fired.push((self.clock.operator, lines));
        let event = |split: usize, offset: u64| self.offsets[split][&offset];
        self.late.extend(output.late.iter().map(|row| {
            let split = row.split.0 as usize;
            let (missed, total) = (row.windows_missed as usize, row.windows_total as usize);
            (split, event(split, row.offset), missed, total)
        }));
        self.dead.extend(output.dead.iter().map(|row| {
            let (split, offset) = row.record.expect("no sum overflows here");
            (split.0 as usize, event(split.0 as usize, offset))
        }));
    }

    /// Compares what came out with what the model says.
    fn compare(&mut self) -> Result<Timed, String> {
        let expected = timed(&self.case);
        let mut before = NEVER;
        for (epoch, (watermark, lines)) in self.fired.iter().enumerate() {
            let due = expected.windows.iter().filter(|(at, _)| before < *at && at <= watermark);
            let due: Vec<&String> = due.map(|(_, line)| line).collect();
            let lines: Vec<&String> = lines.iter().collect();
            if lines != due {
                return Err(format!("epoch {}: fired {lines:#?}, due {due:#?}", epoch + 1));
            }
            before = *watermark;
        }
        self.late.sort_unstable();
        self.dead.sort_unstable();
        if self.late != expected.late {
            return Err(format!("late {:?}, expected {:?}", self.late, expected.late));
        }
        if self.dead != expected.without_time {
            return Err(format!("dead {:?}, expected {:?}", self.dead, expected.without_time));
        }
        Ok(expected)
    }

    /// Counts what the case showed.
    fn note(&mut self, expected: &Timed, shares: &mut Shares) {
        let exactly = |(at, _): &(i64, String)| self.fired.iter().any(|(reached, _)| reached == at);
        let shown = [
            ("late rows", !expected.late.is_empty()),
            ("partly late rows", expected.late.iter().any(|late| late.2 < late.3)),
            ("a window fires exactly at the watermark", expected.windows.iter().any(exactly)),
            ("a row exactly at the bound", expected.late_ties > 0),
            ("two tables", self.tables == 2),
            ("several splits", self.names.len() > 1),
        ];
        shown.into_iter().filter(|(_, shown)| *shown).for_each(|(what, _)| self.saw(what));
        self.seen.keys().for_each(|what| *shares.entry(what).or_default() += 1);
    }
}

/// `key count sum min first last [start, end)` for each row.
fn window_lines(batch: &RecordBatch) -> Vec<String> {
    let keys = batch.column(0).as_string::<i32>();
    let time = |column: usize, row: usize| {
        batch.column(column).as_primitive::<TimestampMillisecondType>().value(row)
    };
    (0..batch.num_rows())
        .map(|row| {
            let key = if keys.is_null(row) { "NULL" } else { keys.value(row) };
            let mut line = key.to_owned();
            for column in 1..6 {
                let column = batch.column(column).as_primitive::<Int64Type>();
                let _ = match column.is_null(row) {
                    true => write!(line, " NULL"),
                    false => write!(line, " {}", column.value(row)),
                };
            }
            let _ = write!(line, " [{}, {})", time(6, row), time(7, row));
            line
        })
        .collect()
}
