//! The splits of a job and their watermarks: the part of time that is a function of
//! the records alone.

use crate::ids::{NodeId, SplitId, SplitName, TableId};
use crate::plan::{NodeKind, Plan, Window, WindowAssign};
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

    /// The smallest watermark over the splits of these tables that have not ended;
    /// `END` if every one of the tables is bounded and all their splits have ended;
    /// `None` if no split says anything.
    // spec: T-3
    #[must_use]
    pub fn minimum(&self, tables: &BTreeSet<TableId>, plan: &Plan) -> Option<Watermark> {
        let of_tables = || self.splits.iter().filter(|split| tables.contains(&split.name.table));
        let lowest = of_tables().filter(|split| !split.ended).map(|split| split.watermark).min();
        let all_bounded = tables.iter().all(|table| plan.table(*table).bounded);
        match lowest {
            Some(watermark) => Some(watermark),
            None if all_bounded => Some(Watermark::END),
            None => None,
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
                self.iter()
                    .filter(|(other, split)| {
                        *other != id
                            && tables.contains(&split.name.table)
                            && !split.idle
                            && !split.ended
                    })
                    .map(|(_, split)| split.watermark)
                    .min()
            })
            .max()
    }
}

/// Which tables feed which operators that keep time.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    /// For each node the tables whose rows reach it, directly or through others.
    tables: Vec<BTreeSet<TableId>>,
    /// For each table the operators that its rows reach without passing another
    /// operator. The ones behind those have more splits, so their minimum is never
    /// larger and T-3 needs not look at them.
    operators: BTreeMap<TableId, BTreeSet<NodeId>>,
}

impl Feeds {
    /// Reads them off a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Feeds {
        let mut feeds = Feeds::default();
        // For each node the tables that reach it without passing an operator.
        let mut direct: Vec<BTreeSet<TableId>> = Vec::new();
        for node in &plan.nodes {
            let union = |sets: &[BTreeSet<TableId>]| -> BTreeSet<TableId> {
                node.inputs.iter().flat_map(|input| sets[input.0 as usize].clone()).collect()
            };
            let (mut all, mut near) = (union(&feeds.tables), union(&direct));
            match &node.kind {
                NodeKind::Scan(scan) => {
                    all.insert(scan.table);
                    near.insert(scan.table);
                }
                NodeKind::WindowAggregate(_)
                | NodeKind::WindowAssign(WindowAssign { window: Window::Session { .. }, .. }) => {
                    for table in std::mem::take(&mut near) {
                        feeds.operators.entry(table).or_default().insert(node.id);
                    }
                }
                NodeKind::SideScan(_)
                | NodeKind::Values(_)
                | NodeKind::Calc(_)
                | NodeKind::Union
                | NodeKind::WindowAssign(_)
                | NodeKind::Sink(_) => {}
            }
            feeds.tables.push(all);
            direct.push(near);
        }
        feeds
    }

    /// The tables whose rows reach a node.
    #[must_use]
    pub fn tables_of(&self, node: NodeId) -> &BTreeSet<TableId> {
        &self.tables[node.0 as usize]
    }

    /// The operators that a table's rows reach first.
    pub fn operators_of(&self, table: TableId) -> impl Iterator<Item = NodeId> + '_ {
        self.operators.get(&table).into_iter().flatten().copied()
    }
}
