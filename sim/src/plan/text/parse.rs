//! From text to plans.

use super::VERSION;
use super::config::set_limit;
use super::token::{Word, span, unescape, words};
use crate::model::Disturbance;
use crate::plan::{
    Action, Deviation, Latency, LinkFault, MessageFault, Operation, Point, Record, RecordKind,
    RecordName, RunPlan, Settings, SourceFault, SplitInput, SplitShape, StateFault, StoreKind,
    Target, Ties, Trigger,
};
use crate::time::{Span, VirtualTime};
use anabranch_engine::pipeline::PipelineConfig;
use std::str::FromStr;

/// Why a text is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong in it.
    pub what: String,
}

impl std::fmt::Display for PlanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for PlanError {}

pub(super) fn parse(text: &str) -> Result<RunPlan, PlanError> {
    let mut plan = RunPlan::calm("", 0, PipelineConfig::default());
    let mut lines = text.lines().zip(1..).filter(|(line, _)| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let header = format!("anabranch run plan {VERSION}");
    match lines.next() {
        Some((first, _)) if first.trim() == header => {}
        _ => return Err(PlanError { line: 1, what: format!("a plan begins with: {header}") }),
    }
    for (line, number) in lines {
        take_line(&mut plan, line).map_err(|what| PlanError { line: number, what })?;
    }
    Ok(plan)
}

/// The words of a line that were not taken yet.
struct Words {
    words: std::iter::Peekable<std::vec::IntoIter<Word>>,
}

impl Words {
    fn next(&mut self, what: &str) -> Result<Word, String> {
        self.words.next().ok_or_else(|| format!("{what} is missing"))
    }

    fn name(&mut self, what: &str) -> Result<String, String> {
        let word = self.next(what)?;
        match word.number {
            None => Ok(word.text),
            Some(number) => {
                Err(format!("a record, {}:{number}, where {what} is wanted", word.text))
            }
        }
    }

    fn number<T: FromStr>(&mut self, what: &str) -> Result<T, String> {
        let text = self.name(what)?;
        text.parse().map_err(|_| format!("{text} is not {what}"))
    }

    fn record(&mut self) -> Result<RecordName, String> {
        let word = self.next("a record")?;
        let number = word.number.ok_or_else(|| format!("{} is no record: split:7", word.text))?;
        Ok(RecordName { split: word.text, number })
    }

    fn span(&mut self) -> Result<Span, String> {
        span(&self.name("a time")?)
    }

    fn at(&mut self) -> Result<VirtualTime, String> {
        Ok(VirtualTime(self.span()?.0))
    }

    /// Takes the word, if it is the next one.
    fn takes(&mut self, word: &str) -> bool {
        let is_next = |next: &Word| !next.quoted && next.number.is_none() && next.text == word;
        self.words.next_if(is_next).is_some()
    }

    fn expect(&mut self, word: &str) -> Result<(), String> {
        match self.takes(word) {
            true => Ok(()),
            false => Err(format!("`{word}` is missing")),
        }
    }

    fn end(mut self) -> Result<(), String> {
        match self.words.next() {
            None => Ok(()),
            Some(word) => Err(format!("`{}` is too much", word.text)),
        }
    }
}

fn take_line(plan: &mut RunPlan, line: &str) -> Result<(), String> {
    let (list, value) = words(line)?;
    let mut words = Words { words: list.into_iter().peekable() };
    let verb = words.name("a word")?;
    let value = value.map(unescape).transpose()?;
    match verb.as_str() {
        "job" => plan.job = words.name("a job")?,
        "seed" => plan.seed = words.number("a seed")?,
        "binary" => plan.pipeline.binary = words.name("a version")?,
        "config" => {
            let name = words.name("a limit")?;
            set_limit(&mut plan.pipeline, &name, words.number("a number")?)?;
        }
        "split" => plan.splits.push(split(&mut words)?),
        "record" | "raw" | "gap" => {
            let record = record(&verb, &mut words, value)?;
            let split = plan.splits.last_mut().ok_or("a record before the first split")?;
            split.records.push(record);
            return words.end();
        }
        "when" => plan.deviations.push(deviation(&mut words)?),
        "expect" => plan.marks.push(words.name("a mark")?),
        other => setting(&mut plan.settings, other, &mut words)?,
    }
    if value.is_some() {
        return Err("only records have a value".to_owned());
    }
    words.end()
}

/// A line about the world without its faults.
fn setting(settings: &mut Settings, verb: &str, words: &mut Words) -> Result<(), String> {
    match verb {
        "store" => store(settings, words)?,
        "link" => {
            let name = words.name("a link")?;
            let base = words.span()?;
            words.expect("jitter")?;
            let latency = Latency { base, jitter: words.span()? };
            match name.as_str() {
                "journal" => settings.links.journal = latency,
                "snapshots" => settings.links.snapshots = latency,
                "sinks" => settings.links.sinks = latency,
                "sources" => settings.links.sources = latency,
                other => return Err(format!("there is no link {other}")),
            }
        }
        "cpu" => {
            settings.cpu.turn = words.span()?;
            words.expect("kibibyte")?;
            settings.cpu.kibibyte = words.span()?;
        }
        "restart" => {
            settings.restarts.delay = words.span()?;
            words.expect("backoff")?;
            settings.restarts.backoff = words.span()?;
            words.expect("starts")?;
            settings.restarts.starts_max = words.number("a number")?;
        }
        "wait" => {
            settings.timing.request_limit = words.span()?;
            words.expect("hold")?;
            settings.timing.hold = words.span()?;
        }
        "heal" => {
            settings.timing.heal = words.at()?;
            words.expect("budget")?;
            settings.timing.budget = words.span()?;
        }
        "pieces" => settings.pieces = words.number("a number")?,
        "ties" => {
            let seed = words.number("a seed")?;
            let from = if words.takes("from") { words.at()? } else { VirtualTime(0) };
            let until = if words.takes("until") { Some(words.at()?) } else { None };
            settings.ties = Some(Ties { seed, from, until });
        }
        other => return Err(format!("no line begins with `{other}`")),
    }
    Ok(())
}

fn store(settings: &mut Settings, words: &mut Words) -> Result<(), String> {
    let stores = &mut settings.stores;
    match words.name("a store")?.as_str() {
        "journal" => {
            let kinds = [StoreKind::Ideal, StoreKind::Local, StoreKind::Object, StoreKind::Topic];
            stores.journal = store_kind(words, &kinds)?;
        }
        "snapshots" => {
            let kinds = [StoreKind::Ideal, StoreKind::Local, StoreKind::Object];
            stores.snapshots = store_kind(words, &kinds)?;
        }
        "sinks" => stores.sinks = store_kind(words, SINKS)?,
        "sink" => {
            let table = words.name("a table")?;
            stores.sink.insert(table, store_kind(words, SINKS)?);
        }
        other => return Err(format!("there is no store {other}")),
    }
    Ok(())
}

/// What a sink can be.
const SINKS: &[StoreKind] = &[StoreKind::Connector, StoreKind::Ideal];

fn store_kind(words: &mut Words, kinds: &[StoreKind]) -> Result<StoreKind, String> {
    let name = words.name("a kind")?;
    let found = kinds.iter().find(|kind| kind.name() == name);
    found.copied().ok_or_else(|| format!("this cannot be {name}"))
}

fn split(words: &mut Words) -> Result<SplitInput, String> {
    let (table, name) = (words.name("a table")?, words.name("a split")?);
    let shape = match words.name("`file` or `log`")?.as_str() {
        "file" => SplitShape::File,
        "log" => SplitShape::Log,
        other => return Err(format!("{other} is neither `file` nor `log`")),
    };
    let added = if words.takes("added") { words.at()? } else { VirtualTime(0) };
    let ended = if words.takes("ended") { Some(words.at()?) } else { None };
    Ok(SplitInput { table, name, shape, added, ended, records: Vec::new() })
}

fn record(verb: &str, words: &mut Words, value: Option<Vec<u8>>) -> Result<Record, String> {
    let number = words.number("a number")?;
    words.expect("at")?;
    let at = words.at()?;
    let bytes = || value.clone().map(Into::into).ok_or("a record needs `= value`".to_owned());
    let kind = match verb {
        "gap" => {
            words.expect("offsets")?;
            RecordKind::Gap { offsets: words.number("a number")? }
        }
        "raw" => RecordKind::Raw(bytes()?),
        _ => {
            let timestamp_ms =
                if words.takes("stamp") { Some(words.number("a timestamp")?) } else { None };
            RecordKind::Whole { value: bytes()?, timestamp_ms }
        }
    };
    Ok(Record { number, at, kind })
}

fn deviation(words: &mut Words) -> Result<Deviation, String> {
    let trigger = trigger(words)?;
    words.expect("do")?;
    Ok(Deviation { trigger, action: action(words)? })
}

fn trigger(words: &mut Words) -> Result<Trigger, String> {
    if words.takes("at") {
        return Ok(Trigger::At(words.at()?));
    }
    let nth = match (words.takes("first"), words.takes("nth")) {
        (_, true) => words.number("a number")?,
        _ => 1,
    };
    if nth == 0 {
        return Err("the first time is nth 1".to_owned());
    }
    let point = point(words)?;
    let mut holding = None;
    if words.takes("of") {
        holding = Some(words.record()?);
    }
    let mut restarts = None;
    if words.takes("after") {
        words.expect("restart")?;
        restarts = Some(words.number("a number")?);
    }
    Ok(Trigger::When { nth, point, holding, restarts })
}

fn point(words: &mut Words) -> Result<Point, String> {
    if words.takes("between") {
        words.expect("append")?;
        words.expect("and")?;
        return Ok(Point::Before(required_operation(words)?));
    }
    if words.takes("after") {
        return Ok(Point::After(required_operation(words)?));
    }
    let is_request = words.takes("request");
    if is_request || words.takes("answer") {
        words.expect("of")?;
        let target = match words.takes("service") {
            true => Target::To(words.name("a service")?),
            false => match operation(words)? {
                Some(operation) => Target::Of(operation),
                None => Target::To(words.name("a service")?),
            },
        };
        return Ok(if is_request { Point::Request(target) } else { Point::Answer(target) });
    }
    // What is only named is meant before it is done.
    words.takes("before");
    Ok(Point::Before(required_operation(words)?))
}

fn required_operation(words: &mut Words) -> Result<Operation, String> {
    operation(words)?.ok_or_else(|| match words.next("an operation") {
        Ok(word) => format!("{} is nothing that a pipeline asks for", word.text),
        Err(missing) => missing,
    })
}

/// The operation that comes next, if one does.
fn operation(words: &mut Words) -> Result<Option<Operation>, String> {
    let Some(word) = words.words.peek().filter(|word| !word.quoted && word.number.is_none()) else {
        return Ok(None);
    };
    let plain = match word.text.as_str() {
        "output" => Operation::Output,
        "read-journal" => Operation::ReadJournal,
        "open-journal" => Operation::OpenJournal,
        "list" => Operation::List,
        "load" => Operation::Load,
        "append" => Operation::Append,
        "finish" => Operation::Finish,
        "store" => Operation::Store,
        "trim" => Operation::Trim,
        "prove" => Operation::Prove,
        "inspect" => Operation::Inspect(None),
        "open" => Operation::Open(None),
        "discover" => Operation::Discover(None),
        "apply" => Operation::Apply(None),
        "fetch" => Operation::Fetch(None),
        _ => return Ok(None),
    };
    words.words.next();
    Ok(Some(match plain {
        Operation::Inspect(_) => Operation::Inspect(table(words)?),
        Operation::Open(_) => Operation::Open(table(words)?),
        Operation::Discover(_) => Operation::Discover(table(words)?),
        Operation::Apply(_) => Operation::Apply(table(words)?),
        Operation::Fetch(_) => Operation::Fetch(fetched(words)?),
        other => other,
    }))
}

fn table(words: &mut Words) -> Result<Option<String>, String> {
    if words.takes("to") { Ok(Some(words.name("a table")?)) } else { Ok(None) }
}

/// `of SPLIT` behind a fetch; `of SPLIT:NUMBER` belongs to the trigger.
fn fetched(words: &mut Words) -> Result<Option<String>, String> {
    let mut ahead = words.words.clone();
    let is_split = ahead.next().is_some_and(|word| !word.quoted && word.text == "of")
        && ahead.next().is_some_and(|word| word.number.is_none());
    if !is_split {
        return Ok(None);
    }
    words.expect("of")?;
    Ok(Some(words.name("a split")?))
}

fn action(words: &mut Words) -> Result<Action, String> {
    let verb = words.name("what happens")?;
    Ok(match verb.as_str() {
        "crash" => Action::Crash { restart: restart(words)? },
        "power-failure" => {
            let choice = words.number("a number")?;
            Action::PowerFailure { choice, restart: restart(words)? }
        }
        "pause" => {
            let span = words.span()?;
            let successor = words.takes("successor");
            let until = match words.takes("until") {
                true => Some(words.number("a number of outputs")?),
                false => None,
            };
            Action::Pause { span, successor, until }
        }
        "double-start" => Action::DoubleStart,
        "clock-jump" => Action::ClockJump { by: words.span()? },
        "clock-drift" => Action::ClockDrift { ppm: words.number("a number in a million")? },
        "drop-request" => Action::Message(MessageFault::DropRequest),
        "drop-answer" => Action::Message(MessageFault::DropAnswer),
        "refuse" => Action::Message(MessageFault::Refuse),
        "delay" => Action::Message(MessageFault::Delay(words.span()?)),
        "duplicate" => Action::Message(MessageFault::Duplicate(words.span()?)),
        "late" => Action::Message(MessageFault::Late(words.span()?)),
        "cut" | "cut-answers" | "cut-requests" | "slow" => {
            let service = words.name("a service")?;
            let fault = match verb.as_str() {
                "cut" => LinkFault::Cut,
                "cut-answers" => LinkFault::CutAnswers,
                "cut-requests" => LinkFault::CutRequests,
                _ => {
                    words.expect("by")?;
                    LinkFault::Slow(words.span()?)
                }
            };
            words.expect("for")?;
            Action::Link { service, fault, span: words.span()? }
        }
        "disturb" => {
            let service = words.name("a service")?;
            Action::Disturb { service, disturbance: disturbance(words)? }
        }
        "copy-state" => Action::State(StateFault::Copy),
        "put-back-state" => Action::State(StateFault::PutBack),
        "start-copy" => Action::State(StateFault::StartCopy),
        "poison" => Action::Poison { record: words.record()? },
        "source" => {
            let split = words.name("a split")?;
            let fault = match words.name("what happens to it")?.as_str() {
                "retain" => SourceFault::Retain { keep: words.number("a number")? },
                "truncate" => SourceFault::Truncate { records: words.number("a number")? },
                "recreate" => SourceFault::Recreate,
                "rewind" => SourceFault::Rewind,
                "compact" => SourceFault::Compact { number: words.number("a number")? },
                other => return Err(format!("a split cannot `{other}`")),
            };
            Action::Source { split, fault }
        }
        other => return Err(format!("`{other}` is nothing that can happen")),
    })
}

fn restart(words: &mut Words) -> Result<Option<Span>, String> {
    if words.takes("restart") { Ok(Some(words.span()?)) } else { Ok(None) }
}

fn disturbance(words: &mut Words) -> Result<Disturbance, String> {
    Ok(match words.name("what happens in it")?.as_str() {
        "lose-acknowledged" => Disturbance::LoseAcknowledged { writes: words.number("a number")? },
        "lose-marker" => Disturbance::LoseMarker,
        "failover" => Disturbance::Failover,
        "expire-producers" => Disturbance::ExpireProducers,
        "retention" => Disturbance::Retention { keep: words.number("a number")? },
        "merge" => Disturbance::Merge,
        "forget-tokens" => Disturbance::ForgetTokens,
        "stop-insert" => Disturbance::StopInsert { parts: words.number("a number")? },
        "fill" => Disturbance::Fill { writes: words.number("a number")? },
        "make-room" => Disturbance::MakeRoom,
        "fail-sync" => Disturbance::FailSync,
        "take-files" => Disturbance::TakeFiles,
        "rot" => Disturbance::Rot { place: words.number("a number")? },
        "power-failure" => Disturbance::PowerFailure { choice: words.number("a number")? },
        other => return Err(format!("no service can `{other}`")),
    })
}
