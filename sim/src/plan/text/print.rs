//! From plans to text.

use super::VERSION;
use super::config::limits;
use super::token::{Escaped, Name, Time};
use crate::model::Disturbance;
use crate::plan::{
    Action, Deviation, LinkFault, MessageFault, Operation, Point, RecordKind, RunPlan, Settings,
    SourceFault, SplitInput, SplitShape, Target, Ties, Trigger,
};
use anabranch_engine::pipeline::PipelineConfig;
use std::fmt::{self, Display, Formatter};

pub(super) fn print(plan: &RunPlan, f: &mut Formatter<'_>) -> fmt::Result {
    writeln!(f, "anabranch run plan {VERSION}")?;
    writeln!(f, "job {}", Name(&plan.job))?;
    writeln!(f, "seed {}", plan.seed)?;
    let usual = PipelineConfig::default();
    if plan.pipeline.binary != usual.binary {
        writeln!(f, "binary {}", Name(&plan.pipeline.binary))?;
    }
    for ((name, value), (_, usual)) in limits(&plan.pipeline).into_iter().zip(limits(&usual)) {
        if value != usual {
            writeln!(f, "config {name} {value}")?;
        }
    }
    settings(&plan.settings, f)?;
    plan.splits.iter().try_for_each(|input| split(input, f))?;
    for Deviation { trigger, action } in &plan.deviations {
        writeln!(f, "when {trigger} do {action}")?;
    }
    plan.marks.iter().try_for_each(|mark| writeln!(f, "expect {}", Name(mark)))
}

fn settings(settings: &Settings, f: &mut Formatter<'_>) -> fmt::Result {
    let stores = &settings.stores;
    writeln!(f, "store journal {}", stores.journal.name())?;
    writeln!(f, "store snapshots {}", stores.snapshots.name())?;
    writeln!(f, "store sinks {}", stores.sinks.name())?;
    for (table, kind) in &stores.sink {
        writeln!(f, "store sink {} {}", Name(table), kind.name())?;
    }
    let links = &settings.links;
    for (name, link) in [
        ("journal", links.journal),
        ("snapshots", links.snapshots),
        ("sinks", links.sinks),
        ("sources", links.sources),
    ] {
        writeln!(f, "link {name} {} jitter {}", Time(link.base), Time(link.jitter))?;
    }
    writeln!(f, "cpu {} kibibyte {}", Time(settings.cpu.turn), Time(settings.cpu.kibibyte))?;
    let restarts = &settings.restarts;
    let (delay, backoff) = (Time(restarts.delay), Time(restarts.backoff));
    writeln!(f, "restart {delay} backoff {backoff} starts {}", restarts.starts_max)?;
    let timing = &settings.timing;
    writeln!(f, "wait {} hold {}", Time(timing.request_limit), Time(timing.hold))?;
    writeln!(f, "heal {} budget {}", Time::from(timing.heal), Time(timing.budget))?;
    writeln!(f, "pieces {}", settings.pieces)?;
    settings.ties.map_or(Ok(()), |ties| print_ties(ties, f))
}

fn print_ties(ties: Ties, f: &mut Formatter<'_>) -> fmt::Result {
    write!(f, "ties {}", ties.seed)?;
    if ties.from.0 != 0 {
        write!(f, " from {}", Time::from(ties.from))?;
    }
    if let Some(until) = ties.until {
        write!(f, " until {}", Time::from(until))?;
    }
    writeln!(f)
}

fn split(input: &SplitInput, f: &mut Formatter<'_>) -> fmt::Result {
    let shape = match input.shape {
        SplitShape::File => "file",
        SplitShape::Log => "log",
    };
    write!(f, "split {} {} {shape}", Name(&input.table), Name(&input.name))?;
    if input.added.0 != 0 {
        write!(f, " added {}", Time::from(input.added))?;
    }
    if let Some(ended) = input.ended {
        write!(f, " ended {}", Time::from(ended))?;
    }
    writeln!(f)?;
    for record in &input.records {
        let (number, at) = (record.number, Time::from(record.at));
        match &record.kind {
            RecordKind::Gap { offsets } => writeln!(f, "gap {number} at {at} offsets {offsets}")?,
            RecordKind::Raw(bytes) => writeln!(f, "raw {number} at {at} = {}", Line(bytes))?,
            RecordKind::Whole { value, timestamp_ms } => {
                write!(f, "record {number} at {at}")?;
                if let Some(ms) = timestamp_ms {
                    write!(f, " stamp {ms}")?;
                }
                writeln!(f, " = {}", Line(value))?;
            }
        }
    }
    Ok(())
}

/// Bytes at the end of a line: a blank there has to be seen.
struct Line<'a>(&'a [u8]);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kept = self.0.trim_ascii_end().len();
        let (text, blanks) = self.0.split_at(kept);
        write!(f, "{}", Escaped(text, false))?;
        blanks.iter().try_for_each(|blank| write!(f, "\\x{blank:02x}"))
    }
}

impl Display for Trigger {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Trigger::At(at) => write!(f, "at {}", Time::from(*at)),
            Trigger::When { nth, point, holding, restarts } => {
                if *nth != 1 {
                    write!(f, "nth {nth} ")?;
                }
                write!(f, "{point}")?;
                if let Some(record) = holding {
                    write!(f, " of {}:{}", Name(&record.split), record.number)?;
                }
                match restarts {
                    Some(restarts) => write!(f, " after restart {restarts}"),
                    None => Ok(()),
                }
            }
        }
    }
}

