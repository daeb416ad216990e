//! Golden traces: everything that a pipeline asks of the world, in order.

use crate::jobs::lab;
use anabranch_sim::lab::Crash;
use expect_test::expect;

#[test]
fn start_steady_state_and_end() {
    let mut lab = lab(6);
    lab.run(Crash::Never);
    expect![[""]].assert_eq(&lab.trace.join("\n"));
}
