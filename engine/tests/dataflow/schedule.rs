//! Schedules: which records and control records of which splits enter which epoch.
//!
//! A first run cuts and interleaves at random, with idle marks and splits that are
//! added late; its outputs tell the control records with their values. Further runs
//! take the same records and control records, each at its place in its split, cut and
//! interleaved otherwise.
// spec: E-2, T-3

use crate::job::Job;
use crate::records::SplitData;
use crate::rng::Rng;
use crate::world::{Entry, Results, World};
use anabranch_engine::dataflow::Control;
use anabranch_engine::ids::{SplitName, TableId};
use anabranch_engine::plan::NodeKind;
use anabranch_engine::time::Watermark;
use std::collections::BTreeSet;

/// One step of a split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Advance(Watermark),
    Ended,
    /// A line, by its index.
    Line(usize),
}

/// A split with its control records at their places.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) added: Watermark,
    pub(crate) steps: Vec<Step>,
}

/// What the first run did, for the shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Happened {
    pub(crate) epochs: usize,
    pub(crate) advances: usize,
    pub(crate) added_late: usize,
    pub(crate) ended: usize,
    pub(crate) idle: usize,
    /// Splits that were idle while another one had ended.
    pub(crate) idle_beside_ended: usize,
    /// Records of splits that were idle.
    pub(crate) wake_ups: usize,
}

/// What is known of a split in the first run.
struct Seen {
    script: Option<Script>,
    next: usize,
    idle: bool,
    ended: bool,
}

/// The first run.
struct Recorder<'a> {
    rng: &'a mut Rng,
    job: &'a Job,
    data: &'a [SplitData],
    seen: Vec<Seen>,
    world: World,
    happened: Happened,
    /// How many lines are taken at once at most.
    lines_max: usize,
    /// Whether every split ends.
    all_end: bool,
}

/// Runs a job once and gives what came out, with the control records.
pub(crate) fn record(
    rng: &mut Rng,
    job: &Job,
    data: &[SplitData],
) -> (Results, Vec<Script>, Happened) {
    let fresh = || Seen { script: None, next: 0, idle: false, ended: false };
    let lines_max = *rng.pick(&[1, 3, 6, 12]);
    let all_end = rng.percent(60);
    let mut recorder = Recorder {
        rng,
        job,
        data,
        seen: data.iter().map(|_| fresh()).collect(),
        world: World::new(&job.plan).ordered(&job.orders),
        happened: Happened::default(),
        lines_max,
        all_end,
    };
    while !recorder.is_done() {
        recorder.epoch();
    }
    let scripts = recorder.seen.into_iter().map(|seen| seen.script.expect("all were added"));
    (recorder.world.finish(), scripts.collect(), recorder.happened)
}