impl Display for Point {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Point::Before(operation) => write!(f, "before {operation}"),
            Point::After(operation) => write!(f, "after {operation}"),
            Point::Request(target) => write!(f, "request of {target}"),
            Point::Answer(target) => write!(f, "answer of {target}"),
        }
    }
}

impl Display for Target {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Target::Of(operation) => write!(f, "{operation}"),
            Target::To(service) => write!(f, "service {}", Name(service)),
        }
    }
}

impl Display for Operation {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (word, of, name) = match self {
            Operation::Output => ("output", "", &None),
            Operation::ReadJournal => ("read-journal", "", &None),
            Operation::Inspect(table) => ("inspect", "to", table),
            Operation::OpenJournal => ("open-journal", "", &None),
            Operation::Open(table) => ("open", "to", table),
            Operation::List => ("list", "", &None),
            Operation::Load => ("load", "", &None),
            Operation::Discover(table) => ("discover", "to", table),
            Operation::Fetch(split) => ("fetch", "of", split),
            Operation::Append => ("append", "", &None),
            Operation::Finish => ("finish", "", &None),
            Operation::Apply(table) => ("apply", "to", table),
            Operation::Store => ("store", "", &None),
            Operation::Trim => ("trim", "", &None),
            Operation::Prove => ("prove", "", &None),
        };
        match name {
            Some(name) => write!(f, "{word} {of} {}", Name(name)),
            None => f.write_str(word),
        }
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let restart = |f: &mut Formatter<'_>, span: &Option<crate::time::Span>| match span {
            Some(span) => write!(f, " restart {}", Time(*span)),
            None => Ok(()),
        };
        match self {
            Action::Crash { restart: span } => {
                f.write_str("crash")?;
                restart(f, span)
            }
            Action::PowerFailure { choice, restart: span } => {
                write!(f, "power-failure {choice}")?;
                restart(f, span)
            }
            Action::Pause { span, successor, until } => {
                write!(f, "pause {}", Time(*span))?;
                f.write_str(if *successor { " successor" } else { "" })?;
                until.map_or(Ok(()), |outputs| write!(f, " until {outputs}"))
            }
            Action::DoubleStart => f.write_str("double-start"),
            Action::ClockJump { by } => write!(f, "clock-jump {}", Time(*by)),
            Action::ClockDrift { ppm } => write!(f, "clock-drift {ppm}"),
            Action::Message(fault) => match fault {
                MessageFault::DropRequest => f.write_str("drop-request"),
                MessageFault::DropAnswer => f.write_str("drop-answer"),
                MessageFault::Refuse => f.write_str("refuse"),
                MessageFault::Delay(span) => write!(f, "delay {}", Time(*span)),
                MessageFault::Duplicate(span) => write!(f, "duplicate {}", Time(*span)),
                MessageFault::Late(span) => write!(f, "late {}", Time(*span)),
            },
            Action::Link { service, fault, span } => {
                let (service, span) = (Name(service), Time(*span));
                match fault {
                    LinkFault::Cut => write!(f, "cut {service} for {span}"),
                    LinkFault::CutAnswers => write!(f, "cut-answers {service} for {span}"),
                    LinkFault::CutRequests => write!(f, "cut-requests {service} for {span}"),
                    LinkFault::Slow(by) => write!(f, "slow {service} by {} for {span}", Time(*by)),
                }
            }
            Action::Disturb { service, disturbance } => {
                write!(f, "disturb {} ", Name(service))?;
                print_disturbance(disturbance, f)
            }
            Action::State(_) => f.write_str(self.kind()),
            Action::Poison { record } => {
                write!(f, "poison {}:{}", Name(&record.split), record.number)
            }
            Action::Source { split, fault } => {
                write!(f, "source {} ", Name(split))?;
                match fault {
                    SourceFault::Retain { keep } => write!(f, "retain {keep}"),
                    SourceFault::Truncate { records } => write!(f, "truncate {records}"),
                    SourceFault::Recreate => f.write_str("recreate"),
                    SourceFault::Rewind => f.write_str("rewind"),
                    SourceFault::Compact { number } => write!(f, "compact {number}"),
                }
            }
        }
    }
}

fn print_disturbance(disturbance: &Disturbance, f: &mut Formatter<'_>) -> fmt::Result {
    match disturbance {
        Disturbance::LoseAcknowledged { writes } => write!(f, "lose-acknowledged {writes}"),
        Disturbance::LoseMarker => f.write_str("lose-marker"),
        Disturbance::Failover => f.write_str("failover"),
        Disturbance::ExpireProducers => f.write_str("expire-producers"),
        Disturbance::Retention { keep } => write!(f, "retention {keep}"),
        Disturbance::Merge => f.write_str("merge"),
        Disturbance::ForgetTokens => f.write_str("forget-tokens"),
        Disturbance::StopInsert { parts } => write!(f, "stop-insert {parts}"),
        Disturbance::Fill { writes } => write!(f, "fill {writes}"),
        Disturbance::MakeRoom => f.write_str("make-room"),
        Disturbance::FailSync => f.write_str("fail-sync"),
        Disturbance::TakeFiles => f.write_str("take-files"),
        Disturbance::Rot { place } => write!(f, "rot {place}"),
        Disturbance::PowerFailure { choice } => write!(f, "power-failure {choice}"),
    }
}
