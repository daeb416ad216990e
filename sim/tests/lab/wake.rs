//! When the pipeline wants to be woken: for what it can do, and not for what waits
//! for an answer.

use crate::jobs::{counts, growing, records, slow_flush};
use anabranch_engine::pipeline::{Ending, Output};
use anabranch_sim::lab::{Event, Fault, Lab, LabSplit, Trigger};

/// A growing job with one split that is slow in one kind of request.
fn slow(is_slow: fn(&Output) -> bool) -> Lab {
    let splits = vec![LabSplit::file(0, "a", records([5, 105, 205]))];
    let mut lab = Lab::new(growing("1 s", None), slow_flush(), splits);
    lab.config.flush_age_ms = 10;
    lab.config.epochs_inflight_max = 1;
    lab.faults = Some(Box::new(move |output| match is_slow(output) {
        true => Fault::Slow(2_000),
        false => Fault::None,
    }));
    lab.script = vec![(Trigger::At(15_000), Event::Stop)];
    lab
}

#[test]
fn whoever_waits_for_an_answer_sleeps() {
    // spec: F-4
    let kinds: [fn(&Output) -> bool; 5] = [
        |output| matches!(output, Output::AppendJournal { .. }),
        |output| matches!(output, Output::ApplyChunk { .. }),
        |output| matches!(output, Output::ReadJournal { .. } | Output::OpenSink { .. }),
        |output| matches!(output, Output::DiscoverSplits { .. }),
        |output| matches!(output, Output::Fetch { .. }),
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        let mut lab = slow(kind);
        lab.wakes_waiting = false;
        assert_eq!(lab.run_through(&[]), Ending::Stopped, "{index}");
        assert_eq!(counts(&lab), ["1 @00", "1 @00.1"], "{index}");
        // Once a second for new splits, and a few times for a flush.
        assert!(lab.wakes < 30, "{index}: {} wakes", lab.wakes);
    }
}
