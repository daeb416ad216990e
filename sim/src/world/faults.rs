//! Deviations that wait for their triggers.

use super::source::SourceSplit;
use crate::plan::{Action, Deviation, Operation, Point, Target, Trigger};
use crate::time::VirtualTime;
use anabranch_engine::ids::{Epoch, TableId};
use anabranch_engine::plan::Plan;
use std::collections::BTreeMap;
use std::ops::Range;

/// What a pipeline asks for, without what it says about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    ReadJournal,
    Inspect,
    OpenJournal,
    Open,
    List,
    Load,
    Discover,
    Fetch,
    Append,
    Finish,
    Apply,
    Store,
    Trim,
    Prove,
    Other,
}

/// A side of something that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Before,
    /// An output was handed on, which says nothing of what became of it.
    Routed,
    After,
    /// It was not done after all.
    Failed,
    Request,
    Answer,
}

/// What is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concerns {
    Nothing,
    /// Epochs after the first up to the second.
    Epochs(Epoch, Epoch),
    /// Offsets of a split, from the first up to before the second.
    Offsets(u64, u64),
}

/// A moment at which a deviation may happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) side: Side,
    pub(super) kind: Kind,
    pub(super) table: Option<TableId>,
    pub(super) split: Option<usize>,
    pub(super) service: Option<usize>,
    pub(super) concerns: Concerns,
    pub(super) restarts: u32,
}

/// A deviation that has not happened, as it is matched.
#[derive(Clone, Debug)]
struct Armed {
    index: usize,
    left: u32,
    side: Side,
    kind: Option<Kind>,
    table: Option<TableId>,
    split: Option<usize>,
    service: Option<usize>,
    /// The split and the offset of the record that it names.
    holding: Option<(usize, u64)>,
    /// The epoch that holds the record, as each process wanted it appended, by restarts: one
    /// that dies before takes its own with it.
    wanted: BTreeMap<u32, Epoch>,
    /// The epoch that holds it, as the journal has it.
    epoch: Option<Epoch>,
    restarts: Option<u32>,
}

/// All deviations of a run.
#[derive(Debug, Default)]
pub(super) struct Faults {
    deviations: Vec<Deviation>,
    armed: Vec<Armed>,
    happened: Vec<bool>,
}

impl Faults {
    /// Prepares the deviations of a plan; gives those that have a time, too.
    ///
    /// # Errors
    /// If one names what is not there.
    pub(super) fn new(
        deviations: &[Deviation],
        job: &Plan,
        splits: &[SourceSplit],
        services: &[String],
    ) -> Result<(Faults, Vec<(VirtualTime, usize)>), String> {
        let mut faults = Faults {
            deviations: deviations.to_vec(),
            armed: Vec::new(),
            happened: vec![false; deviations.len()],
        };
        let mut timed = Vec::new();
        for (index, deviation) in deviations.iter().enumerate() {
            match &deviation.trigger {
                Trigger::At(at) => timed.push((*at, index)),
                Trigger::When { nth, point, holding, restarts } => {
                    let names = Names { job, splits, services };
                    let mut armed = names.armed(point)?;
                    (armed.index, armed.left, armed.restarts) = (index, *nth, *restarts);
                    if let Some(record) = holding {
                        let split = names.split(&record.split)?;
                        // A record that is not there: the deviation is stale.
                        let offset = splits[split].offset_of(record).unwrap_or(u64::MAX);
                        armed.holding = Some((split, offset));
                    }
                    faults.armed.push(armed);
                }
            }
        }
        Ok((faults, timed))
    }

    /// The actions that are due at a moment.
    pub(super) fn consult(&mut self, moment: &Moment) -> Vec<Action> {
        let mut due = Vec::new();
        if self.armed.is_empty() {
            return due;
        }
        if (moment.side, moment.kind) == (Side::After, Kind::Append) {
            self.armed.iter_mut().for_each(|armed| armed.note_appended(moment));
        }
        let (deviations, happened) = (&self.deviations, &mut self.happened);
        self.armed.retain_mut(|armed| {
            if !armed.matches(moment) {
                return true;
            }
            armed.left -= 1;
            if armed.left > 0 {
                return true;
            }
            happened[armed.index] = true;
            due.push(deviations[armed.index].action.clone());
            false
        });
        due
    }

    /// The action of a deviation that has a time.
    pub(super) fn timed(&mut self, index: usize) -> Action {
        self.happened[index] = true;
        self.deviations[index].action.clone()
    }

    /// Whether some deviation waits for the epoch of a record.
    pub(super) fn wants_records(&self) -> bool {
        self.armed.iter().any(|armed| armed.holding.is_some())
    }

    /// A process wants an epoch appended that takes these offsets of a split.
    pub(super) fn note_slice(
        &mut self,
        restarts: u32,
        epoch: Epoch,
        split: usize,
        offsets: Range<u64>,
    ) {
        for armed in &mut self.armed {
            if let Some((of, offset)) = armed.holding
                && of == split
                && offsets.contains(&offset)
            {
                armed.wanted.insert(restarts, epoch);
            }
        }
    }

    /// Nothing goes wrong any more.
    pub(super) fn disarm(&mut self) {
        self.armed.clear();
    }

    /// Deviations that never happened.
    pub(super) fn stale(&self) -> Vec<usize> {
        (0..self.happened.len()).filter(|index| !self.happened[*index]).collect()
    }
}