impl Recorder<'_> {
    fn is_done(&self) -> bool {
        self.seen.iter().zip(self.data).all(|(seen, data)| {
            let read = seen.script.is_some() && seen.next == data.lines.len();
            read && (seen.ended || !self.all_end)
        })
    }

    fn bounded(&self, split: usize) -> bool {
        let table = self.data[split].name.table;
        self.job.sources.iter().any(|source| source.id == table && source.bounded)
    }

    fn epoch(&mut self) {
        let mut entries = Vec::new();
        let first = self.happened.epochs == 0;
        for split in 0..self.data.len() {
            // A pipeline lists every table before its first epoch, so a bounded table
            // is never without splits while others have some.
            let of_table = |other: &usize| self.data[*other].name.table;
            let is_first = (0..split).all(|other| of_table(&other) != of_table(&split));
            let now = if first { is_first || self.rng.percent(60) } else { self.rng.percent(12) };
            if now && self.seen[split].script.is_none() {
                let script = Script { added: Watermark::NONE, steps: Vec::new() };
                self.seen[split].script = Some(script);
                self.happened.added_late += usize::from(!first);
                entries.push((self.data[split].name.clone(), Entry::Added(None)));
            }
        }
        for _ in 0..self.rng.below(5) {
            let split = self.rng.below(self.data.len());
            if self.seen[split].script.is_some() && !self.seen[split].ended {
                self.take(split, &mut entries);
            }
        }
        let pieces = *self.rng.pick(&[1, 2, 4]);
        let output = self.world.epoch(&entries, pieces);
        self.happened.epochs += 1;
        for (id, control) in output.controls {
            let name = self.world.flow.splits().get(id).name.clone();
            let split = self.data.iter().position(|data| data.name == name).expect("a split");
            let script = self.seen[split].script.as_mut().expect("it was added");
            match control {
                Control::Added { watermark, .. } => {
                    script.added = watermark.expect("the step tells the value");
                }
                Control::Advance(watermark) => {
                    script.steps.push(Step::Advance(watermark));
                    self.happened.advances += 1;
                }
                Control::Ended | Control::Idle => panic!("a step decides no {control:?}"),
            }
        }
    }

    /// Takes some lines of a split, and perhaps a mark behind them.
    fn take(&mut self, split: usize, entries: &mut Vec<(SplitName, Entry)>) {
        let data = &self.data[split];
        let count = self.rng.below(self.lines_max + 1);
        let all_added = self.seen.iter().all(|seen| seen.script.is_some());
        let may_end = (all_added || !self.bounded(split)) && (self.all_end || self.rng.percent(10));
        let seen = &mut self.seen[split];
        let end = (seen.next + count).min(data.lines.len());
        let script = seen.script.as_mut().expect("it was added");
        let text: String = data.lines[seen.next..end].iter().map(|it| it.text.as_str()).collect();
        if !text.is_empty() {
            // A line without a record does not wake a split.
            if seen.idle && text.contains('{') {
                self.happened.wake_ups += 1;
                seen.idle = false;
            }
            script.steps.extend((seen.next..end).map(Step::Line));
            entries.push((data.name.clone(), Entry::Lines(text)));
        }
        seen.next = end;
        if end == data.lines.len() && may_end && self.rng.percent(50) {
            seen.ended = true;
            script.steps.push(Step::Ended);
            self.happened.ended += 1;
            entries.push((data.name.clone(), Entry::Ended));
        } else if self.rng.percent(20) {
            seen.idle = true;
            self.happened.idle += 1;
            entries.push((data.name.clone(), Entry::Idle));
            let beside = self.seen.iter().any(|seen| seen.ended);
            self.happened.idle_beside_ended += usize::from(beside);
        }
    }
}

/// How a further run goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    /// How many steps of a split are taken at once at most.
    pub(crate) steps_max: usize,
    /// How many picks an epoch has at most.
    pub(crate) picks_max: usize,
    /// In how many of a hundred epochs the state is saved and loaded.
    pub(crate) restarts: usize,
    pub(crate) pieces: usize,
}

/// Where a split stands in a further run.
struct Cursor {
    added: bool,
    next: usize,
    watermark: Watermark,
    ended: bool,
}

/// A further run over the same records and control records.
struct Replayer<'a> {
    rng: &'a mut Rng,
    job: &'a Job,
    data: &'a [SplitData],
    scripts: &'a [Script],
    cursors: Vec<Cursor>,
    /// For each operator the tables that feed it.
    feeds: Vec<BTreeSet<TableId>>,
}

/// Runs a job on recorded scripts; gives what came out and how often the state was
/// saved and loaded.
pub(crate) fn replay(
    rng: &mut Rng,
    job: &Job,
    data: &[SplitData],
    scripts: &[Script],
    style: Style,
) -> (Results, usize) {
    let mut world = World::new(&job.plan).ordered(&job.orders);
    let operators =
        job.plan.nodes.iter().filter(|it| {
            matches!(it.kind, NodeKind::WindowAggregate(_) | NodeKind::WindowAssign(_))
        });
    let mut replayer = Replayer {
        feeds: operators.map(|node| world.flow.feeds().tables_of(node.id).clone()).collect(),
        rng,
        job,
        data,
        scripts,
        cursors: scripts
            .iter()
            .map(|script| Cursor { added: false, next: 0, watermark: script.added, ended: false })
            .collect(),
    };
    let mut restarts = 0;
    while replayer.is_behind() {
        let entries = replayer.entries(style);
        world.epoch(&entries, style.pieces);
        if replayer.rng.percent(style.restarts) {
            world.restart();
            restarts += 1;
        }
    }
    (world.finish(), restarts)
}

