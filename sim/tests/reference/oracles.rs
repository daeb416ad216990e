//! Each oracle finds what it is there for, and nothing where all is well.

use crate::hand::{Do, Hand, NONE, call, kv, source};
use anabranch_engine::ids::{Epoch, Generation, Lineage, SinkId};
use anabranch_engine::journal::{ChainHash, EpochRecord, FlushEnd};
use anabranch_engine::plan::Window;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::sink::Marker;
use anabranch_engine::types::SqlType;
use anabranch_sim::model::{View, ViewRecord};
use anabranch_sim::oracle::{
    Effect, Fall, Finding, Guarantee, Liveness, MarkerSeen, Reach, Recovery, Shape, SinkOracle,
    Stall, Zombie, discords, fires_once, generations, liveness, markers, same_trace, usage,
};
use anabranch_sim::reference::Expected;
use anabranch_sim::time::{Span, VirtualTime};

/// Windows in sink 0, records in sink 1, and the last record of each key in sink 2.
fn world() -> Hand {
    let mut plan = PlanBuilder::default();
    let scan = source(&mut plan, 0, true);
    let window = Window::Tumble { size_ms: 10, offset_ms: 0 };
    let calls = vec![call("COUNT", None, SqlType::BigInt)];
    let counts = plan.aggregate("op", scan, window, &[0], calls, 0);
    plan.sink("counts", "kafka", counts);
    let narrow = plan.project(scan, None, &[0, 1]);
    plan.sink("records", "kafka", narrow);
    let sink = plan.sink("latest", "redis", narrow);
    let table = plan.table_of_sink(sink);
    plan.table_mut(table).primary_key = Some(vec![0]);
    let mut hand = Hand::new(plan.build());
    hand.epoch(vec![("0A", Do::Add(NONE)), ("0B", Do::Add(NONE))]);
    hand.epoch(vec![("0A", Do::Take(vec![kv("a", 1, 1), kv("b", 2, 2)]))]);
    hand.epoch(vec![("0B", Do::Take(vec![kv("c", 3, 1)])), ("0A", Do::Take(vec![kv("a", 4, 12)]))]);
    hand.epoch(vec![("0A", Do::End), ("0B", Do::End)]);
    hand
}

fn view(texts: &[String]) -> View {
    let record = |text: &String| ViewRecord { value: text.clone().into(), ..ViewRecord::default() };
    View { records: texts.iter().map(record).collect(), marker: None }
}

/// The rows of a sink that belong to these epochs.
fn texts(expected: &Expected, sink: usize, up_to: u64) -> Vec<String> {
    let rows = expected.sinks[sink].up_to(Epoch(up_to)).iter();
    rows.map(|row| format!("{}\n", row.value)).collect()
}

fn found(hand: &Hand, sink: u32, shape: Shape, texts: &[String], reach: Reach) -> Option<Finding> {
    let expected = hand.expected();
    let oracle = SinkOracle {
        plan: &hand.plan,
        expected: &expected,
        sink: SinkId(sink),
        shape,
        guarantee: Guarantee::ExactlyOnce,
    };
    oracle.view(&view(texts), reach)
}

/// What is found in a log, in a word.
fn in_log(hand: &Hand, sink: u32, texts: &[String], epoch: u64) -> String {
    let finding = found(hand, sink, Shape::Log, texts, Reach::whole(Epoch(epoch)));
    finding.map_or("nothing".to_owned(), |finding| finding.fingerprint)
}

#[test]
fn a_log_holds_each_row_once_in_its_order() {
    // spec: E-3, K-1
    let hand = world();
    let expected = hand.expected();
    let all = texts(&expected, 0, 4);
    assert_eq!(all.len(), 4);
    assert_eq!(in_log(&hand, 0, &all, 4), "nothing");
    let without = |index: usize| {
        let mut some = all.clone();
        some.remove(index);
        some
    };
    assert_eq!(in_log(&hand, 0, &without(2), 4), "S2 lost row: counts");
    let with = |index: usize, text: &String| {
        let mut more = all.clone();
        more.insert(index, text.clone());
        more
    };
    assert_eq!(in_log(&hand, 0, &with(1, &all[0]), 4), "S2 doubled row: counts");
    let other = all[1].replace("\"a0\":1", "\"a0\":2");
    let mut changed = all.clone();
    changed[1] = other;
    let finding = found(&hand, 0, Shape::Log, &changed, Reach::whole(Epoch(4))).expect("wrong");
    assert_eq!(finding.fingerprint, "S1 wrong row: counts");
    // It names what is missing, and the record that this comes from.
    assert!(finding.message.contains("\"a0\":2") && finding.message.contains("A:1"), "{finding}");
    let mut swapped = all.clone();
    swapped.swap(0, 1);
    assert_eq!(in_log(&hand, 0, &swapped, 4), "S1 order: counts");
    let bag = found(&hand, 0, Shape::Bag, &swapped, Reach::whole(Epoch(4)));
    assert_eq!(bag, None);
}

