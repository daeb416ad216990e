//! What each sink is given and when: opening, chunks, markers, retries.

use super::io::{Failure, Kept, Output, fail_word};
use super::sinks::SinkPhase;
use super::start::retrying;
use super::{Phase, Pipeline};
use crate::ids::{RequestId, SinkId};
use crate::planted;
use crate::sink::{ApplyOutcome, FailKind, Marker, OpenOutcome, Standing, standing};
use crate::time::Monotonic;

impl Pipeline {
    /// Opens sinks that are due and gives every sink that is free its next chunk, if
    /// the chunk's epochs are durable.
    // spec: J-1, K-1
    pub(super) fn apply_chunks(&mut self, out: &mut Vec<Output>) {
        let (now, full) = (self.clock.now, self.is_held_by_sinks());
        for index in 0..self.sinks.sinks.len() {
            let id = SinkId(index as u32);
            match self.sinks.get(id).phase {
                SinkPhase::Backoff(at) if at <= now && planted!(K21) => {
                    self.sinks.get_mut(id).phase = SinkPhase::Ready;
                }
                SinkPhase::Backoff(at) if at <= now => self.open_sink(id, out),
                SinkPhase::Ready => {
                    let request = RequestId(self.requests.0 + 1);
                    let sink = self.sinks.get_mut(id);
                    let passes = planted!(K5)
                        && sink.queue.len() > 1
                        && sink.failing_since(&self.config, now).is_some();
                    let Some(chunk) = sink.queue.get(usize::from(passes)) else { continue };
                    if chunk.marker.epoch > self.durable && !planted!(J1) {
                        continue;
                    }
                    if full && planted!(R5) {
                        continue;
                    }
                    let chunk = chunk.clone();
                    sink.phase = SinkPhase::Applying(request);
                    sink.lag.ask(now);
                    self.requests = request;
                    out.push(Output::ApplyChunk { request, chunk });
                }
                SinkPhase::Backoff(_)
                | SinkPhase::Closed
                | SinkPhase::Opening(_)
                | SinkPhase::GivenUp(_)
                | SinkPhase::Applying(_) => {}
            }
        }
    }

    pub(super) fn open_sink(&mut self, id: SinkId, out: &mut Vec<Output>) {
        let request = self.request();
        let (now, generation) = (self.clock.now, self.generation);
        let sink = self.sinks.get_mut(id);
        sink.phase = SinkPhase::Opening(request);
        sink.lag.ask(now);
        out.push(Output::OpenSink { request, sink: id, generation });
    }

    /// A sink is ours, and this is its marker.
    // spec: K-3, K-4
    pub(super) fn sink_opened(
        &mut self,
        request: RequestId,
        id: SinkId,
        marker: Option<Marker>,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        let sink = self.sinks.get_mut(id);
        if sink.phase != SinkPhase::Opening(request) {
            return Ok(());
        }
        sink.phase = SinkPhase::Ready;
        sink.lag.was_opened = true;
        // A sink without a marker of its own is as far as it last said.
        let acked = sink.acked;
        let marker = if sink.keeps_marker(&self.plan) { marker } else { acked };
        self.settle(id, marker)?;
        let is_ending = self.is_ending();
        let sink = self.sinks.get_mut(id);
        sink.verified = is_ending;
        if matches!(self.phase, Phase::Opening(_)) {
            return self.sink_found(id, out);
        }
        let sink = self.sinks.get_mut(id);
        if sink.queue.is_empty() {
            sink.lag.succeed();
        }
        Ok(())
    }

    /// Takes a marker for what it says: chunks up to it are in the sink. It may be that
    /// of a sink that did not answer for a long time, also while it is being computed
    /// again what the sink lacks.
    ///
    /// # Errors
    /// If the sink is behind what it had acknowledged, or holds something else.
    // spec: K-4, K-5, K-7
    fn settle(&mut self, id: SinkId, marker: Option<Marker>) -> Result<(), Failure> {
        let (sink, acked) = (self.sink_name(id), self.sinks.get(id).acked);
        let text = |marker: Option<Marker>| marker.map_or("nothing".to_owned(), |m| m.to_string());
        let words =
            || format!("it had acknowledged {} and now holds {}", text(acked), text(marker));
        match (standing(marker, acked), marker) {
            (Standing::AsAcknowledged, _) => Ok(()),
            (Standing::Ahead, Some(found)) => self.settle_ahead(id, found),
            (Standing::Behind, _) if planted!(K12) => Ok(()),
            (Standing::Behind, _) => Err(Failure::SinkLostData { sink, detail: words() }),
            (Standing::Elsewhere | Standing::Ahead, _) => {
                Err(Failure::Diverged { sink, detail: words() })
            }
        }
    }

    /// Settles a marker beyond what the sink was known to hold: chunks were applied
    /// whose answers were lost.
    fn settle_ahead(&mut self, id: SinkId, found: Marker) -> Result<(), Failure> {
        let name = self.sink_name(id);
        let diverged = |detail| Err(Failure::Diverged { sink: name.clone(), detail });
        if found.lineage != self.lineage {
            return diverged(format!("it holds {found}, which belongs to another history"));
        }
        self.check_marker(&name, found)?;
        let is_opening = matches!(self.phase, Phase::Opening(_));
        let is_replaying = matches!(self.phase, Phase::Replaying(_));
        let sink = self.sinks.get_mut(id);
        let place = |marker: Marker| (marker.epoch, marker.chunk);
        let queued = sink.queue.iter().position(|chunk| chunk.marker.same_place(&found));
        let to_come = sink.made.is_none_or(|made| place(made) < place(found));
        match queued {
            Some(at) if sink.queue[at].marker != found && !planted!(K19) => {
                return diverged(format!("at {found} it has hash {}", found.hash));
            }
            Some(at) => sink.drop_through(at),
            None if is_opening => {}
            None if is_replaying && to_come => sink.recovered = Some(found),
            None => return diverged(format!("it holds {found}, which this job never computed")),
        }
        sink.acked = Some(found);
        sink.ack_moved = true;
        self.drop_recovered()
    }

