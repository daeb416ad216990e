//! Plans as text.

use anabranch_engine::pipeline::PipelineConfig;
use anabranch_sim::model::Disturbance;
use anabranch_sim::plan::{
    Action, Deviation, Latency, LinkFault, MessageFault, Operation, Point, Record, RecordKind,
    RecordName, RunPlan, SourceFault, SplitInput, SplitShape, StateFault, StoreKind, Target, Ties,
    Trigger,
};
use anabranch_sim::time::{Span, VirtualTime};
use proptest::prelude::*;

fn parse_one(line: &str) -> Result<Deviation, String> {
    let text = format!("anabranch run plan 1\n# a line for people\n\n{line}\n");
    let plan: RunPlan =
        text.parse().map_err(|e: anabranch_sim::plan::text::PlanError| e.to_string())?;
    plan.deviations.first().cloned().ok_or_else(|| "no deviation".to_owned())
}

#[test]
fn triggers_read_like_sentences() {
    let when = |point, holding: Option<(&str, u64)>, nth, restarts| Trigger::When {
        nth,
        point,
        holding: holding.map(|(split, number)| RecordName { split: split.to_owned(), number }),
        restarts,
    };
    let hourly = Some("hourly".to_owned());
    let cases = [
        ("after append of A:120", when(Point::After(Operation::Append), Some(("A", 120)), 1, None)),
        (
            "before apply to hourly of A:120",
            when(Point::Before(Operation::Apply(hourly)), Some(("A", 120)), 1, None),
        ),
        (
            "between append and apply of A:120",
            when(Point::Before(Operation::Apply(None)), Some(("A", 120)), 1, None),
        ),
        (
            "nth 3 answer of redis",
            when(Point::Answer(Target::To("redis".to_owned())), None, 3, None),
        ),
        (
            "first fetch of B after restart 2",
            when(Point::Before(Operation::Fetch(Some("B".to_owned()))), None, 1, Some(2)),
        ),
        (
            "fetch of \"b c\":7",
            when(Point::Before(Operation::Fetch(None)), Some(("b c", 7)), 1, None),
        ),
        ("at 12.5s", Trigger::At(VirtualTime(12_500_000_000))),
    ];
    for (text, trigger) in cases {
        let found = parse_one(&format!("when {text} do crash")).expect(text);
        assert_eq!(found.trigger, trigger, "{text}");
    }
}

#[test]
fn what_is_no_plan_is_refused_with_its_line() {
    for (line, what) in [
        ("when after append of A do crash", "A is no record: split:7"),
        ("when nth 0 before append do crash", "the first time is nth 1"),
        ("when before appendix do crash", "appendix is nothing that a pipeline asks for"),
        ("when at 12 do crash", "12 is no time such as 12.5s, 300ms or 20us"),
        ("when at 1s do explode", "`explode` is nothing that can happen"),
        ("when at 1s do crash now", "`now` is too much"),
        ("config speed 3", "there is no limit speed"),
        ("config fetch_bytes -3", "-3 is no value of fetch_bytes"),
        ("record 1 at 1s = x", "a record before the first split"),
        ("hello", "no line begins with `hello`"),
        ("job \"a", "a quote that is not closed"),
    ] {
        assert_eq!(parse_one(line), Err(format!("line 4: {what}")), "{line}");
    }
    let other = "anabranch run plan 2\n".parse::<RunPlan>().expect_err("another version");
    assert_eq!((other.line, other.what.as_str()), (1, "a plan begins with: anabranch run plan 1"));
}

// Strategies are boxed, since their frames would not fit the stack of a test's thread.
fn name() -> BoxedStrategy<String> {
    prop_oneof![
        3 => "[a-z][a-z0-9_./-]{0,6}",
        1 => "[ -~äß\\n\"\\\\:=]{0,6}",
    ]
    .boxed()
}

fn span() -> BoxedStrategy<Span> {
    prop_oneof![(0_i64..5_000).prop_map(Span::ms), (0_i64..5_000_000_000_000).prop_map(Span),]
        .boxed()
}

