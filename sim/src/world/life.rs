//! Births, deaths, pauses, and what else happens to processes.

use super::clock::ProcessClock;
use super::digest::Digest;
use super::faults::Moment;
use super::lane::{Lane, Machine};
use super::process::{Life, Process};
use super::result::{ProcessEnding, RunEnd};
use super::shown::Given;
use super::state::OWN;
use super::turn::what;
use super::wire::Fate;
use super::{Event, World};
use crate::model::Disturbance;
use crate::oracle::Stall;
use crate::plan::{Action, LinkFault};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::dataflow::Split;
use anabranch_engine::ids::{Epoch, SinkId};
use anabranch_engine::pipeline::{Input, Pipeline};
use anabranch_engine::plan::NodeKind;
use std::collections::{BTreeMap, VecDeque};

/// How often it is looked whether the job is done.
pub(super) const LOOK_EVERY: Span = Span::ms(250);

/// A job that was started more often than this, and failed, was not stuck in one place.
const STARTS_MANY: usize = 20;

/// For so long nothing may change before a job without an end is told to stop, beyond
/// all its timeouts.
const QUIET: Span = Span::ms(2_000);
/// And so much longer, if a split should have been called idle: longer than a read that
/// failed waits before it is tried again, and is waited for.
const PATIENCE: Span = Span::ms(20_000);

impl World {
    /// Starts a process that keeps its journal in this place, and its snapshots in the next.
    pub(super) fn start(&mut self, watched: bool, state: usize) {
        if watched && (self.supervisor.end.is_some() || self.adopts()) {
            return;
        }
        let id = self.processes.len() as u32 + 1;
        if id > self.plan.settings.restarts.starts_max {
            let last = self.supervisor.last_failure.clone();
            self.supervisor.end = Some(RunEnd::RestartLoop { last });
            return;
        }
        let pipeline = match Pipeline::new(self.job.clone(), self.plan.pipeline.clone()) {
            Ok(pipeline) => pipeline,
            Err(error) => panic!("the job cannot run: {error}"),
        };
        let mut lanes = vec![
            Lane::new(Machine::Journal(self.hosting.journal()), state),
            Lane::new(Machine::Snapshots(self.hosting.snapshots()), state + 1),
        ];
        for (index, table) in self.sinks.iter().enumerate() {
            let machine = self.hosting.sink(SinkId(index as u32), self.job.table(*table));
            lanes.push(Lane::new(Machine::Sink(machine), index + 2));
        }
        let mut process = Process {
            id,
            restarts: id - 1,
            watched,
            pipeline,
            clock: ProcessClock::born(self.now, self.hosts[0].drift_ppm),
            life: Life::Runs,
            held: Vec::new(),
            inbox: VecDeque::new(),
            is_running: false,
            host: 0,
            splits: BTreeMap::new(),
            turn_planned: false,
            busy_until: self.now,
            wake_planned: None,
            lanes,
            outputs: 0,
            unsent: VecDeque::new(),
            given: BTreeMap::new(),
            records: Default::default(),
            reads: BTreeMap::new(),
            shown: Given::default(),
            log_ends: BTreeMap::new(),
            appended: Epoch(0),
        };
        self.note_life(id, "starts");
        self.kept.started(self.now);
        if state != OWN {
            self.kept.copies.insert(id);
        }
        let nonce = Draws::new(self.plan.seed, "nonce", "process").at(u64::from(id));
        self.give(&mut process, Input::Start { nonce });
        self.processes.push(Some(Box::new(process)));
        self.watch.counts.starts = id;
    }

    fn note_life(&mut self, process: u32, what: &str) {
        let digest = Digest::default().bytes(what.as_bytes());
        self.trace.note(self.now, process, what::LIFE, digest, || what.to_owned());
    }

    /// A process is gone, and with it its connections.
    pub(super) fn bury(&mut self, process: &Process, how: ProcessEnding) {
        self.note_life(process.id, "ends");
        self.note_end(process, how);
        self.holding.retain(|_, call| !call.is_of(process.id));
        for place in 0..self.places.len() {
            self.places[place].service.client_died(self.now, process.id);
            // The dead do nothing: whatever changes, the service does by itself.
            self.changed(place, 0, true);
        }
    }

