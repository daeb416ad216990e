//! Window aggregation by examples: each bracketed trace of the rules, by name.

mod support;

use anabranch_engine::plan::Window;
use support::{Bench, Row};

#[test]
fn tumbling_windows_count_and_sum_by_key() {
    // spec: T-5
    let mut bench = Bench::tumble(10);
    bench.rows(0, &[Row::new("a", 1, 5), Row::new("b", 9, 7), Row::new("a", 9, 1)]);
    bench.watermark(8);
    assert_eq!(bench.lines(), [""; 0]);
    bench.watermark(9);
    assert_eq!(bench.lines(), ["a 2 6 [0, 10)", "b 1 7 [0, 10)"]);
}

#[test]
fn a_hop_row_counts_only_in_the_windows_that_are_open_for_it() {
    // spec: T-2
    let mut bench = Bench::new(Window::Hop { size_ms: 10, slide_ms: 5, offset_ms: 0 }, 0);
    // The delay of the watermark is 2: it stands at 5 before the second row.
    bench.records(0, &[(Row::new("a", 7, 1), i64::MIN), (Row::new("a", 2, 1), 5)]);
    bench.watermark(i64::MAX);
    assert_eq!(bench.lines(), ["a 2 2 [0, 10)", "a 1 1 [5, 15)"]);
    assert_eq!(bench.late(), ["1 of 2"]);
}
