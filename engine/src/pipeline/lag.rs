//! How far a sink may fall behind while the others go on, and what happens then.
// spec: K-8

use super::config::PipelineConfig;
use super::io::{Output, Report};
use super::sinks::{SinkPhase, SinkState, Sinks};
use super::{Phase, Pipeline};
use crate::ids::{Epoch, SinkId};
use crate::plan::Table;
use crate::planted;
use crate::time::Monotonic;

/// How a sink fails, and for how long.
#[derive(Debug)]
pub(super) struct Lag {
    /// Whether it is given up at the end of its budget; otherwise all wait for it.
    gives_up: bool,
    budget_ns: i64,
    /// Failures in a row.
    attempts: u32,
    /// When the first of them came.
    failing_since: Option<Monotonic>,
    /// When the request was made that it has not answered.
    asked_at: Monotonic,
    /// Whether it was opened by this incarnation, and so fenced.
    pub(super) was_opened: bool,
    /// Whether it was said that all wait for it.
    said_that_all_wait: bool,
}

impl Lag {
    /// Nothing failed yet.
    pub(super) fn of(table: &Table) -> Lag {
        Lag {
            gives_up: table.is_given_up_on_lag(),
            budget_ns: table.lag_budget_ms().saturating_mul(1_000_000),
            attempts: 0,
            failing_since: None,
            asked_at: Monotonic::default(),
            was_opened: false,
            said_that_all_wait: false,
        }
    }

    /// Notes that something is asked of the sink.
    pub(super) fn ask(&mut self, now: Monotonic) {
        self.asked_at = now;
    }

    /// Notes a failure; gives how many there were in a row.
    pub(super) fn fail(&mut self, now: Monotonic) -> u32 {
        self.attempts = self.attempts.saturating_add(1);
        self.failing_since.get_or_insert(now);
        self.attempts
    }

    /// Notes that the sink did all that was asked of it.
    pub(super) fn succeed(&mut self) {
        self.attempts = 0;
        self.failing_since = None;
        self.said_that_all_wait = false;
    }
}

impl SinkState {
    /// Since when the sink fails, or does not answer, which it may do for a while.
    pub(super) fn failing_since(
        &self,
        config: &PipelineConfig,
        now: Monotonic,
    ) -> Option<Monotonic> {
        let is_asked = matches!(self.phase, SinkPhase::Opening(_) | SinkPhase::Applying(_));
        let silent = is_asked && now.0 - self.lag.asked_at.0 >= config.sink_wait_ms * 1_000_000;
        match self.is_given_up() {
            true => None,
            false => self.lag.failing_since.or(silent.then_some(self.lag.asked_at)),
        }
    }

    /// Whether it has to be given something that this incarnation computed.
    pub(super) fn is_behind(&self) -> bool {
        !self.queue.is_empty() || self.recovered.is_some()
    }

    /// Whether it holds all that it was given, and is ours.
    fn is_served(&self) -> bool {
        self.is_given_up() || (self.queue.is_empty() && self.lag.was_opened)
    }

    /// Whether its budget is used up: too much waits for it, or it has failed for too
    /// long.
    fn is_over_budget(&self, config: &PipelineConfig, now: Monotonic) -> bool {
        let too_long = self.fails_for_too_long(config, now) && self.is_behind();
        !self.is_given_up() && (self.queue_bytes >= config.sink_lag_bytes_max || too_long)
    }

    /// Whether it has failed for as long as its budget.
    fn fails_for_too_long(&self, config: &PipelineConfig, now: Monotonic) -> bool {
        let since = self.failing_since(config, now);
        since.is_some_and(|since| now.0 - since.0 >= self.lag.budget_ns)
    }

    /// Whether it is time to give it up. A sink that is only slow never is. `done` says
    /// that nothing else will come, and so only this sink is waited for.
    fn is_to_be_given_up(&self, config: &PipelineConfig, now: Monotonic, done: bool) -> bool {
        let last_wait = done && self.fails_for_too_long(config, now);
        let is_due = self.is_over_budget(config, now) || last_wait;
        self.lag.gives_up && self.failing_since(config, now).is_some() && is_due
    }

    /// When its failing may have consequences that nothing else brings about.
    fn lag_ends_at(&self, config: &PipelineConfig, now: Monotonic) -> Option<Monotonic> {
        let is_asked = matches!(self.phase, SinkPhase::Opening(_) | SinkPhase::Applying(_));
        match self.failing_since(config, now) {
            Some(since) => Some(Monotonic(since.0.saturating_add(self.lag.budget_ns))),
            None => {
                is_asked.then(|| Monotonic(self.lag.asked_at.0 + config.sink_wait_ms * 1_000_000))
            }
        }
    }
}

