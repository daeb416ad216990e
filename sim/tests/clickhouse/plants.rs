//! Each planted bug that sits in these machines is found by one of the tests.

use crate::sweep::{
    a_second_claim_of_a_number_is_refused, a_zombie_that_wakes_at_any_time_does_no_harm, sweep,
};
use crate::tables::lost_rows_take_the_marker_back_to_the_last_chunk_that_is_there;
use crate::world::Mode;
use anabranch_engine::plant::{Plant, switch};
use std::panic::{AssertUnwindSafe, catch_unwind};

fn is_found(plant: Plant, test: impl FnOnce()) -> bool {
    switch(Some(plant));
    let found = catch_unwind(AssertUnwindSafe(test)).is_err();
    switch(None);
    found
}

#[test]
fn every_plant_is_found() {
    let found = [
        (Plant::K1, is_found(Plant::K1, || sweep(Mode::Strict, 0, false))),
        (Plant::K2, is_found(Plant::K2, || sweep(Mode::Keyed, 0, false))),
        (Plant::K2, is_found(Plant::K2, || sweep(Mode::Append, 0, false))),
        (Plant::K3, is_found(Plant::K3, a_zombie_that_wakes_at_any_time_does_no_harm)),
        (Plant::K8, is_found(Plant::K8, || sweep(Mode::Append, 100, false))),
        (Plant::K9, is_found(Plant::K9, || sweep(Mode::Append, 0, false))),
        (
            Plant::K12,
            is_found(Plant::K12, lost_rows_take_the_marker_back_to_the_last_chunk_that_is_there),
        ),
        (Plant::K17, is_found(Plant::K17, || sweep(Mode::Keyed, 0, false))),
        (Plant::K17, is_found(Plant::K17, || sweep(Mode::Strict, 0, false))),
        (Plant::K18, is_found(Plant::K18, a_second_claim_of_a_number_is_refused)),
    ];
    let missed: Vec<_> = found.iter().filter(|(_, found)| !found).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