impl Replayer<'_> {
    fn is_behind(&self) -> bool {
        let left = |(cursor, script): (&Cursor, &Script)| {
            !cursor.added || cursor.next < script.steps.len()
        };
        self.cursors.iter().zip(self.scripts).any(left)
    }

    /// What enters the next epoch. Splits are added as late as chance will have it,
    /// but before an operator leaves them behind: a new split counts from the first
    /// epoch on.
    // spec: T-3
    fn entries(&mut self, style: Style) -> Vec<(SplitName, Entry)> {
        let mut entries = Vec::new();
        for _ in 0..=self.rng.below(style.picks_max) {
            let split = self.rng.below(self.data.len());
            if self.cursors[split].added {
                let count = self.rng.below(style.steps_max + 1);
                self.take(split, count, &mut entries);
            } else {
                self.add(split, &mut entries);
            }
        }
        while let Some(split) = (0..self.data.len()).find(|split| self.must_add(*split)) {
            self.add(split, &mut entries);
        }
        entries
    }

    fn add(&mut self, split: usize, entries: &mut Vec<(SplitName, Entry)>) {
        self.cursors[split].added = true;
        let added = Entry::Added(Some(self.scripts[split].added));
        entries.push((self.data[split].name.clone(), added));
    }

    fn take(&mut self, split: usize, count: usize, entries: &mut Vec<(SplitName, Entry)>) {
        let (data, script) = (&self.data[split], &self.scripts[split]);
        let cursor = &mut self.cursors[split];
        let mut text = String::new();
        for _ in 0..count {
            let Some(step) = script.steps.get(cursor.next) else { break };
            cursor.next += 1;
            let control = match step {
                Step::Line(line) => {
                    let line = &data.lines[*line];
                    text.push_str(&line.text);
                    let value = line.watermark.map_or(Watermark::NONE, Watermark);
                    cursor.watermark = cursor.watermark.max(value);
                    continue;
                }
                Step::Advance(watermark) => {
                    cursor.watermark = cursor.watermark.max(*watermark);
                    Entry::Advance(*watermark)
                }
                Step::Ended => {
                    cursor.ended = true;
                    Entry::Ended
                }
            };
            if !text.is_empty() {
                entries.push((data.name.clone(), Entry::Lines(std::mem::take(&mut text))));
            }
            entries.push((data.name.clone(), control));
        }
        if !text.is_empty() {
            entries.push((data.name.clone(), Entry::Lines(text)));
        }
    }

    /// Whether, without this split, the epoch would take an operator beyond the
    /// watermark that the split starts at.
    fn must_add(&self, split: usize) -> bool {
        let table = self.data[split].name.table;
        let fed = self.feeds.iter().filter(|tables| tables.contains(&table));
        !self.cursors[split].added
            && fed.into_iter().any(|tables| self.reached(tables) > self.scripts[split].added)
    }

    /// The watermark of an operator over these tables as things stand.
    fn reached(&self, tables: &BTreeSet<TableId>) -> Watermark {
        let added: Vec<&Cursor> = (self.cursors.iter().zip(self.data))
            .filter(|(cursor, data)| cursor.added && tables.contains(&data.name.table))
            .map(|(cursor, _)| cursor)
            .collect();
        let open = added.iter().filter(|cursor| !cursor.ended).map(|cursor| cursor.watermark);
        let sources = self.job.sources.iter().filter(|source| tables.contains(&source.id));
        open.min().unwrap_or_else(|| match sources.into_iter().all(|source| source.bounded) {
            true => Watermark::END,
            false => added.iter().map(|it| it.watermark).max().unwrap_or(Watermark::NONE),
        })
    }
}
