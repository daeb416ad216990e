//! The worlds whose speed is measured: a job between Kafka topics, its journal a topic,
//! its snapshots in an object store.

use anabranch_engine::pipeline::PipelineConfig;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, Window};
use anabranch_engine::types::SqlType;
use anabranch_sim::model::Disturbance;
use anabranch_sim::plan::{
    Action, Deviation, Latency, MessageFault, Operation, Point, Record, RecordKind, RecordName,
    RunPlan, SplitInput, SplitShape, StoreKind, Stores, Target, Trigger,
};
use anabranch_sim::rng::Draws;
use anabranch_sim::time::{Span, VirtualTime};
use std::sync::Arc;

/// Counts and sums by key in windows of 10 s, from one topic into another.
#[must_use]
pub fn topics_job() -> Arc<Plan> {
    let mut plan = PlanBuilder::default();
    let columns = [
        ("k", SqlType::STRING),
        ("v", SqlType::BigInt),
        ("ts", SqlType::Timestamp(3)),
        ("_split", SqlType::STRING),
    ];
    let events = plan.table("events", "kafka", &columns, Some((2, 2_000)), true);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 10_000, offset_ms: 0 };
    let totals = [("COUNT", None, SqlType::BigInt), ("SUM", Some(1), SqlType::BigInt)];
    let totals = plan.window("totals", scan, window, &[0], &totals);
    plan.sink("totals", "kafka", totals);
    Arc::new(plan.build())
}

/// How much comes in, and how fast.
#[derive(Clone, Copy, Debug)]
pub struct Arrivals {
    /// How many records each of the two splits gets.
    pub records: u64,
    /// One comes so long after the other.
    pub every: Span,
}

/// A plan with a run of about 20,000 events and five faults: a crash between
/// append and apply, a process that is replaced while it stands still, the failover of a
/// broker, a commit whose answer is lost, and a fetch that comes late.
#[must_use]
pub fn standard(seed: u64) -> RunPlan {
    let arrivals = Arrivals { records: 1_800, every: Span::ms(4) };
    let mut plan = calm(seed, arrivals);
    let draws = &mut Draws::new(seed, "bench", "faults");
    let split = |draws: &mut Draws| ["a", "b"][draws.below(2) as usize].to_owned();
    let holding = |draws: &mut Draws| {
        let number = draws.below(arrivals.records);
        Some(RecordName { split: format!("events/{}", split(draws)), number })
    };
    let apply = || Operation::Apply(Some("totals".to_owned()));
    let at = |draws: &mut Draws| VirtualTime(draws.below(arrivals.span().0 as u64) as i64);
    let nth = |draws: &mut Draws, most: u64| 1 + draws.below(most) as u32;
    let when = |nth, point, holding| Trigger::When { nth, point, holding, restarts: None };
    let append = Point::After(Operation::Append);
    plan.deviations = vec![
        Deviation {
            trigger: when(1, append, holding(draws)),
            action: Action::Crash { restart: Some(Span::ms(200)) },
        },
        Deviation {
            trigger: Trigger::At(at(draws)),
            action: Action::Pause { span: Span::ms(1_500), successor: true, until: None },
        },
        Deviation {
            trigger: Trigger::At(at(draws)),
            action: Action::Disturb {
                service: "totals".to_owned(),
                disturbance: Disturbance::Failover,
            },
        },
        Deviation {
            trigger: when(nth(draws, 3), Point::Answer(Target::Of(apply())), None),
            action: Action::Message(MessageFault::DropAnswer),
        },
        Deviation {
            trigger: when(nth(draws, 200), Point::Answer(Target::Of(Operation::Fetch(None))), None),
            action: Action::Message(MessageFault::Delay(Span::ms(300))),
        },
    ];
    plan
}

/// A run in which nothing goes wrong.
#[must_use]
pub fn calm(seed: u64, arrivals: Arrivals) -> RunPlan {
    let limits = PipelineConfig {
        binary: "bench".into(),
        flush_age_ms: 100,
        snapshot_bytes: 64 << 10,
        poison_starts: u32::MAX,
        ..PipelineConfig::default()
    };
    let mut plan = RunPlan::calm("topics", seed, limits);
    plan.settings.stores = Stores {
        journal: StoreKind::Topic,
        snapshots: StoreKind::Object,
        sinks: StoreKind::Connector,
        ..Stores::default()
    };
    let links = &mut plan.settings.links;
    for link in [&mut links.journal, &mut links.snapshots, &mut links.sinks, &mut links.sources] {
        *link = Latency { jitter: Span::us(200), ..*link };
    }
    plan.settings.restarts.delay = Span::ms(100);
    plan.settings.timing.heal = VirtualTime(arrivals.span().0 + Span::ms(5_000).0);
    plan.splits = vec![split("a", seed, arrivals), split("b", seed, arrivals)];
    plan
}

impl Arrivals {
    /// From the first record to the last.
    #[must_use]
    pub fn span(self) -> Span {
        Span(self.every.0 * self.records as i64)
    }
}

/// Sixteen keys; event time goes with the arrival, up to 1.5 s behind.
fn split(name: &str, seed: u64, arrivals: Arrivals) -> SplitInput {
    let mut draws = Draws::new(seed, "bench", name);
    let records = (0..arrivals.records).map(|number| {
        let at = VirtualTime(arrivals.every.0 * number as i64);
        let ms = (at.0 / 1_000_000 + 1_500 - draws.below(1_500) as i64) as u64;
        let (seconds, ms) = (ms / 1_000, ms % 1_000);
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        let (key, value) = (draws.below(16), draws.below(1_000));
        let (day, hour) = (1 + hours / 24, hours % 24);
        let line = format!(
            r#"{{"k":"k{key}","v":{value},"ts":"2024-01-{day:02} {hour:02}:{minutes:02}:{seconds:02}.{ms:03}","_split":"{name}"}}"#
        );
        let kind = RecordKind::Whole { value: line.into(), timestamp_ms: None };
        Record { number, at, kind }
    });
    SplitInput {
        table: "events".to_owned(),
        name: name.to_owned(),
        shape: SplitShape::Log,
        added: VirtualTime(0),
        ended: None,
        records: records.collect(),
    }
}