fn time() -> BoxedStrategy<VirtualTime> {
    span().prop_map(|span| VirtualTime(span.0)).boxed()
}

fn operation() -> BoxedStrategy<Operation> {
    let of = || proptest::option::of(name());
    prop_oneof![
        proptest::sample::select(vec![
            Operation::Output,
            Operation::ReadJournal,
            Operation::OpenJournal,
            Operation::List,
            Operation::Load,
            Operation::Append,
            Operation::Finish,
            Operation::Store,
            Operation::Trim,
            Operation::Prove,
        ]),
        of().prop_map(Operation::Inspect),
        of().prop_map(Operation::Open),
        of().prop_map(Operation::Discover),
        of().prop_map(Operation::Fetch),
        of().prop_map(Operation::Apply),
    ]
    .boxed()
}

fn trigger() -> BoxedStrategy<Trigger> {
    let target = || prop_oneof![operation().prop_map(Target::Of), name().prop_map(Target::To)];
    let point = prop_oneof![
        operation().prop_map(Point::Before),
        operation().prop_map(Point::After),
        target().prop_map(Point::Request),
        target().prop_map(Point::Answer),
    ];
    let record = (name(), any::<u64>()).prop_map(|(split, number)| RecordName { split, number });
    prop_oneof![
        1 => time().prop_map(Trigger::At),
        4 => (1_u32..9, point, proptest::option::of(record), proptest::option::of(0_u32..5))
            .prop_map(|(nth, point, holding, restarts)| Trigger::When {
                nth, point, holding, restarts,
            }),
    ]
    .boxed()
}

fn disturbance() -> BoxedStrategy<Disturbance> {
    prop_oneof![
        any::<u32>().prop_map(|writes| Disturbance::LoseAcknowledged { writes }),
        any::<u32>().prop_map(|keep| Disturbance::Retention { keep }),
        any::<u32>().prop_map(|parts| Disturbance::StopInsert { parts }),
        any::<u32>().prop_map(|writes| Disturbance::Fill { writes }),
        any::<u64>().prop_map(|place| Disturbance::Rot { place }),
        any::<u64>().prop_map(|choice| Disturbance::PowerFailure { choice }),
        proptest::sample::select(vec![
            Disturbance::LoseMarker,
            Disturbance::Failover,
            Disturbance::ExpireProducers,
            Disturbance::Merge,
            Disturbance::ForgetTokens,
            Disturbance::MakeRoom,
            Disturbance::FailSync,
            Disturbance::TakeFiles,
        ]),
    ]
    .boxed()
}

fn action() -> BoxedStrategy<Action> {
    let restart = || proptest::option::of(span());
    let message = prop_oneof![
        Just(MessageFault::DropRequest),
        Just(MessageFault::DropAnswer),
        Just(MessageFault::Refuse),
        span().prop_map(MessageFault::Delay),
        span().prop_map(MessageFault::Duplicate),
        span().prop_map(MessageFault::Late),
    ];
    let link = prop_oneof![
        Just(LinkFault::Cut),
        Just(LinkFault::CutAnswers),
        Just(LinkFault::CutRequests),
        span().prop_map(LinkFault::Slow),
    ];
    let source = prop_oneof![
        any::<u64>().prop_map(|keep| SourceFault::Retain { keep }),
        any::<u64>().prop_map(|records| SourceFault::Truncate { records }),
        Just(SourceFault::Recreate),
        Just(SourceFault::Rewind),
        any::<u64>().prop_map(|number| SourceFault::Compact { number }),
    ];
    prop_oneof![
        restart().prop_map(|restart| Action::Crash { restart }),
        (any::<u64>(), restart())
            .prop_map(|(choice, restart)| Action::PowerFailure { choice, restart }),
        (span(), any::<bool>(), proptest::option::of(any::<u32>()))
            .prop_map(|(span, successor, until)| Action::Pause { span, successor, until }),
        Just(Action::DoubleStart),
        any::<i32>().prop_map(|ppm| Action::ClockDrift { ppm }),
        (span(), any::<bool>())
            .prop_map(|(by, back)| Action::ClockJump { by: Span(if back { -by.0 } else { by.0 }) }),
        message.prop_map(Action::Message),
        proptest::sample::select(vec![
            StateFault::Copy,
            StateFault::PutBack,
            StateFault::StartCopy,
        ])
        .prop_map(Action::State),
        (name(), any::<u64>())
            .prop_map(|(split, number)| Action::Poison { record: RecordName { split, number } }),
        (name(), link, span()).prop_map(|(service, fault, span)| Action::Link {
            service,
            fault,
            span
        }),
        (name(), disturbance())
            .prop_map(|(service, disturbance)| Action::Disturb { service, disturbance }),
        (name(), source).prop_map(|(split, fault)| Action::Source { split, fault }),
    ]
    .boxed()
}