#[test]
fn rows_of_different_splits_have_no_order_among_each_other() {
    // spec: E-3
    let hand = world();
    let all = texts(&hand.expected(), 1, 4);
    assert_eq!(all.len(), 4);
    // a, b and a of split A; c of split B.
    let split_b = all.iter().position(|text| text.contains("\"c\"")).expect("it is there");
    let mut moved = all.clone();
    let text = moved.remove(split_b);
    moved.insert(0, text);
    assert_eq!(in_log(&hand, 1, &moved, 4), "nothing");
    let mut wrong: Vec<String> = all.clone();
    wrong.reverse();
    assert_eq!(in_log(&hand, 1, &wrong, 4), "S1 order: records");
}

#[test]
fn a_reader_sees_a_prefix_of_epochs() {
    // spec: K-2, K-7
    let hand = world();
    let expected = hand.expected();
    assert_eq!(in_log(&hand, 1, &texts(&expected, 1, 2), 2), "nothing");
    assert_eq!(in_log(&hand, 1, &texts(&expected, 1, 2), 3), "S2 lost row: records");
    assert_eq!(in_log(&hand, 1, &texts(&expected, 1, 3), 2), "S3 row beyond the marker: records");
    // A group that is begun may be there in part.
    let reach = Reach { complete: Epoch(2), begun: Epoch(3) };
    for count in 2..=4 {
        let some = &texts(&expected, 1, 3)[..count];
        assert_eq!(found(&hand, 1, Shape::Log, some, reach), None);
    }
    let lineage = Lineage { number: 1, nonce: 1 };
    let marker = |epoch, last| {
        Some(Marker { lineage, epoch: Epoch(epoch), chunk: 0, last, hash: ChainHash::START })
    };
    let mut epochs = hand.epochs.clone();
    epochs[2].flush_ends = vec![
        FlushEnd { sink: SinkId(1), epoch: Epoch(2) },
        FlushEnd { sink: SinkId(0), epoch: Epoch(3) },
    ];
    let reach_of = |marker, epochs: &[EpochRecord]| Reach::of_marker(marker, SinkId(1), epochs);
    assert_eq!(reach_of(marker(3, false), &epochs), reach);
    assert_eq!(reach_of(marker(3, true), &epochs), Reach::whole(Epoch(3)));
    assert_eq!(reach_of(None, &epochs), Reach::default());
}

#[test]
fn a_keyed_sink_holds_the_last_row_of_each_key() {
    // spec: E-3
    let hand = world();
    let row = |k: &str, v: i64| format!(r#"{{"k":"{k}","v":{v}}}"#);
    let of = |texts: &[String], epoch: u64| {
        let finding = found(&hand, 2, Shape::Keyed, texts, Reach::whole(Epoch(epoch)));
        finding.map_or("nothing".to_owned(), |finding| finding.fingerprint)
    };
    let (a, b, c) = (row("a", 4), row("b", 2), row("c", 3));
    assert_eq!(of(&[a.clone(), b.clone(), c.clone()], 4), "nothing");
    assert_eq!(of(&[row("a", 1), b.clone()], 2), "nothing");
    assert_eq!(of(&[row("a", 1), b.clone(), c.clone()], 4), "S2 stale row: latest");
    assert_eq!(of(&[a.clone(), c.clone()], 4), "S2 lost row: latest");
    assert_eq!(of(&[a.clone(), a.clone(), b.clone(), c.clone()], 4), "S2 doubled key: latest");
    assert_eq!(of(&[row("a", 9), b.clone(), c], 4), "S1 wrong row: latest");
    assert_eq!(of(&[a, b], 2), "S3 row beyond the marker: latest");
}

#[test]
fn no_window_fires_twice() {
    // spec: T-5
    let hand = world();
    let mut all = texts(&hand.expected(), 0, 4);
    assert_eq!(fires_once(&hand.plan, SinkId(0), &view(&all)), None);
    all.push(all[1].replace("\"a0\":1", "\"a0\":2"));
    let finding = fires_once(&hand.plan, SinkId(0), &view(&all)).expect("twice");
    assert_eq!(finding.fingerprint, "S7 window fired twice: counts");
    // Rows of records may repeat.
    let records = texts(&hand.expected(), 1, 4);
    assert_eq!(
        fires_once(&hand.plan, SinkId(1), &view(&[records.clone(), records].concat())),
        None
    );
}

#[test]
fn what_the_journal_says_wrongly_is_a_finding() {
    let mut hand = world();
    hand.epochs[2].slices[1].start.0 = 3;
    let findings = discords(&hand.expected());
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].fingerprint, "S2 gap: journal");
    assert!(findings[0].message.contains("epoch 3") && findings[0].message.contains("0/A"));
}

