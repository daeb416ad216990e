//! Reads of sources, and the answers.

use super::faults::{Concerns, Kind, Moment, Side};
use super::process::Process;
use super::source::{Reading, listed};
use super::wire::Fate;
use super::{Event, World};
use crate::time::{Span, VirtualTime};
use anabranch_engine::ids::{Offset, RequestId, SplitId, TableId};
use anabranch_engine::pipeline::{FetchedData, Input, LogEnd};

/// A read on its way to a source.
#[derive(Clone, Debug)]
pub(super) struct SourceCall {
    process: u32,
    sent: VirtualTime,
    what: Wanted,
    drop_answer: bool,
}

#[derive(Clone, Debug)]
enum Wanted {
    Splits {
        request: RequestId,
        table: TableId,
    },
    Data {
        request: RequestId,
        id: SplitId,
        split: usize,
        from: Offset,
        until: Option<Offset>,
        bytes_max: u32,
        wait: bool,
    },
}

impl SourceCall {
    pub(super) fn discover(
        process: u32,
        request: RequestId,
        table: TableId,
        sent: VirtualTime,
    ) -> SourceCall {
        SourceCall { process, sent, what: Wanted::Splits { request, table }, drop_answer: false }
    }

    pub(super) fn fetch(
        process: u32,
        sent: VirtualTime,
        (request, id, split): (RequestId, SplitId, usize),
        (from, until): (Offset, Option<Offset>),
        bytes_max: u32,
        wait: bool,
    ) -> SourceCall {
        let what = Wanted::Data { request, id, split, from, until, bytes_max, wait };
        SourceCall { process, sent, what, drop_answer: false }
    }
}

impl SourceCall {
    /// Which process asks, and for what: a split, or a table.
    pub(super) fn sender(&self) -> (u32, u32) {
        let what = match &self.what {
            Wanted::Splits { table, .. } => 1 << 31 | table.0,
            Wanted::Data { id, .. } => id.0,
        };
        (self.process, what)
    }

    /// Whether a process asked.
    pub(super) fn is_of(&self, process: u32) -> bool {
        self.process == process
    }
}

impl World {
    /// Sends a read to its source.
    pub(super) fn send_read(&mut self, mut call: SourceCall, fate: Fate) {
        let limit = call.sent + self.plan.settings.timing.request_limit;
        let delay = self.sources_link.delay(self.now);
        let is_cut = self.now < self.sources_link.requests_cut_until;
        let at = self.now + Span(delay.0 + fate.delay.0);
        if fate.refuse {
            self.fail_read(&call, self.now + delay, "the source cannot be reached");
            return;
        }
        if fate.drop_request || is_cut || fate.late.is_some() {
            self.fail_read(&call, limit, "no answer came");
            return;
        }
        if let Some(after) = fate.duplicate {
            self.heap.plan(at + after, Event::Read(Box::new(call.clone())));
        }
        call.drop_answer = fate.drop_answer;
        self.heap.plan(at, Event::Read(Box::new(call)));
    }

    /// A read that came to nothing.
    fn fail_read(&mut self, call: &SourceCall, at: VirtualTime, why: &str) {
        let (transient, message) = (true, why.to_owned());
        let input = match &call.what {
            Wanted::Splits { request, table } => {
                Input::DiscoverFailed { request: *request, table: *table, transient, message }
            }
            Wanted::Data { request, id, .. } => {
                Input::FetchFailed { request: *request, split: *id, transient, message }
            }
        };
        self.heap.plan(at, Event::Input(call.process, Box::new(input)));
    }

    /// A read reaches its source.
    pub(super) fn read(&mut self, call: SourceCall) {
        match call.what.clone() {
            Wanted::Splits { request, table } => {
                let splits = listed(&self.splits, table, self.now);
                let input = Input::SplitsFound { request, table, splits };
                let concerns = Concerns::Nothing;
                self.answer_read(&call, Kind::Discover, Some(table), None, concerns, input);
            }
            Wanted::Data { split, from, wait, .. } => {
                let has_news = !wait || self.has_news(call.process, split, from.0, &call);
                if has_news {
                    self.read_now(&call);
                } else {
                    self.holds += 1;
                    self.holding.insert(self.holds, call);
                    let at = self.now + self.plan.settings.timing.hold;
                    self.heap.plan(at, Event::HoldEnds(self.holds));
                }
            }
        }
    }

