//! Requests of machines on their way to services, and the answers back.

use super::digest::Digest;
use super::faults::{Concerns, Kind, Moment, Side};
use super::lane::{Job, Order, Step, Tag};
use super::loss::{Loser, Loss};
use super::process::{JOURNAL, Life, Process};
use super::turn::what;
use super::{Event, World};
use crate::model::ClientId;
use crate::plan::MessageFault;
use crate::time::{Span, VirtualTime};
use anabranch_engine::service::{Answer, Request};

/// A request on its way.
#[derive(Debug)]
pub(super) struct Parcel {
    process: u32,
    restarts: u32,
    lane: usize,
    call: u64,
    place: usize,
    sent: VirtualTime,
    request: Request,
    /// Whether the client waits for the answer; otherwise it gave up or died.
    answered: bool,
    kind: Kind,
    concerns: Concerns,
}

impl Parcel {
    /// Which process asks, and which of its machines.
    pub(super) fn sender(&self) -> (u32, usize) {
        (self.process, self.lane)
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fate {
    pub(super) drop_request: bool,
    pub(super) drop_answer: bool,
    pub(super) refuse: bool,
    pub(super) delay: Span,
    pub(super) duplicate: Option<Span>,
    pub(super) late: Option<Span>,
}

impl Fate {
    pub(super) fn suffer(&mut self, fault: MessageFault) {
        match fault {
            MessageFault::DropRequest => self.drop_request = true,
            MessageFault::DropAnswer => self.drop_answer = true,
            MessageFault::Refuse => self.refuse = true,
            MessageFault::Delay(span) => self.delay = Span(self.delay.0 + span.0),
            MessageFault::Duplicate(span) => self.duplicate = Some(span),
            MessageFault::Late(span) => self.late = Some(span),
        }
    }
}

/// What an order is, as triggers name it.
pub(super) fn kind_of(tag: &Tag) -> (Kind, Concerns) {
    match tag {
        Tag::ReadJournal { .. } => (Kind::ReadJournal, Concerns::Nothing),
        Tag::OpenJournal => (Kind::OpenJournal, Concerns::Nothing),
        Tag::Append { after, last } => (Kind::Append, Concerns::Epochs(*after, *last)),
        Tag::Note { .. } => (Kind::Other, Concerns::Nothing),
        Tag::Finish => (Kind::Finish, Concerns::Nothing),
        Tag::Prove { .. } | Tag::ProveJournal { .. } => (Kind::Prove, Concerns::Nothing),
        Tag::TrimJournal { .. } | Tag::Remove { .. } => (Kind::Trim, Concerns::Nothing),
        Tag::List { .. } => (Kind::List, Concerns::Nothing),
        Tag::Load { .. } => (Kind::Load, Concerns::Nothing),
        Tag::Store { epoch } => (Kind::Store, Concerns::Epochs(Default::default(), *epoch)),
        Tag::Inspect { .. } => (Kind::Inspect, Concerns::Nothing),
        Tag::Open { .. } => (Kind::Open, Concerns::Nothing),
        Tag::Apply { after, last, .. } => (Kind::Apply, Concerns::Epochs(*after, *last)),
    }
}

impl World {
    /// Lets a machine go on, if it is free.
    pub(super) fn pump(&mut self, process: &mut Process, lane: usize) {
        if let Some(step) = process.lanes[lane].begin(self.now) {
            self.go_on(process, lane, step);
        }
    }

    /// Follows the machines until all of them wait.
    pub(super) fn go_on(&mut self, process: &mut Process, lane: usize, step: Step) {
        let mut work = vec![(lane, step)];
        while let Some((lane, step)) = work.pop() {
            if process.life == Life::Dead {
                return;
            }
            match step {
                Step::Request(Request::ProveNewest) => {
                    if let Some(step) = self.prove(process, lane) {
                        work.push((lane, step));
                    }
                }
                Step::Request(request) => self.send(process, lane, request),
                outcome => {
                    // Another machine may have waited for this one.
                    if let Some((other, answer)) = self.outcome(process, lane, outcome) {
                        let step = process.lanes[other].answer(answer);
                        work.push((other, step));
                    }
                    if process.life != Life::Dead
                        && let Some(step) = process.lanes[lane].begin(self.now)
                    {
                        work.push((lane, step));
                    }
                }
            }
        }
    }

    /// Asks the process's own journal whether it is the newest.
    // spec: K-3
    fn prove(&mut self, process: &mut Process, lane: usize) -> Option<Step> {
        if process.lanes[JOURNAL].is_broken {
            return Some(process.lanes[lane].answer(Answer::Proved(false)));
        }
        let generation = process.pipeline.generation();
        let order = Order { job: Job::Prove { generation }, tag: Tag::Prove { lane } };
        process.lanes[JOURNAL].queue.push_back(order);
        self.pump(process, JOURNAL);
        None
    }

    /// The moment of a request or an answer.
    fn message_moment(&self, parcel: &Parcel, side: Side) -> Moment {
        let table = self.places[parcel.place].sink.map(|sink| self.sinks[sink.0 as usize]);
        Moment {
            side,
            kind: parcel.kind,
            table,
            split: None,
            service: Some(parcel.place),
            concerns: parcel.concerns,
            restarts: parcel.restarts,
        }
    }

    /// Sends a request of a machine.
    fn send(&mut self, process: &mut Process, lane_index: usize, request: Request) {
        let lane = &mut process.lanes[lane_index];
        lane.calls += 1;
        let number = lane.calls;
        lane.call = Some(number);
        let digest = Digest::default().number(lane_index as u64).request(&request);
        let place = lane.service;
        let (kind, concerns) =
            lane.current.as_ref().map_or((Kind::Other, Concerns::Nothing), kind_of);
        let names = &self.places[place].name;
        self.trace.note(self.now, process.id, what::REQUEST, digest, || {
            format!("asks {names}: {}", super::watch::short(&request))
        });
        if let Request::Sleep { ms } = request {
            let reading = self.clocks(process).monotonic;
            let until = anabranch_engine::time::Monotonic(reading.0 + ms * 1_000_000);
            let at = process.clock.moment_of(until);
            self.plan_answer(process.id, lane_index, number, at, Answer::Woken);
            return;
        }
        self.watch.counts.requests += 1;
        let parcel = Parcel {
            process: process.id,
            restarts: process.restarts,
            lane: lane_index,
            call: number,
            place,
            sent: self.now,
            request,
            answered: true,
            kind,
            concerns,
        };
        let moment = self.message_moment(&parcel, Side::Request);
        let fate = self.consult(process, &moment);
        self.post(parcel, fate);
    }

    /// Puts a request on its way.
    fn post(&mut self, mut parcel: Parcel, fate: Fate) {
        let limit = parcel.sent + self.plan.settings.timing.request_limit;
        let link = &mut self.places[parcel.place].link;
        let delay = link.delay(self.now);
        let is_cut = self.now < link.requests_cut_until;
        let at = self.now + Span(delay.0 + fate.delay.0);
        let (process, lane, call) = (parcel.process, parcel.lane, parcel.call);
        if fate.refuse {
            self.plan_answer(process, lane, call, self.now + delay, Answer::Unreachable);
            return;
        }
        if fate.drop_request || is_cut {
            self.plan_answer(process, lane, call, limit, Answer::TimedOut);
            return;
        }
        // What is asked of a disk takes effect at once or never.
        let is_disk = matches!(parcel.request, Request::Fs(_));
        if is_disk && at > limit {
            self.plan_answer(process, lane, call, limit, Answer::TimedOut);
            return;
        }
        let fate = match is_disk {
            true => Fate {
                drop_answer: fate.drop_answer || fate.late.is_some(),
                late: None,
                duplicate: None,
                ..fate
            },
            false => fate,
        };
        if let Some(after) = fate.late {
            self.plan_answer(process, lane, call, limit, Answer::TimedOut);
            parcel.answered = false;
            self.heap.plan(limit + after, Event::Arrive(Box::new(parcel)));
            return;
        }
        if let Some(after) = fate.duplicate {
            let echo = Parcel { answered: false, request: parcel.request.clone(), ..parcel };
            self.heap.plan(at + after, Event::Arrive(Box::new(echo)));
        }
        if fate.drop_answer || at > limit {
            self.plan_answer(process, lane, call, limit, Answer::TimedOut);
            parcel.answered = !fate.drop_answer;
        }
        self.heap.plan(at, Event::Arrive(Box::new(parcel)));
    }

    pub(super) fn plan_answer(
        &mut self,
        process: u32,
        lane: usize,
        call: u64,
        at: VirtualTime,
        answer: Answer,
    ) {
        self.heap.plan(at, Event::Answer { process, lane, call, answer: Box::new(answer) });
    }

    /// A request reaches its service and takes effect.
    pub(super) fn arrive(&mut self, parcel: Parcel) {
        let slot = parcel.process as usize - 1;
        let lives = self.processes[slot].is_some();
        // What a process does to its own disk ends with it.
        if !lives && matches!(parcel.request, Request::Fs(_)) {
            return;
        }
        let client = ClientId { process: parcel.process, machine: parcel.lane as u32 };
        let (now, place) = (self.now, &mut self.places[parcel.place]);
        let answer = place.service.execute(now, client, &parcel.request);
        self.trace.note(
            now,
            parcel.process,
            what::ANSWER,
            Digest::default().answer(&answer),
            || format!("{} answers: {}", place.name, super::watch::short(&answer)),
        );
        self.changed(parcel.place, parcel.process, super::watch::may_change(&parcel.request));
        let moment = self.message_moment(&parcel, Side::Answer);
        let fate = match self.with(parcel.process, |world, process| world.consult(process, &moment))
        {
            Some(fate) => fate,
            None => self.consult_alone(&moment),
        };
        if parcel.answered {
            self.reply(&parcel, answer, fate);
        }
    }

    /// Puts an answer on its way back.
    fn reply(&mut self, parcel: &Parcel, answer: Answer, fate: Fate) {
        let limit = parcel.sent + self.plan.settings.timing.request_limit;
        let link = &mut self.places[parcel.place].link;
        let delay = link.delay(self.now);
        let is_cut = self.now < link.answers_cut_until;
        let at = self.now + Span(delay.0 + fate.delay.0);
        let lost = fate.drop_answer || fate.drop_request || fate.refuse || fate.late.is_some();
        let (process, lane, call) = (parcel.process, parcel.lane, parcel.call);
        if lost || is_cut || at > limit {
            self.plan_answer(process, lane, call, limit.max(self.now), Answer::TimedOut);
        }
        if lost || is_cut {
            return;
        }
        if let Some(after) = fate.duplicate {
            self.plan_answer(process, lane, call, at + after, answer.clone());
        }
        self.plan_answer(process, lane, call, at, answer);
    }

    /// An answer reaches a machine; one that it does not wait for is thrown away.
    pub(super) fn answered(
        &mut self,
        process: &mut Process,
        lane: usize,
        call: u64,
        answer: Answer,
    ) {
        let asked = process.lanes[lane].call;
        if asked != Some(call) {
            self.watch.counts.mark("answer-thrown-away");
            return;
        }
        process.lanes[lane].call = None;
        let name = &self.places[process.lanes[lane].service].name;
        self.trace.line(self.now, process.id, || {
            format!("hears {name}: {}", super::watch::short(&answer))
        });
        if matches!(answer, Answer::TimedOut) {
            self.watch.counts.mark("unknown-outcome");
        }
        let step = process.lanes[lane].answer(answer);
        self.go_on(process, lane, step);
    }

    /// A service does something by itself.
    pub(super) fn service_due(&mut self, place: usize) {
        if self.places[place].due != Some(self.now) {
            return;
        }
        self.places[place].due = None;
        self.places[place].service.pass_time(self.now);
        self.changed(place, 0, true);
    }

    /// Looks at a service in which something may have changed.
    pub(super) fn changed(&mut self, place: usize, process: u32, shows: bool) {
        let now = self.now;
        self.note_toll(place);
        let found = &mut self.places[place];
        if let Some(next) = found.service.next_event()
            && found.due.is_none_or(|due| due > next)
        {
            found.due = Some(next.max(now));
            self.heap.plan(next.max(now), Event::ServiceDue(place));
        }
        if let (true, Some(sink)) = (shows, self.places[place].sink) {
            let generation = self.generation_of(process);
            let service = &*self.places[place].service;
            let is_new = self.watch.see(sink, now, process, generation, service);
            if is_new && self.kept.copies.contains(&process) {
                self.kept.losses.push(Loss::gone(now, Loser::History, 1));
            }
        }
    }
}