#[test]
fn a_marker_goes_back_only_by_a_loss_that_is_noticed() {
    // spec: K-5
    let lineage = Lineage { number: 1, nonce: 1 };
    let marker = |epoch: u64, chunk: u32| {
        let hash = ChainHash::START;
        Some(Marker { lineage, epoch: Epoch(epoch), chunk, last: chunk == 1, hash })
    };
    let seen = |at: i64, marker, fall| MarkerSeen { at: VirtualTime(at), marker, fall };
    let none = |at, marker| seen(at, marker, Fall::None);
    let grows = [none(1, None), none(2, marker(3, 0)), none(3, marker(3, 1))];
    assert_eq!(markers("s", &grows, true), None);
    let back = |fall| [none(1, marker(3, 1)), seen(2, marker(3, 0), fall)];
    let kind = |history: &[MarkerSeen], is_back| {
        markers("s", history, is_back).map(|finding| finding.fingerprint)
    };
    let (fell, unseen) = (Some("S4 marker went back: s"), Some("S4 loss not noticed: s"));
    assert_eq!(kind(&back(Fall::None), false).as_deref(), fell);
    // What was never certain may go, and nothing else with it.
    assert_eq!(kind(&back(Fall::To(marker(3, 0))), false), None);
    assert_eq!(kind(&back(Fall::To(marker(3, 1))), false).as_deref(), fell);
    // A loss that somebody looked for is mended, or the job does not end well.
    assert_eq!(kind(&back(Fall::Any), false), None);
    assert_eq!(kind(&back(Fall::Any), true).as_deref(), unseen);
    let mended = [none(1, marker(3, 1)), seen(2, None, Fall::Any), none(3, marker(3, 1))];
    assert_eq!(kind(&mended, true), None);
}

#[test]
fn an_old_generation_has_no_effect_behind_a_newer_one() {
    // spec: G-1, J-3, K-3
    let effect = |number: u64, nonce: u64, target: &str| Effect {
        at: VirtualTime(number as i64),
        target: target.to_owned(),
        generation: Generation { number, nonce },
        what: "apply".to_owned(),
    };
    let kind = |effects: &[Effect]| generations(effects).map(|finding| finding.fingerprint);
    let fine = [effect(1, 1, "s"), effect(2, 2, "s"), effect(1, 1, "journal"), effect(2, 2, "s")];
    assert_eq!(kind(&fine), None);
    assert_eq!(
        kind(&[effect(2, 2, "s"), effect(1, 1, "s")]).as_deref(),
        Some("S6 effect of an old generation: s")
    );
    assert_eq!(
        kind(&[effect(2, 2, "s"), effect(2, 3, "s")]).as_deref(),
        Some("S6 two incarnations of one number: s")
    );
}

#[test]
fn a_healed_world_comes_to_its_end() {
    let fine = Liveness {
        healed: VirtualTime(100),
        done: Some(VirtualTime(150)),
        done_budget: Span(50),
        ..Liveness::default()
    };
    assert_eq!(liveness(&fine), []);
    let stall =
        |what: &str| Stall { what: what.to_owned(), since: VirtualTime(1), until: VirtualTime(9) };
    let bad = Liveness {
        done: None,
        pinned: vec![stall("transaction 7")],
        pinned_budget: Span(7),
        idle: vec![stall("split b")],
        restarts: 4,
        restarts_max: 3,
        silent: vec![stall("nothing")],
        silent_budget: Span(8),
        recoveries: vec![Recovery {
            process: "p1".into(),
            started: VirtualTime(5),
            running: VirtualTime(9),
        }],
        recovery_budget: Span(3),
        zombies: vec![Zombie { process: "p0".into(), fenced: VirtualTime(5), exited: None }],
        ..fine.clone()
    };
    let oracles: Vec<&str> = liveness(&bad).iter().map(|finding| finding.oracle).collect();
    assert_eq!(oracles, ["L1", "L2", "L3", "L4", "L5", "L6"]);
    let late = Liveness { done: Some(VirtualTime(151)), ..fine };
    assert_eq!(liveness(&late).len(), 1);
}

#[test]
fn twins_and_bounds() {
    let trace = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    assert_eq!(same_trace(&trace(&["a", "b"]), &trace(&["a", "b"])), None);
    let finding = same_trace(&trace(&["a", "b"]), &trace(&["a"])).expect("one is longer");
    assert_eq!(finding.oracle, "S8");
    assert!(finding.message.starts_with("step 2: b"));
    assert_eq!(usage(&[("chunks that wait", 3, 3)]), None);
    assert_eq!(usage(&[("chunks that wait", 4, 3)]).expect("too many").oracle, "S9");
}
