//! A sink that may be given up: it is for good, and not because of what is long past.

use crate::judged::{every, judged, outputs_of, tell};
use crate::scenarios::{Scenario, more};
use anabranch_sim::plan::{
    Action, Deviation, LinkFault, MessageFault, Operation, Point, RunPlan, Target, Trigger,
};
use anabranch_sim::time::{Span, VirtualTime};

/// Records over 0.8 s; the sink `topic` is given up when it has failed for 0.2 s.
fn lagging() -> Scenario {
    let found = more().into_iter().find(|scenario| scenario.name == "lagging");
    let mut scenario = found.expect("there is such a scenario");
    for record in scenario.plan.splits.iter_mut().flat_map(|split| &mut split.records) {
        record.at = VirtualTime(record.at.0 * 20);
    }
    scenario.plan.pipeline.sink_wait_ms = 100;
    scenario.plan.settings.timing.request_limit = Span::ms(100);
    scenario
}

fn when(point: Point, nth: u32, restarts: Option<u32>, action: Action) -> Deviation {
    Deviation { trigger: Trigger::When { nth, point, holding: None, restarts }, action }
}

/// A request for the sink that may be given up.
fn apply() -> Point {
    Point::Request(Target::Of(Operation::Apply(Some("topic".to_owned()))))
}

#[test]
fn a_sink_that_was_given_up_is_served_no_more_wherever_a_crash_falls() {
    // spec: K-8
    let mut scenario = lagging();
    let fault = LinkFault::Cut;
    let cut = Action::Link { service: "topic".to_owned(), fault, span: Span::ms(600) };
    scenario.plan.deviations = vec![when(apply(), 1, Some(0), cut)];
    let outputs = outputs_of(&scenario, &scenario.plan, 1);
    let cases: Vec<(String, RunPlan)> = (1..outputs)
        .map(|nth| {
            let mut plan = scenario.plan.clone();
            let crash = Action::Crash { restart: Some(Span::ms(30)) };
            let point = Point::After(Operation::Output);
            plan.deviations.push(when(point, nth, Some(0), crash));
            (format!("output {nth}"), plan)
        })
        .collect();
    let mut given_up = 0;
    let wrong = every(&cases, |plan| {
        let (result, wrong) = judged(&scenario, plan);
        given_up += result.counts.marks.get("sink-given-up").copied().unwrap_or(0);
        wrong
    });
    tell(&format!("{} crashes, {given_up} times a sink was given up", cases.len()));
    assert_eq!(wrong, Vec::<String>::new());
    assert!(given_up as usize > cases.len() / 2, "{given_up}");
}

#[test]
fn a_sink_that_failed_once_is_not_given_up_long_after() {
    // spec: K-8
    let mut scenario = lagging();
    let refused = Action::Message(MessageFault::Refuse);
    scenario.plan.deviations = vec![when(apply(), 1, Some(0), refused)];
    let (result, wrong) = judged(&scenario, &scenario.plan);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(result.stale, Vec::<usize>::new());
    assert!(result.counts.marks.contains_key("retried"));
    assert!(!result.counts.marks.contains_key("sink-given-up"));
}
