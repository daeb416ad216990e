//! The splits of a job and their watermarks: the part of time that is a function of
//! the records alone.

use crate::ids::{NodeId, SplitId, SplitName, TableId};
use crate::plan::{NodeKind, Plan, Window, WindowAssign};
use crate::planted;
use crate::time::Watermark;
use std::collections::{BTreeMap, BTreeSet};

/// One split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// What identifies it.
    pub name: SplitName,
    /// The largest value of the watermark expression so far, or what an advance put
    /// it to. Invariant: never falls.
    // spec: T-1
    pub watermark: Watermark,
    /// Whether its source said that the reader stands at the end of the log. A
    /// record ends it.
    pub idle: bool,
    /// Whether it will never have another record.
    pub ended: bool,
    /// Where its next record starts. Invariant: never falls.
    pub next_offset: u64,
    /// How many lines lie before `next_offset`, for tables that are files.
    pub lines: u64,
}

/// All splits that were ever added, by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Splits {
    splits: Vec<Split>,
    /// The names of `splits`, by id.
    names: Vec<SplitName>,
}

impl Splits {
    /// These splits, by id.
    #[must_use]
    pub fn of(splits: Vec<Split>) -> Splits {
        let names = splits.iter().map(|split| split.name.clone()).collect();
        Splits { splits, names }
    }

    /// Adds a split and gives its id, the next free one.
    ///
    /// # Panics
    /// If the name is there already: names are unique within a job.
    pub fn add(&mut self, name: SplitName, watermark: Watermark, start: u64) -> SplitId {
        assert!(
            self.splits.iter().all(|split| split.name != name),
            "the split {} was added twice",
            name.name
        );
        let id = SplitId(self.splits.len() as u32);
        self.names.push(name.clone());
        self.splits.push(Split {
            name,
            watermark,
            idle: false,
            ended: false,
            next_offset: start,
            lines: 0,
        });
        id
    }

    /// A split by its id.
    #[must_use]
    pub fn get(&self, id: SplitId) -> &Split {
        &self.splits[id.0 as usize]
    }

    /// The names of all splits, by id.
    #[must_use]
    pub fn names(&self) -> &[SplitName] {
        &self.names
    }

    /// A split by its id, if it was added.
    #[must_use]
    pub fn try_get(&self, id: SplitId) -> Option<&Split> {
        self.splits.get(id.0 as usize)
    }

    /// A split by its id, to change.
    pub fn get_mut(&mut self, id: SplitId) -> &mut Split {
        &mut self.splits[id.0 as usize]
    }

    /// All splits, by id.
    pub fn iter(&self) -> impl Iterator<Item = (SplitId, &Split)> {
        self.splits.iter().enumerate().map(|(index, split)| (SplitId(index as u32), split))
    }

    /// The id of a split by its name.
    #[must_use]
    pub fn find(&self, name: &SplitName) -> Option<SplitId> {
        self.iter().find(|(_, split)| split.name == *name).map(|(id, _)| id)
    }

    /// Raises a split's watermark; a lower value changes nothing.
    pub fn raise(&mut self, id: SplitId, watermark: Watermark) {
        let split = self.get_mut(id);
        split.watermark = split.watermark.max(watermark);
    }

    /// How far the splits of a table have come.
    #[must_use]
    pub fn progress(&self, table: TableId, plan: &Plan) -> Progress {
        let of_table = || self.splits.iter().filter(|split| split.name.table == table);
        let ended = of_table().filter(|split| split.ended).map(|split| split.watermark).max();
        let is_open = |split: &&Split| {
            let leaves_idle_out = planted!(W10) || (planted!(W11) && ended.is_some());
            let is_left_out = split.idle && leaves_idle_out;
            !split.ended && !is_left_out
        };
        let open = || of_table().filter(is_open).map(|split| split.watermark);
        Progress {
            open: if planted!(W1) { open().max() } else { open().min() },
            ended: ended.unwrap_or(Watermark::NONE),
            bounded: plan.table(table).bounded,
        }
    }