impl Armed {
    fn matches(&self, moment: &Moment) -> bool {
        fn is<T: PartialEq>(wanted: &Option<T>, found: Option<T>) -> bool {
            wanted.is_none() || *wanted == found
        }
        self.side == moment.side
            && self.kind.is_none_or(|kind| kind == moment.kind)
            && self.restarts.is_none_or(|restarts| restarts == moment.restarts)
            && is(&self.table, moment.table)
            && is(&self.split, moment.split)
            && is(&self.service, moment.service)
            && self.holds(moment)
    }

    /// A process has appended these epochs.
    fn note_appended(&mut self, moment: &Moment) {
        let Concerns::Epochs(after, last) = moment.concerns else { return };
        let own = self.wanted.get(&moment.restarts).copied();
        if let Some(epoch) = own.filter(|epoch| after < *epoch && *epoch <= last) {
            self.epoch = Some(epoch);
        }
    }

    fn holds(&self, moment: &Moment) -> bool {
        let Some((split, offset)) = self.holding else { return true };
        match moment.concerns {
            Concerns::Nothing => false,
            Concerns::Epochs(after, last) => {
                let own = self.wanted.get(&moment.restarts).copied();
                own.or(self.epoch).is_some_and(|epoch| after < epoch && epoch <= last)
            }
            Concerns::Offsets(from, to) => {
                moment.split == Some(split) && (from..to).contains(&offset)
            }
        }
    }
}

/// What the names in a plan can mean.
struct Names<'a> {
    job: &'a Plan,
    splits: &'a [SourceSplit],
    services: &'a [String],
}

impl Names<'_> {
    fn split(&self, name: &str) -> Result<usize, String> {
        let found = self.splits.iter().position(|split| split.is_called(name));
        found.ok_or_else(|| format!("there is no split {name}"))
    }

    fn table(&self, name: &str) -> Result<TableId, String> {
        let found = self.job.tables.iter().find(|table| table.name == name);
        found.map(|table| table.id).ok_or_else(|| format!("the job has no table {name}"))
    }

    fn armed(&self, point: &Point) -> Result<Armed, String> {
        let nothing = Armed {
            index: 0,
            left: 1,
            side: Side::Before,
            kind: None,
            table: None,
            split: None,
            service: None,
            holding: None,
            wanted: BTreeMap::new(),
            epoch: None,
            restarts: None,
        };
        let (side, operation) = match point {
            Point::Before(operation) => (Side::Before, operation),
            Point::After(Operation::Output) => (Side::Routed, &Operation::Output),
            Point::After(operation) => (Side::After, operation),
            Point::Request(Target::Of(operation)) => (Side::Request, operation),
            Point::Answer(Target::Of(operation)) => (Side::Answer, operation),
            Point::Request(Target::To(service)) | Point::Answer(Target::To(service)) => {
                let found = self.services.iter().position(|name| name == service);
                let service = found.ok_or_else(|| format!("there is no service {service}"))?;
                let is_request = matches!(point, Point::Request(_));
                let side = if is_request { Side::Request } else { Side::Answer };
                return Ok(Armed { side, service: Some(service), ..nothing });
            }
        };
        let table = |name: &Option<String>| name.as_deref().map(|n| self.table(n)).transpose();
        let of = |kind| Armed { side, kind: Some(kind), ..nothing.clone() };
        Ok(match operation {
            Operation::Output => Armed { side, ..nothing },
            Operation::ReadJournal => of(Kind::ReadJournal),
            Operation::Inspect(name) => Armed { table: table(name)?, ..of(Kind::Inspect) },
            Operation::OpenJournal => of(Kind::OpenJournal),
            Operation::Open(name) => Armed { table: table(name)?, ..of(Kind::Open) },
            Operation::List => of(Kind::List),
            Operation::Load => of(Kind::Load),
            Operation::Discover(name) => Armed { table: table(name)?, ..of(Kind::Discover) },
            Operation::Fetch(name) => {
                let split = name.as_deref().map(|name| self.split(name)).transpose()?;
                Armed { split, ..of(Kind::Fetch) }
            }
            Operation::Append => of(Kind::Append),
            Operation::Finish => of(Kind::Finish),
            Operation::Apply(name) => Armed { table: table(name)?, ..of(Kind::Apply) },
            Operation::Store => of(Kind::Store),
            Operation::Trim => of(Kind::Trim),
            Operation::Prove => of(Kind::Prove),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_in_the_epoch_that_was_appended_and_in_none_that_was_only_wanted() {
        let point = Point::After(Operation::Append);
        let trigger = Trigger::When { nth: 1, point, holding: None, restarts: None };
        let deviation = Deviation { trigger, action: Action::DoubleStart };
        let armed = Armed {
            index: 0,
            left: 1,
            side: Side::After,
            kind: Some(Kind::Append),
            table: None,
            split: None,
            service: None,
            holding: Some((0, 3)),
            wanted: BTreeMap::new(),
            epoch: None,
            restarts: None,
        };
        let (deviations, happened) = (vec![deviation], vec![false]);
        let mut faults = Faults { deviations, armed: vec![armed], happened };
        let appended = |restarts, last| Moment {
            side: Side::After,
            kind: Kind::Append,
            table: None,
            split: None,
            service: None,
            concerns: Concerns::Epochs(Epoch(last - 1), Epoch(last)),
            restarts,
        };
        // The first process dies before its record is there; the epoch of the second one has
        // the same number, and not this record.
        faults.note_slice(0, Epoch(5), 0, 2..4);
        faults.note_slice(1, Epoch(5), 0, 0..3);
        assert_eq!(faults.consult(&appended(1, 5)), []);
        faults.note_slice(1, Epoch(6), 0, 3..4);
        assert_eq!(faults.consult(&appended(1, 6)), [Action::DoubleStart]);
        assert_eq!(faults.stale(), Vec::<usize>::new());
    }
}
