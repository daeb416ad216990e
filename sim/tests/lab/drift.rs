//! A fast split does not run away from a slow one.

use crate::jobs::small_limits;
use anabranch_engine::journal::{JournalEntry, scan};
use anabranch_engine::pipeline::Ending;
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{Plan, Window};
use anabranch_engine::types::SqlType;
use anabranch_sim::lab::{Lab, LabSplit};
use std::fmt::Write as _;

/// Every record is as long as the next one, so that an offset tells its number.
fn file(name: &str, step_ms: u64, records: u64) -> LabSplit {
    let mut text = String::new();
    for n in 0..records {
        let ms = n * step_ms;
        let (minute, second, millis) = (ms / 60_000, ms / 1_000 % 60, ms % 1_000);
        writeln!(text, r#"{{"ts":"1970-01-01 00:{minute:02}:{second:02}.{millis:03}"}}"#)
            .expect("a string takes all");
    }
    LabSplit::file(0, name, text)
}

fn counting(max_drift_ms: Option<i64>) -> Plan {
    let mut plan = PlanBuilder::default();
    plan.options().max_drift_ms = max_drift_ms;
    let columns = [("ts", SqlType::Timestamp(3))];
    let events = plan.table("events", "filesystem", &columns, Some((0, 0)), true);
    let scan = plan.scan(events);
    let window = Window::Tumble { size_ms: 1_000, offset_ms: 0 };
    let counts = plan.window("counts", scan, window, &[], &[("COUNT", None, SqlType::BigInt)]);
    plan.sink("counts", "filesystem", counts);
    plan.build()
}

/// By how many ms the fast split was ahead of the slow one, at most, while the slow
/// one had unread records; and what came out.
fn run(max_drift_ms: Option<i64>) -> (i64, String) {
    const LINE: u64 = r#"{"ts":"1970-01-01 00:00:00.000"}"#.len() as u64 + 1;
    let splits = vec![file("fast.jsonl", 500, 60), file("slow.jsonl", 50, 60)];
    let mut lab = Lab::new(counting(max_drift_ms), small_limits(), splits);
    assert_eq!(lab.run_through(&[]), Ending::Finished);
    let journal = scan(&lab.journal.segments(), &[]).expect("the journal is whole");
    let (mut read, mut ahead_max) = ([0_i64; 2], 0);
    for placed in &journal.entries {
        let JournalEntry::Epoch(record) = &placed.entry else { continue };
        for slice in &record.slices {
            read[slice.split.0 as usize] = (slice.end.0 / LINE) as i64;
        }
        let last_ms = |split: usize, step: i64| (read[split] - 1).max(0) * step;
        if read[1] < 60 {
            ahead_max = ahead_max.max(last_ms(0, 500) - last_ms(1, 50));
        }
    }
    (ahead_max, lab.results()["counts"].clone())
}

#[test]
fn a_split_that_is_too_far_ahead_waits_and_the_result_is_the_same() {
    // spec: T-7
    let (free, expected) = run(None);
    assert!(free > 10_000, "without a limit it runs ahead: {free} ms");
    let (held, result) = run(Some(2_000));
    // It is held once it is ahead; a slice that was taken before may go further.
    assert!(held < 8_000, "{held} ms");
    assert_eq!(result, expected);
}

#[test]
fn all_splits_together_are_read_ahead_by_a_limited_amount() {
    // spec: F-5
    let files = || (0..12).map(|n| file(&format!("f{n:02}.jsonl"), 40 + n * 7, 30)).collect();
    let run = |buffer_bytes_max: usize, max_drift_ms: Option<i64>| {
        let mut config = small_limits();
        config.buffer_bytes_max = buffer_bytes_max;
        let mut lab = Lab::new(counting(max_drift_ms), config, files());
        assert_eq!(lab.run_through(&[]), Ending::Finished);
        let first = lab.trace.iter().position(|line| line == "append epoch 2");
        let asked = lab.trace[..first.expect("there is a second epoch")]
            .iter()
            .filter(|line| line.starts_with("fetch "))
            .count();
        (asked, lab.results()["counts"].clone())
    };
    let (all, expected) = run(usize::MAX, None);
    assert_eq!(all, 12);
    for (limit, most) in [(1, 2), (600, 4), (1_200, 6)] {
        for drift in [None, Some(100)] {
            let (asked, result) = run(limit, drift);
            assert!(asked <= most, "{asked} fetches within {limit} bytes");
            assert_eq!(result, expected);
        }
    }
}