    /// Whether there is more than the process was given last from the same offset: what
    /// was given and is asked for again is a record that is not complete yet.
    fn has_news(&self, process: u32, split: usize, from: u64, call: &SourceCall) -> bool {
        let Wanted::Data { until, bytes_max, .. } = &call.what else { return true };
        if self.splits[split].stands_at_end(self.now, Offset(from)) {
            return false;
        }
        let reading = self.splits[split].read(self.now, Offset(from), *until, *bytes_max);
        let Reading::Data(data, LogEnd::AtEnd) = reading else { return true };
        let given = self
            .processes
            .get(process as usize - 1)
            .and_then(Option::as_ref)
            .and_then(|process| process.given.get(&split))
            .filter(|(start, _)| *start == from);
        end_of(&data, from) > given.map_or(from, |(_, end)| *end)
    }

    fn read_now(&mut self, call: &SourceCall) {
        let Wanted::Data { request, id, split, from, until, bytes_max, .. } = call.what else {
            return;
        };
        let from = self.splits[split].position(from);
        self.note_lost_records(split);
        let source = &mut self.splits[split];
        let log_end = source.end_offset();
        let (input, to) = match source.read(self.now, from, until, bytes_max) {
            Reading::Data(data, end) => {
                let to = end_of(&data, from.0);
                source.gives(&data, from.0, end);
                (Input::Fetched { request, split: id, data, end }, to)
            }
            Reading::OutOfRange(message) => {
                self.watch.counts.mark("read-out-of-range");
                (Input::SplitChanged { request, split: id, detail: message }, from.0)
            }
        };
        self.with(call.process, |_, process| process.read_end(request, split, from.0, log_end));
        if until.is_none() {
            self.with(call.process, |_, process| {
                process.given.insert(split, (from.0, to));
            });
        }
        let table = self.splits[split].name.table;
        let concerns = Concerns::Offsets(from.0, to);
        self.answer_read(call, Kind::Fetch, Some(table), Some(split), concerns, input);
    }

    fn answer_read(
        &mut self,
        call: &SourceCall,
        kind: Kind,
        table: Option<TableId>,
        split: Option<usize>,
        concerns: Concerns,
        input: Input,
    ) {
        let limit = call.sent + self.plan.settings.timing.request_limit;
        let mut fate = Fate { drop_answer: call.drop_answer, ..Fate::default() };
        for side in [Side::Answer, Side::After] {
            let restarts = call.process - 1;
            let moment = Moment { side, kind, table, split, service: None, concerns, restarts };
            let more = self.with(call.process, |world, process| world.consult(process, &moment));
            if let Some(more) = more {
                fate.drop_answer |= more.drop_answer || more.drop_request || more.refuse;
                fate.delay = Span(fate.delay.0 + more.delay.0);
                fate.duplicate = fate.duplicate.or(more.duplicate);
            }
        }
        let delay = self.sources_link.delay(self.now);
        let is_cut = self.now < self.sources_link.answers_cut_until;
        let at = self.now + Span(delay.0 + fate.delay.0);
        if fate.drop_answer || is_cut {
            let at = limit.max(self.now + delay);
            self.fail_read(call, at, "no answer came");
            return;
        }
        if let Some(after) = fate.duplicate {
            let event = Event::Input(call.process, Box::new(input.clone()));
            self.heap.plan(at + after, event);
        }
        self.heap.plan(at, Event::Input(call.process, Box::new(input)));
    }

    pub(super) fn hold_ends(&mut self, number: u64) {
        if let Some(call) = self.holding.remove(&number) {
            self.read_now(&call);
        }
    }

    /// Splits change; who waits for something new looks again.
    pub(super) fn grow(&mut self) {
        let now = self.now;
        self.splits.iter_mut().for_each(|split| {
            split.arrive(now);
        });
        let waiting: Vec<u64> = self.holding.keys().copied().collect();
        for number in waiting {
            let call = self.holding.get(&number).cloned();
            if let Some(call) = call
                && let Wanted::Data { split, from, .. } = call.what
                && self.has_news(call.process, split, from.0, &call)
            {
                self.hold_ends(number);
            }
        }
        let changes = self.splits.iter().filter_map(|split| split.next_change(now));
        if let Some(next) = changes.min() {
            self.heap.plan(next, Event::Grow);
        }
    }

    pub(super) fn no_such_split(
        &mut self,
        process: &mut Process,
        request: RequestId,
        split: SplitId,
    ) {
        let message = "there is no such split".to_owned();
        self.give(process, Input::FetchFailed { request, split, transient: false, message });
    }
}

/// The offset behind what was read.
pub(super) fn end_of(data: &FetchedData, from: u64) -> u64 {
    match data {
        FetchedData::Bytes(bytes) => from + bytes.len() as u64,
        FetchedData::Records(block) => block.end_offset,
    }
}
