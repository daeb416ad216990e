//! What a job looks at once more before it says that all is well.

use crate::jobs::{counts, growing, lab, records, slow_flush};
use anabranch_engine::ids::SinkId;
use anabranch_engine::pipeline::{Ending, Failure, Input, Output};
use anabranch_engine::sink::{FailKind, OpenOutcome};
use anabranch_sim::lab::{Event, Fault, Lab, LabSplit, Trigger};

const FIRST: SinkId = SinkId(0);

/// Lets something else come of the openings of the first sink behind its first one, so
/// many times.
fn opened_again(lab: &mut Lab, mut times: u32, answer: fn(Input) -> Input) {
    let mut opens = 0;
    lab.faults = Some(Box::new(move |output| match output {
        Output::OpenSink { request, sink: FIRST, .. } => {
            opens += 1;
            if opens == 1 || times == 0 {
                return Fault::None;
            }
            times -= 1;
            let opened = Input::SinkOpened { request: *request, sink: FIRST, marker: None };
            Fault::Instead(vec![answer(opened)])
        }
        _ => Fault::None,
    }));
}

/// The sink does not answer as it should.
fn fails(opened: Input) -> Input {
    let Input::SinkOpened { request, sink, .. } = opened else { panic!("it is asked to open") };
    let outcome = OpenOutcome::Failed(FailKind::Transient);
    Input::SinkOpenFailed { request, sink, outcome, message: "no answer".to_owned() }
}

/// A job without an end that is told to stop when all that there is was processed.
fn stopped() -> Lab {
    let splits = vec![LabSplit::file(0, "a", records([5, 105, 205]))];
    let mut lab = Lab::new(growing("1 s", None), slow_flush(), splits);
    lab.script = vec![(Trigger::At(500), Event::Stop)];
    lab
}

fn lost(ending: &Ending) -> &str {
    match ending {
        Ending::Failed(Failure::SinkLostData { sink, .. }) => sink,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_that_is_stopped_notices_that_a_sink_lost_its_rows() {
    // spec: K-5
    let mut lab = stopped();
    opened_again(&mut lab, 1, |opened| opened);
    assert_eq!(lost(&lab.run_through(&[])), "counts");
}

#[test]
fn a_job_that_is_done_notices_that_a_sink_lost_its_rows() {
    // spec: K-5
    let mut lab = lab(20);
    opened_again(&mut lab, 1, |opened| opened);
    let ending = lab.run_through(&[]);
    lost(&ending);
    assert!(!lab.trace.contains(&"append finished".to_owned()), "{}", lab.trace.join("\n"));
}

#[test]
fn a_job_that_is_done_waits_for_the_word_of_its_sinks() {
    // spec: F-2, K-5
    let mut lab = lab(20);
    opened_again(&mut lab, 4, fails);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let opens = lab.trace.iter().filter(|line| line.starts_with("open sink 0")).count();
    assert_eq!(opens, 6, "{}", lab.trace.join("\n"));
}

#[test]
fn a_job_that_cannot_end_says_for_which_sink_it_waits() {
    // spec: F-4, K-8
    let mut lab = lab(20);
    let (mut opens, budget_ms) = (0, 600_000);
    lab.faults = Some(Box::new(move |output| match output {
        Output::OpenSink { sink: FIRST, .. } => {
            opens += 1;
            if opens == 2 { Fault::Late(2 * budget_ms) } else { Fault::None }
        }
        _ => Fault::None,
    }));
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let held = |line: &&String| line.contains("HeldBySink");
    assert_eq!(lab.trace.iter().filter(held).count(), 1, "{}", lab.trace.join("\n"));
    let at = lab.trace.iter().position(|line| held(&line)).expect("it is there");
    let opened = lab.trace.iter().rposition(|line| line.starts_with("open sink 0"));
    assert!(opened.expect("it is opened at the end") < at);
}

#[test]
fn a_stop_does_not_wait_for_the_word_of_a_sink_for_ever() {
    // spec: F-4, K-5
    let mut lab = stopped();
    opened_again(&mut lab, u32::MAX, fails);
    assert_eq!(lab.run_through(&[]), Ending::Stopped);
    let waited = lab.elapsed_ms() - 500;
    assert!((10_000..11_000).contains(&waited), "it waited {waited} ms");
    assert_eq!(counts(&lab), ["1 @00", "1 @00.1"]);
}
