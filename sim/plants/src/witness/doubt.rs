//! Plans in which it is in doubt what became of a write: its answer is lost, it comes late,
//! or somebody else wrote meanwhile.

use super::spice::when;
use anabranch_sim::model::Disturbance;
use anabranch_sim::plan::{
    Action, Deviation, Latency, MessageFault, Operation, Point, RunPlan, Target,
};
use anabranch_sim::rng::Draws;
use anabranch_sim::time::Span;

fn request_of_apply() -> Point {
    Point::Request(Target::Of(Operation::Apply(None)))
}

fn after_apply() -> Point {
    Point::After(Operation::Apply(None))
}

fn crash(draws: &mut Draws) -> Action {
    Action::Crash { restart: Some(Span::ms(1 + draws.below(300) as i64)) }
}

/// Requests of sinks are lost, or their answers, or they take effect late; behind some of
/// them the process dies.
pub(super) fn in_doubt(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "doubt");
    let mut deviations = Vec::new();
    for _ in 0..8 {
        let nth = 1 + draws.below(60) as u32;
        let late = MessageFault::Late(Span::ms(1 + draws.below(200) as i64));
        let faults = [MessageFault::DropRequest, MessageFault::DropAnswer, late];
        let fault = *draws.choose(&faults);
        deviations.push(when(nth, request_of_apply(), Action::Message(fault)));
        if draws.below(3) == 0 {
            let later = nth + 1 + draws.below(4) as u32;
            deviations.push(when(later, request_of_apply(), crash(&mut draws)));
        }
    }
    plan.deviations = deviations;
}

/// Consumers take files away, and then the process dies.
pub(super) fn taken_files(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "taken");
    let sinks = ["counts", "large", "late"];
    plan.deviations = Vec::new();
    for _ in 0..6 {
        let nth = 1 + draws.below(12) as u32;
        let service = (*draws.choose(&sinks)).to_owned();
        let point = || Point::After(Operation::Apply(Some(service.clone())));
        let take =
            Action::Disturb { service: service.clone(), disturbance: Disturbance::TakeFiles };
        plan.deviations.push(when(nth, point(), take));
        plan.deviations.push(when(nth, point(), crash(&mut draws)));
    }
}

/// A request of an apply leaves, takes long, and the process that sent it is gone: it
/// arrives while the next one opens the sink.
pub(super) fn overtaken(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "overtaken");
    let latency = |us| Latency { base: Span::us(us), jitter: Span(0) };
    plan.settings.links.journal = latency(200);
    plan.settings.links.snapshots = latency(200);
    plan.settings.links.sinks = latency(10_000);
    plan.settings.timing.request_limit = Span::ms(2_000);
    plan.pipeline.sink_wait_ms = 10_000;
    plan.deviations = Vec::new();
    for _ in 0..8 {
        let nth = 1 + draws.below(60) as u32;
        // Looking and opening take ten round trips; the last ones are those that count.
        let delay = MessageFault::Delay(Span::ms(120 + draws.below(70) as i64));
        plan.deviations.push(when(nth, request_of_apply(), Action::Message(delay)));
        let action = Action::Crash { restart: Some(Span::ms(1)) };
        plan.deviations.push(when(nth, request_of_apply(), action));
    }
}

/// A sink's marker is gone just when its chunk was applied, before anybody was told.
pub(super) fn lost_marker(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "marker");
    let nth = 1 + draws.below(3) as u32;
    let (service, disturbance) = ("results".to_owned(), Disturbance::LoseMarker);
    plan.deviations = vec![
        when(nth, after_apply(), Action::Disturb { service, disturbance }),
        when(nth, after_apply(), crash(&mut draws)),
    ];
}

/// Processes stand still just before they write, are replaced, and go on.
pub(super) fn zombies(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "zombies");
    let pause = |draws: &mut Draws| -> Deviation {
        let nth = 1 + draws.below(12) as u32;
        let span = Span::ms(200 + draws.below(4_000) as i64);
        let action = Action::Pause { span, successor: true, until: None };
        when(nth, Point::Before(Operation::Apply(None)), action)
    };
    plan.deviations = (0..4).map(|_| pause(&mut draws)).collect();
}

/// Reads of a source are answered twice, the second time much later.
pub(super) fn answered_twice(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "spice", "twice");
    plan.deviations = Vec::new();
    for _ in 0..6 {
        let nth = 1 + draws.below(20) as u32;
        let later = MessageFault::Duplicate(Span::us(200 + draws.below(100_000) as i64));
        let point = Point::Answer(Target::Of(Operation::Fetch(None)));
        plan.deviations.push(when(nth, point, Action::Message(later)));
    }
}