    /// Checks that the journal holds the epoch of a marker.
    // spec: K-5
    fn check_marker(&self, sink: &str, marker: Marker) -> Result<(), Failure> {
        let last = match &self.phase {
            Phase::Opening(_) => self.journal_read_at_start().last_epoch(),
            _ => self.durable,
        };
        if marker.epoch <= last {
            return Ok(());
        }
        let detail = format!(
            "sink {sink} holds epoch {}, but the journal ends with epoch {last}",
            marker.epoch
        );
        Err(Failure::Damaged { what: Kept::Journal, detail })
    }

    /// Drops the chunks of a replay that the sinks hold already.
    pub(super) fn drop_recovered(&mut self) -> Result<(), Failure> {
        let dropped = self.sinks.drop_recovered();
        dropped.map_err(|(sink, detail)| Failure::Diverged { sink: self.sink_name(sink), detail })
    }

    pub(super) fn sink_applied(
        &mut self,
        request: RequestId,
        id: SinkId,
        outcome: ApplyOutcome,
        message: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if self.sinks.get(id).phase != SinkPhase::Applying(request) {
            return Ok(());
        }
        let name = self.sink_name(id);
        let overlooked = planted!(K12) && matches!(outcome, ApplyOutcome::Gap { .. });
        let outcome = if overlooked { ApplyOutcome::Duplicate } else { outcome };
        match outcome {
            ApplyOutcome::Applied | ApplyOutcome::Duplicate => {
                let sink = self.sinks.get_mut(id);
                let applied = sink.queue.front().expect("a chunk is applied from the queue");
                sink.acked = Some(applied.marker);
                (sink.ack_moved, sink.verified) = (true, false);
                sink.drop_through(0);
                sink.lag.succeed();
                sink.phase = SinkPhase::Ready;
                Ok(())
            }
            ApplyOutcome::Gap { found } => Err(Failure::SinkLostData {
                sink: name,
                detail: format!(
                    "it holds {} where the chunk's predecessor was acknowledged",
                    found.map_or("nothing".to_owned(), |marker| marker.to_string())
                ),
            }),
            ApplyOutcome::Diverged { found } => Err(Failure::Diverged {
                sink: name,
                detail: format!("at {found} it has hash {}", found.hash),
            }),
            ApplyOutcome::Fenced { .. } if planted!(K11) => {
                self.back_off(id, FailKind::Transient, message, out)
            }
            ApplyOutcome::Fenced { by } => {
                Err(Failure::Fenced { what: format!("sink {name}"), by: by.to_string() })
            }
            ApplyOutcome::Failed(FailKind::Rejected) => {
                Err(Failure::SinkRejected { sink: name, message: message.to_owned() })
            }
            // Whether it was done or not, the marker will tell.
            // spec: K-4
            ApplyOutcome::Failed(kind @ (FailKind::Transient | FailKind::Unknown)) => {
                self.back_off(id, kind, message, out)
            }
        }
    }

    /// Waits before the sink is opened again. However often that happens, it does not end
    /// the job: the sink lags, and is served when it comes back.
    // spec: F-2, K-8
    fn back_off(
        &mut self,
        id: SinkId,
        kind: FailKind,
        message: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        let name = self.sink_name(id);
        let (now, retry_ms) = (self.clock.now, self.config.retry_ms);
        let sink = self.sinks.get_mut(id);
        let attempts = sink.lag.fail(now);
        let wait = super::wake::backoff_ms(retry_ms, attempts);
        sink.phase = SinkPhase::Backoff(Monotonic(now.0 + wait * 1_000_000));
        let what = format!("sink {name} ({})", fail_word(kind));
        out.push(retrying(what, message.to_owned(), attempts));
        match &self.phase {
            Phase::Opening(_) => self.sink_lags_at_start(id, out),
            _ => Ok(()),
        }
    }

    pub(super) fn sink_open_failed(
        &mut self,
        request: RequestId,
        id: SinkId,
        outcome: OpenOutcome,
        message: &str,
        out: &mut Vec<Output>,
    ) -> Result<(), Failure> {
        if let Phase::Opening(opening) = &self.phase
            && opening.is_inspecting()
        {
            return self.sink_not_inspected(request, id, message, out);
        }
        if self.sinks.get(id).phase != SinkPhase::Opening(request) {
            return Ok(());
        }
        let sink = self.sink_name(id);
        match outcome {
            OpenOutcome::Opened { .. } => panic!("a sink that is open did not fail to open"),
            OpenOutcome::Fenced { .. } if planted!(K11) => {
                self.back_off(id, FailKind::Transient, message, out)
            }
            OpenOutcome::Fenced { by } => {
                Err(Failure::Fenced { what: format!("sink {sink}"), by: by.to_string() })
            }
            OpenOutcome::Locked { by } => Err(Failure::Locked { sink, by }),
            OpenOutcome::Damaged { what } => {
                let detail = format!("sink {sink}: {what}");
                Err(Failure::Damaged { what: Kept::Sink(sink), detail })
            }
            OpenOutcome::Failed(FailKind::Rejected) => {
                Err(Failure::SinkRejected { sink, message: message.to_owned() })
            }
            OpenOutcome::Failed(kind @ (FailKind::Transient | FailKind::Unknown)) => {
                self.back_off(id, kind, message, out)
            }
        }
    }
}