    /// Kills a process.
    pub(super) fn kill(
        &mut self,
        process: &mut Process,
        how: ProcessEnding,
        restart: Option<Span>,
    ) {
        process.life = Life::Dead;
        if process.is_between_append_and_apply(&process.pipeline.status()) {
            self.watch.counts.mark("crash-between-append-and-apply");
        }
        self.watch.counts.mark(match process.phase() {
            "running" => "crash-while-running",
            "looking" => "crash-while-looking",
            _ => "crash-while-recovering",
        });
        self.bury(process, how);
        if process.watched {
            let wait = restart.unwrap_or(self.plan.settings.restarts.delay);
            self.heap.plan(self.now + wait, Event::Start { watched: true });
        }
    }

    /// The power that failed was that of all processes that share its disk.
    fn kill_beside(&mut self, restart: Option<Span>) {
        if self.hosting.is_lock_free() {
            return;
        }
        for id in 1..=self.processes.len() as u32 {
            self.with(id, |world, other| world.kill(other, ProcessEnding::PowerFailed, restart));
        }
    }

    /// Lets the deviations of a moment happen; gives what becomes of the message.
    pub(super) fn consult(&mut self, process: &mut Process, moment: &Moment) -> Fate {
        let mut fate = Fate::default();
        for action in self.faults.consult(moment) {
            if process.life == Life::Dead {
                break;
            }
            self.act(process, &action, &mut fate);
        }
        fate
    }

    /// As [`World::consult`], of a message whose process is gone.
    pub(super) fn consult_alone(&mut self, moment: &Moment) -> Fate {
        let mut fate = Fate::default();
        for action in self.faults.consult(moment) {
            match &action {
                Action::Message(fault) => fate.suffer(*fault),
                other => self.act_on_watched(other),
            }
        }
        fate
    }

    /// Lets something happen to the process that is watched, or to the world if it has
    /// nothing to do with one.
    pub(super) fn act_on_watched(&mut self, action: &Action) {
        let watched = self.processes.iter().flatten().filter(|process| process.watched);
        let Some(id) = watched.map(|process| process.id).next_back() else {
            self.act_on_world(action, "nobody");
            return;
        };
        self.with(id, |world, process| world.act(process, action, &mut Fate::default()));
    }

    fn act(&mut self, process: &mut Process, action: &Action, fate: &mut Fate) {
        let phase = process.phase();
        match action {
            Action::Crash { restart } => {
                self.count_fault(process.id, action, phase);
                self.kill(process, ProcessEnding::Killed, *restart);
            }
            Action::PowerFailure { choice, restart } => {
                self.count_fault(process.id, action, phase);
                let failure = Disturbance::PowerFailure { choice: *choice };
                self.kill(process, ProcessEnding::PowerFailed, *restart);
                self.kill_beside(*restart);
                for place in 0..self.places.len() {
                    self.places[place].service.disturb(self.now, &failure);
                    self.changed(place, 0, true);
                }
            }
            Action::Pause { span, successor, until } => {
                self.count_fault(process.id, action, phase);
                process.life = Life::Stands;
                self.heap.plan(self.now + *span, Event::Resume(process.id));
                if *successor && process.watched && self.hosting.is_lock_free() {
                    self.watch.counts.mark("zombie");
                    process.watched = false;
                    self.waiting.extend(until.map(|outputs| (process.id, u64::from(outputs))));
                    let at = self.now + self.plan.settings.restarts.delay;
                    self.heap.plan(at, Event::Start { watched: true });
                }
            }
            Action::ClockJump { by } => {
                self.count_fault(process.id, action, phase);
                self.hosts[process.host].ahead.0 += by.0;
            }
            Action::ClockDrift { ppm } => {
                self.count_fault(process.id, action, phase);
                self.hosts[process.host].runs_by(self.now, *ppm);
            }
            Action::Message(fault) => {
                self.count_fault(process.id, action, phase);
                fate.suffer(*fault);
            }
            Action::DoubleStart
            | Action::Link { .. }
            | Action::Disturb { .. }
            | Action::Poison { .. }
            | Action::Source { .. }
            | Action::State(_) => self.act_on_world(action, phase),
        }
    }