    /// The watermark that the idle split `id` is advanced to: the largest, over the
    /// operators that it feeds, of the minimum over their other splits that are
    /// neither idle nor ended. `None` if there is no such operator.
    // spec: T-3
    #[must_use]
    pub fn advance_of(&self, id: SplitId, feeds: &Feeds) -> Option<Watermark> {
        let table = self.get(id).name.table;
        feeds
            .operators_of(table)
            .filter_map(|operator| {
                let tables = feeds.tables_of(operator);
                let others = self
                    .iter()
                    .filter(|(other, split)| {
                        *other != id
                            && tables.contains(&split.name.table)
                            && !split.idle
                            && !split.ended
                    })
                    .map(|(_, split)| split.watermark);
                if planted!(W9) { others.max() } else { others.min() }
            })
            .max()
    }
}

/// How far the splits and operators that feed a node have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The smallest watermark over the operators, and over the splits that have not
    /// ended; `None` if there is none.
    open: Option<Watermark>,
    /// The largest watermark over the splits that ended.
    ended: Watermark,
    /// Whether every table is bounded.
    bounded: bool,
}

impl Progress {
    /// Of a node that nothing feeds and that gives no row any more.
    pub const DONE: Progress = Progress { open: None, ended: Watermark::NONE, bounded: true };
    /// Of a node that knows no time.
    pub const TIMELESS: Progress =
        Progress { open: Some(Watermark::NONE), ended: Watermark::NONE, bounded: true };

    /// Of a node that both feed.
    #[must_use]
    pub fn and(self, other: Progress) -> Progress {
        Progress {
            open: self.open.into_iter().chain(other.open).min(),
            ended: self.ended.max(other.ended),
            bounded: self.bounded && other.bounded,
        }
    }

    /// Of an operator with this output watermark. What it holds may still come, from
    /// splits that are added later, so it counts as open also when its splits ended.
    // spec: T-5
    #[must_use]
    pub fn of_operator(output: Watermark) -> Progress {
        match output {
            Watermark::END => Progress::DONE,
            _ => Progress { open: Some(output), ..Progress::DONE },
        }
    }

    /// The watermark: the minimum over the splits that have not ended. When all have,
    /// it is the end if no other split can come, and otherwise the largest that a
    /// split reached: that is what the minimum comes to if the splits end one after
    /// the other, the lowest first, so it depends on no cut and no interleaving.
    // spec: E-2, T-3
    #[must_use]
    pub fn watermark(self) -> Watermark {
        match self.open {
            Some(watermark) => watermark,
            None if self.bounded => Watermark::END,
            None => self.ended,
        }
    }
}

/// Which tables feed which operators that keep time.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    /// For each node the tables whose rows reach it, directly or through others.
    tables: Vec<BTreeSet<TableId>>,
    /// For each table the operators that its rows reach, directly or through others.
    /// One behind another may have a split that is not idle when the first has none.
    // spec: T-3
    operators: BTreeMap<TableId, BTreeSet<NodeId>>,
}

impl Feeds {
    /// Reads them off a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Feeds {
        let mut feeds = Feeds::default();
        for node in &plan.nodes {
            let mut tables: BTreeSet<TableId> =
                node.inputs.iter().flat_map(|input| feeds.tables_of(*input).clone()).collect();
            match &node.kind {
                NodeKind::Scan(scan) => {
                    tables.insert(scan.table);
                }
                NodeKind::WindowAggregate(_)
                | NodeKind::WindowAssign(WindowAssign { window: Window::Session { .. }, .. }) => {
                    for table in &tables {
                        feeds.operators.entry(*table).or_default().insert(node.id);
                    }
                }
                NodeKind::SideScan(_)
                | NodeKind::Values(_)
                | NodeKind::Calc(_)
                | NodeKind::Union
                | NodeKind::WindowAssign(_)
                | NodeKind::Sink(_) => {}
            }
            feeds.tables.push(tables);
        }
        feeds
    }

    /// The tables whose rows reach a node.
    #[must_use]
    pub fn tables_of(&self, node: NodeId) -> &BTreeSet<TableId> {
        &self.tables[node.0 as usize]
    }

    /// The operators that a table's rows reach.
    pub fn operators_of(&self, table: TableId) -> impl Iterator<Item = NodeId> + '_ {
        self.operators.get(&table).into_iter().flatten().copied()
    }
}