impl Sinks {
    /// When sinks that fail or do not answer are to be looked at again.
    pub(super) fn lags_end_at(
        &self,
        config: &PipelineConfig,
        now: Monotonic,
    ) -> impl Iterator<Item = Monotonic> {
        self.sinks.iter().filter_map(move |sink| sink.lag_ends_at(config, now))
    }

    /// Whether every sink that is served holds all that it was given, and is ours.
    pub(super) fn all_served(&self) -> bool {
        self.sinks.iter().all(SinkState::is_served)
    }

    /// The sinks that are served no longer.
    pub(super) fn given_up(&self) -> impl Iterator<Item = SinkId> {
        self.iter().filter(|(_, sink)| sink.is_given_up()).map(|(id, _)| id)
    }
}

impl Pipeline {
    /// Whether no epoch may be begun because a sink has used up its budget, and is not
    /// given up for that.
    // spec: F-5, K-8
    pub(super) fn is_held_by_sinks(&self) -> bool {
        self.sinks.iter().any(|(id, _)| self.is_held_by(id))
    }

    /// Whether no epoch may be begun because of this sink.
    pub(super) fn is_held_by(&self, id: SinkId) -> bool {
        let (sink, now, config) = (self.sinks.get(id), self.clock.now, &self.config);
        if planted!(R9) && sink.failing_since(config, now).is_some() {
            return true;
        }
        sink.is_over_budget(config, now) && !sink.is_to_be_given_up(config, now, false)
    }

    /// Whether a job that is about to end waits only for this sink, which has failed for
    /// as long as its budget. It may hold all its rows: it is opened once more at the end.
    pub(super) fn is_kept_from_ending_by(&self, id: SinkId) -> bool {
        let fails = self.sinks.get(id).fails_for_too_long(&self.config, self.clock.now);
        self.is_ending() && fails
    }

    /// Says once for each sink that all wait for it because it fails.
    // spec: F-4, K-8
    pub(super) fn report_who_holds(&mut self, out: &mut Vec<Output>) {
        let now = self.clock.now;
        for index in 0..self.sinks.sinks.len() {
            let id = SinkId(index as u32);
            let sink = self.sinks.get(id);
            let over = sink.is_over_budget(&self.config, now)
                && sink.failing_since(&self.config, now).is_some();
            let holds = over || self.is_kept_from_ending_by(id);
            if holds && !sink.lag.said_that_all_wait {
                self.sinks.get_mut(id).lag.said_that_all_wait = true;
                out.push(Output::Report(Report::HeldBySink { sink: self.sink_name(id) }));
            }
        }
    }

    /// The sinks that are to be given up with the next epoch.
    // spec: K-8
    pub(super) fn due_to_be_given_up(&self) -> Vec<SinkId> {
        let done = self.ingest.is_done(&self.plan);
        let is_due = |sink: &SinkState| sink.is_to_be_given_up(&self.config, self.clock.now, done);
        self.sinks.iter().filter(|(_, sink)| is_due(sink)).map(|(id, _)| id).collect()
    }

    /// Gives up sinks, as the record of this epoch says. What may still be under way to
    /// one of them is not waited for.
    // spec: K-8
    pub(super) fn give_up(&mut self, ids: &[SinkId], epoch: Epoch, out: &mut Vec<Output>) {
        for id in ids {
            self.sinks.get_mut(*id).drop_for_good(epoch);
            out.push(Output::Report(Report::SinkGivenUp { sink: self.sink_name(*id), epoch }));
        }
    }

    /// Whether a job that is asked to stop need not wait for its sinks any longer: those
    /// that lack something fail, and have had their time.
    // spec: F-4, K-8
    pub(super) fn leaves_failing_sinks(&self) -> bool {
        let now = self.clock.now;
        let waited = self
            .stopping_since
            .is_some_and(|since| now.0 - since.0 >= self.config.stop_wait_ms * 1_000_000);
        let may_be_left = |sink: &SinkState| {
            sink.queue.is_empty() || sink.failing_since(&self.config, now).is_some()
        };
        waited && self.sinks.sinks.iter().all(may_be_left)
    }

    /// When a stop stops waiting for sinks that fail.
    pub(super) fn stop_wait_ends_at(&self) -> Option<Monotonic> {
        let since = self.stopping_since.filter(|_| matches!(self.phase, Phase::Running))?;
        Some(Monotonic(since.0 + self.config.stop_wait_ms * 1_000_000))
    }
}