    /// What has nothing to do with one process.
    fn act_on_world(&mut self, action: &Action, phase: &'static str) {
        match action {
            Action::DoubleStart => {
                self.count_fault(0, action, phase);
                self.heap.plan(self.now, Event::Start { watched: false });
            }
            Action::Link { service, fault, span } => {
                self.count_fault(0, action, phase);
                let until = self.now + *span;
                let named = self.places.iter_mut().find(|place| place.name == *service);
                let link = named.map_or(&mut self.sources_link, |place| &mut place.link);
                match fault {
                    LinkFault::Cut => {
                        link.requests_cut_until = until;
                        link.answers_cut_until = until;
                    }
                    LinkFault::CutAnswers => link.answers_cut_until = until,
                    LinkFault::CutRequests => link.requests_cut_until = until,
                    LinkFault::Slow(by) => (link.slow_until, link.slower_by) = (until, *by),
                }
            }
            Action::Disturb { service, disturbance } => {
                let place = self.places.iter().position(|place| place.name == *service);
                let Some(place) = place else { return };
                if self.places[place].service.disturb(self.now, disturbance).is_some() {
                    self.count_fault(0, action, phase);
                }
                self.changed(place, 0, true);
            }
            Action::Source { split, fault } => {
                let found = self.splits.iter().position(|found| found.is_called(split));
                if let Some(place) = found
                    && self.splits[place].suffer(*fault)
                {
                    self.count_fault(0, action, phase);
                    self.note_lost_records(place);
                }
            }
            Action::State(fault) => {
                if self.disturb_state(*fault) {
                    self.count_fault(0, action, phase);
                }
            }
            Action::Poison { record } => {
                if self.poison(record) {
                    self.count_fault(0, action, phase);
                }
            }
            // Nobody is there to suffer it.
            Action::Crash { .. }
            | Action::PowerFailure { .. }
            | Action::Pause { .. }
            | Action::ClockDrift { .. }
            | Action::ClockJump { .. }
            | Action::Message(_) => {}
        }
    }

    fn count_fault(&mut self, process: u32, action: &Action, phase: &'static str) {
        let kind = action.kind();
        self.watch.counts.fault(kind, phase);
        let digest = Digest::default().bytes(kind.as_bytes());
        self.trace.note(self.now, process, what::FAULT, digest, || format!("fault: {action:?}"));
    }

    /// A process that stood still goes on with what came meanwhile.
    pub(super) fn resume(&mut self, id: u32) {
        self.with(id, |world, process| {
            if process.life != Life::Stands {
                return;
            }
            process.life = Life::Runs;
            world.note_life(process.id, "goes on");
            for event in std::mem::take(&mut process.held) {
                world.heap.plan(world.now, event);
            }
            world.hand_on_all(process);
        });
    }

    /// Nothing goes wrong any more, and what went wrong ends.
    pub(super) fn heal(&mut self) {
        self.faults.disarm();
        self.sources_link.heal();
        for place in 0..self.places.len() {
            self.places[place].link.heal();
            self.places[place].service.disturb(self.now, &Disturbance::MakeRoom);
            self.changed(place, 0, true);
        }
        for id in 1..=self.processes.len() as u32 {
            self.resume(id);
        }
    }

    /// Whether the job has ended and nobody is left who could do something.
    pub(super) fn is_over(&self) -> bool {
        let ended = self.supervisor.end.is_some();
        ended && (self.processes.iter().all(Option::is_none) || self.is_late())
    }

    fn is_late(&self) -> bool {
        let from = self.plan.settings.timing.heal.max(self.last_change);
        self.now > from + self.plan.settings.timing.budget
    }

    /// Looks whether the job is done, or will never be.
    pub(super) fn look(&mut self) {
        if self.is_late() && self.supervisor.end.is_none() {
            self.get_stuck();
            return;
        }
        self.heap.plan(self.now + LOOK_EVERY, Event::Look);
        let watched = self.processes.iter().flatten().find(|process| process.watched);
        let Some((id, state)) = watched.map(|process| (process.id, self.state_of(process))) else {
            self.supervisor.quiet = None;
            return;
        };
        let Some(state) = state else {
            self.supervisor.quiet = None;
            return;
        };
        match self.supervisor.quiet {
            Some((before, since)) if before == state => {
                if self.now >= since + self.quiet_span() && !self.supervisor.stop_asked {
                    if self.waits_for_idleness(id, since) {
                        return;
                    }
                    self.supervisor.stop_asked = true;
                    self.with(id, |world, process| world.give(process, Input::Stop));
                }
            }
            _ => {
                self.supervisor.quiet = Some((state, self.now));
                self.supervisor.stop_asked = false;
            }
        }
    }

