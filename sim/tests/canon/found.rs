//! Runs in which something was wrong once, made small.

use crate::judged::{judged, with};
use crate::scenarios::{Scenario, all};
use anabranch_engine::pipeline::{Ending, Failure};
use anabranch_sim::model::Disturbance;
use anabranch_sim::plan::{Action, Deviation, Operation, Point, RunPlan, Trigger};
use anabranch_sim::time::{Span, VirtualTime};
use anabranch_sim::world::{Loser, Loss, ProcessEnding, RunEnd, RunResult};

/// The journal is not asked within the time of a run.
const NEVER_MS: i64 = 86_400_000;

fn scenario(name: &str) -> Scenario {
    all().into_iter().find(|scenario| scenario.name == name).expect("there is such a scenario")
}

/// The job with one thing that goes wrong when all its input is processed, and before it is
/// told to stop.
fn disturbed(name: &str, action: Action) -> (Scenario, RunPlan) {
    let scenario = scenario(name);
    let trigger = Trigger::At(VirtualTime(1_500_000_000));
    let deviations = vec![Deviation { trigger, action }];
    let plan = RunPlan { deviations, ..scenario.plan.clone() };
    (scenario, plan)
}

/// How the first process ended.
fn first_end(result: &RunResult) -> &ProcessEnding {
    let first = result.processes.iter().find(|end| end.process == 1);
    &first.expect("a process was started").how
}

fn is_fenced(how: &ProcessEnding) -> bool {
    let ProcessEnding::Ended(Ending::Failed(Failure::Fenced { what, .. })) = how else {
        return false;
    };
    what == "the journal"
}

/// The first process lost its producer, and another one has done all that there was: it has
/// nothing to append, and the sink's proof is all that it asks the journal for.
const REPLACED: &str = r#"anabranch run plan 1
job session
seed 4
config poison_starts 4294967295
config prove_ms 86400000
store journal topic
store snapshots object
store sinks connector
link journal 1ms jitter 10ms
link snapshots 1ms jitter 1ms
link sinks 500us jitter 0s
link sources 500us jitter 0s
cpu 20us kibibyte 5us
restart 500ms backoff 100ms starts 60
wait 2s hold 1s
heal 8760ms budget 600s
pieces 1
split events 0001 log
record 0 at 0s stamp 1699999989166 = {"k":"k1","v":-804,"ts":"2023-11-14 22:13:09.166","_split":null}
when answer of append of events/0001:0 do disturb topic expire-producers
when request of open to topic do double-start
"#;

#[test]
fn a_zombie_whose_sink_asks_for_a_proof_is_told_that_it_was_replaced() {
    // spec: J-3, K-3
    let plan: RunPlan = REPLACED.parse().expect("it is a plan");
    let (result, wrong) = judged(&scenario("session"), &plan);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(is_fenced(first_end(&result)), "{:?}", result.processes);
}

#[test]
fn a_zombie_that_has_nothing_to_do_ends() {
    // spec: J-3
    let pause = Action::Pause { span: Span::ms(2_000), successor: true, until: None };
    let (scenario, mut plan) = disturbed("idle", pause);
    let (result, wrong) = judged(&scenario, &plan);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(is_fenced(first_end(&result)), "{:?}", result.processes);
    plan.pipeline.prove_ms = NEVER_MS;
    (plan.settings.timing.heal, plan.settings.timing.budget) =
        (VirtualTime(4_000_000_000), Span::ms(30_000));
    let (_, wrong) = judged(&scenario, &plan);
    assert!(wrong.first().is_some_and(|it| it.starts_with("L6: zombie runs on")), "{wrong:?}");
}

#[test]
fn a_job_that_is_stopped_notices_what_its_sink_lost() {
    // spec: K-5
    let service = "keys".to_owned();
    let disturbance = Disturbance::LoseAcknowledged { writes: 1 };
    let (scenario, plan) = disturbed("ended", Action::Disturb { service, disturbance });
    let (result, wrong) = judged(&scenario, &plan);
    assert_eq!(wrong, Vec::<String>::new());
    let RunEnd::Ended(Ending::Failed(Failure::SinkLostData { sink, .. })) = &result.end else {
        panic!("{:?}", result.end);
    };
    assert_eq!(sink, "keys");
}

#[test]
fn only_what_was_there_is_lost() {
    // spec: K-5
    let lose = || {
        let disturbance = Disturbance::LoseAcknowledged { writes: 1 };
        Action::Disturb { service: "keys".to_owned(), disturbance }
    };
    let (scenario, mut plan) = disturbed("ended", lose());
    let (result, _) = judged(&scenario, &plan);
    let at = VirtualTime(1_500_000_000);
    assert_eq!(result.losses, [Loss::gone(at, Loser::Sink("keys".to_owned()), 1)]);
    // It happens before the sink holds anything.
    plan.deviations[0].trigger = Trigger::At(VirtualTime(0));
    let (result, wrong) = judged(&scenario, &plan);
    assert_eq!((result.stale, result.losses), (Vec::new(), Vec::new()));
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(result.end, RunEnd::Ended(Ending::Stopped));
}

#[test]
fn the_power_takes_nothing_that_was_acknowledged() {
    // spec: J-6, K-2, S-1
    let scenario = scenario("tumble");
    let mut unsynced = 0;
    for nth in 1..40 {
        let point = Point::After(Operation::Output);
        let action = Action::PowerFailure { choice: 1, restart: None };
        let (result, wrong) = judged(&scenario, &with(&scenario.plan, point, nth, action));
        assert_eq!(wrong, Vec::<String>::new());
        assert!(!result.losses.iter().any(|loss| loss.toll.breaks_promises()), "{nth}");
        unsynced += result.losses.iter().map(|loss| loss.toll.unsynced).sum::<u64>();
    }
    assert!(unsynced > 0, "the power always failed when all was synced");
}