fn record() -> BoxedStrategy<Record> {
    let bytes = || {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            "[ -~]{0,12}".prop_map(String::into_bytes),
        ]
    };
    let kind = prop_oneof![
        any::<u32>().prop_map(|offsets| RecordKind::Gap { offsets }),
        bytes().prop_map(|bytes| RecordKind::Raw(bytes.into())),
        (bytes(), proptest::option::of(any::<i64>())).prop_map(|(value, timestamp_ms)| {
            RecordKind::Whole { value: value.into(), timestamp_ms }
        }),
    ];
    (any::<u64>(), time(), kind).prop_map(|(number, at, kind)| Record { number, at, kind }).boxed()
}

fn split() -> BoxedStrategy<SplitInput> {
    let shape = prop_oneof![Just(SplitShape::File), Just(SplitShape::Log)];
    let records = proptest::collection::vec(record(), 0..4);
    (name(), name(), shape, time(), proptest::option::of(time()), records)
        .prop_map(|(table, name, shape, added, ended, records)| SplitInput {
            table,
            name,
            shape,
            added,
            ended,
            records,
        })
        .boxed()
}

fn plan() -> BoxedStrategy<RunPlan> {
    let pipeline = (name(), any::<u32>(), 0_i64..100_000, any::<usize>()).prop_map(
        |(binary, fetch_bytes, flush_age_ms, epoch_bytes_max)| PipelineConfig {
            binary,
            fetch_bytes,
            flush_age_ms,
            epoch_bytes_max,
            ..PipelineConfig::default()
        },
    );
    let deviation =
        (trigger(), action()).prop_map(|(trigger, action)| Deviation { trigger, action });
    let times = (span(), span(), span(), span(), time(), 0_usize..5, name());
    (
        name(),
        any::<u64>(),
        pipeline,
        proptest::collection::vec(split(), 0..3),
        proptest::collection::vec(deviation, 0..5),
        proptest::collection::vec(name(), 0..3),
        times,
    )
        .prop_map(|(job, seed, pipeline, splits, deviations, marks, times)| {
            let (base, jitter, turn, delay, heal, pieces, sink) = times;
            let mut plan =
                RunPlan { splits, deviations, marks, ..RunPlan::calm(job, seed, pipeline) };
            plan.settings.links.sinks = Latency { base, jitter };
            plan.settings.cpu.turn = turn;
            plan.settings.restarts.delay = delay;
            plan.settings.timing.heal = heal;
            plan.settings.pieces = pieces;
            plan.settings.ties = [None, Some(None), Some(Some(heal))][pieces % 3]
                .map(|until| Ties { seed, from: VirtualTime(base.0), until });
            plan.settings.stores.sink.insert(sink, StoreKind::Connector);
            plan.settings.stores.journal = StoreKind::Topic;
            plan
        })
        .boxed()
}

proptest! {
    // The same cases every time; PROPTEST_CASES looks further.
    #![proptest_config(ProptestConfig {
        rng_seed: proptest::test_runner::RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]
    #[test]
    fn a_plan_is_the_same_when_it_is_read_again(plan in plan()) {
        let text = plan.to_string();
        let read: RunPlan = text.parse().map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        prop_assert_eq!(&read, &plan, "{}", text);
        prop_assert_eq!(read.to_string(), text);
    }
}