    /// What a job without an end looks like when all its input is processed.
    fn state_of(&self, process: &Process) -> Option<u64> {
        // Also if there is no split at all.
        let grows = self.job.nodes.iter().any(|node| match &node.kind {
            NodeKind::Scan(scan) => !self.job.table(scan.table).bounded,
            _ => false,
        });
        if !grows || !process.is_running || self.now < self.last_change {
            return None;
        }
        let known = process.pipeline.dataflow().splits();
        let taken = |name: &anabranch_engine::ids::SplitName| {
            known.iter().find(|(_, split)| split.name == *name).map(|(_, split)| split.next_offset)
        };
        let all = self.splits.iter().all(|split| {
            taken(&split.name).is_some_and(|offset| offset >= split.whole_end_offset())
        });
        let status = process.pipeline.status();
        let is_applied = status.sinks.iter().all(|sink| sink.waiting == 0);
        (all && is_applied).then_some((u64::from(process.id) << 40) + status.epoch.0)
    }

    /// Whether it is waited until splits at whose end nothing comes are called idle. If that
    /// takes longer than any retry of a read, it is noted that they hold others back.
    // spec: T-3
    fn waits_for_idleness(&mut self, id: u32, quiet_since: VirtualTime) -> bool {
        let Some(process) = self.processes[id as usize - 1].as_ref() else { return false };
        let known = process.pipeline.dataflow().splits();
        let is_due = |split: &Split| {
            let table = self.job.table(split.name.table);
            !table.bounded && table.idle_timeout_ms().is_some() && !split.idle && !split.ended
        };
        let restless: Vec<String> = known
            .iter()
            .filter(|(_, split)| is_due(split))
            .map(|(_, split)| format!("{} is not idle", split.name.name))
            .collect();
        let since = quiet_since.max(self.plan.settings.timing.heal);
        if !restless.is_empty() && self.now < since + self.quiet_span() + PATIENCE {
            return true;
        }
        let until = self.now;
        self.kept.restless.extend(restless.into_iter().map(|what| Stall { what, since, until }));
        false
    }

    /// For how long nothing may change before the job is told to stop.
    fn quiet_span(&self) -> Span {
        let idle = self
            .splits
            .iter()
            .filter_map(|split| self.job.table(split.name.table).idle_timeout_ms());
        let pipeline = &self.plan.pipeline;
        let longest = idle.max().unwrap_or(0).max(pipeline.flush_age_ms).max(pipeline.discover_ms);
        Span(Span::ms(longest).0 + self.plan.settings.timing.hold.0 + QUIET.0)
    }

    /// Ends the run: the job neither ended nor did all that it should.
    pub(super) fn get_stuck(&mut self) {
        let mut last = self.supervisor.last_failure.clone();
        if self.processes.len() > STARTS_MANY && last.is_some() {
            self.supervisor.end = Some(RunEnd::RestartLoop { last });
            return;
        }
        let mut why = Vec::new();
        for process in self.processes.iter().flatten() {
            let status = process.pipeline.status();
            let lanes: Vec<String> = process
                .lanes
                .iter()
                .filter_map(|lane| {
                    let current = lane.current.as_ref()?;
                    Some(format!("{}: {current:?}", self.places[lane.service].name))
                })
                .collect();
            why.push(format!(
                "process {} is {} at epoch {} (durable {}), wakes {:?}, waits for [{}]; {status:?}",
                process.id,
                process.phase(),
                status.epoch,
                status.durable,
                process.pipeline.next_wakeup(),
                lanes.join(", "),
            ));
        }
        if why.is_empty() {
            let said = last.as_ref().map(ToString::to_string).unwrap_or_default();
            why.push(format!("no process lives; {said}"));
        } else {
            last = None;
        }
        self.supervisor.end = Some(RunEnd::Stuck { why: why.join("\n"), last });
    }
}
