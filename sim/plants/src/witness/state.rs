//! Plans in which the job's state is copied or put back, or a record kills whoever
//! computes it.

use super::spice::when;
use anabranch_sim::plan::{
    Action, Deviation, Latency, LinkFault, MessageFault, Operation, Point, RecordName, RunPlan,
    StateFault, Target, Trigger,
};
use anabranch_sim::rng::Draws;
use anabranch_sim::time::{Span, VirtualTime};

/// Each message takes as long as any other, so that what is planned to meet, meets.
fn even_latencies(plan: &mut RunPlan) {
    let latency = |us| Latency { base: Span::us(us), jitter: Span(0) };
    plan.settings.links.journal = latency(500);
    plan.settings.links.snapshots = latency(500);
    plan.settings.links.sinks = latency(1_000);
    plan.settings.links.sources = latency(1_000);
    plan.settings.timing.request_limit = Span::ms(2_000);
}

/// The machine is cloned when the job is about to take a generation, and both go on.
pub(super) fn cloned(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "cloned");
    even_latencies(plan);
    plan.pipeline.sink_wait_ms = 10_000;
    let kill = 1 + draws.below(10) as u32;
    let open = || Point::Before(Operation::OpenJournal);
    let crash = Action::Crash { restart: Some(Span::ms(20)) };
    // Then the clone is ahead now and then.
    let rest = Action::Pause { span: Span::ms(100), successor: false, until: None };
    let resting = |nth| Deviation {
        trigger: Trigger::When {
            nth,
            point: Point::After(Operation::Apply(None)),
            holding: None,
            restarts: Some(1),
        },
        action: rest.clone(),
    };
    plan.deviations = vec![
        when(kill, Point::After(Operation::Apply(None)), crash),
        when(2, open(), Action::State(StateFault::Copy)),
        when(2, open(), Action::State(StateFault::StartCopy)),
        resting(1),
        resting(3),
    ];
    // Sometimes the clone comes first.
    for _ in 0..3 {
        let nth = 6 + draws.below(16) as u32;
        let late = MessageFault::Delay(Span::us(draws.below(6_000) as i64));
        let request = Point::Request(Target::Of(Operation::Open(None)));
        plan.deviations.push(when(nth, request, Action::Message(late)));
    }
}

/// The state is put back to what it was before the first epoch, which a sink holds already
/// and does not say for a while; meanwhile there is more input, and another first epoch.
pub(super) fn other_history(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "history");
    even_latencies(plan);
    let bytes = 1_000_000;
    plan.pipeline.epoch_bytes_max = bytes;
    plan.pipeline.fetch_bytes = bytes as u32;
    plan.pipeline.split_buffer_bytes_max = bytes;
    plan.pipeline.sink_wait_ms = 50;
    plan.pipeline.flush_bytes = 1;
    for split in &mut plan.splits {
        let half = split.records.len() / 2;
        for (index, record) in split.records.iter_mut().enumerate() {
            record.at = VirtualTime(if index < half { 0 } else { Span::ms(400).0 });
        }
    }
    let away = Span::ms(600 + draws.below(400) as i64);
    let done = || Point::After(Operation::Apply(None));
    let (service, fault) = ("results".to_owned(), LinkFault::Cut);
    plan.deviations = vec![
        when(1, Point::Before(Operation::Append), Action::State(StateFault::Copy)),
        when(1, done(), Action::State(StateFault::PutBack)),
        when(1, done(), Action::Link { service, fault, span: away }),
        when(1, done(), Action::Crash { restart: Some(Span::ms(400)) }),
    ];
}

/// A record kills every process that computes it.
pub(super) fn poison(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "poison");
    plan.pipeline.poison_starts = 2 + draws.below(3) as u32;
    plan.deviations = Vec::new();
    let Some(split) = plan.splits.iter().max_by_key(|split| split.records.len()) else { return };
    // A made-up input may be empty.
    if split.records.is_empty() {
        return;
    }
    let record = draws.choose(&split.records);
    let record =
        RecordName { split: format!("{}/{}", split.table, split.name), number: record.number };
    let trigger = Trigger::At(VirtualTime(0));
    plan.deviations.push(Deviation { trigger, action: Action::Poison { record } });
}
