//! Each planted bug that sits in these machines is found by one of the tests.

use crate::journal::{
    a_hole_and_a_damaged_record_are_damage_and_not_an_end,
    a_writer_is_replaced_at_any_point_with_any_outcome,
    an_unknown_outcome_is_resolved_by_reading_and_never_by_another_number,
};
use crate::snapshots::{
    a_part_that_another_snapshot_names_stays,
    a_store_that_dies_at_any_request_is_seen_whole_or_not_at_all,
    two_incarnations_at_once_lose_no_snapshot_and_list_no_half_one,
};
use anabranch_engine::plant::{Plant, switch};
use std::panic::catch_unwind;

#[test]
fn every_plant_is_found() {
    let tests: [(Plant, fn()); 6] = [
        (Plant::J2, a_writer_is_replaced_at_any_point_with_any_outcome),
        (Plant::J7, an_unknown_outcome_is_resolved_by_reading_and_never_by_another_number),
        (Plant::J10, a_hole_and_a_damaged_record_are_damage_and_not_an_end),
        (Plant::P1, a_store_that_dies_at_any_request_is_seen_whole_or_not_at_all),
        (Plant::P3, a_part_that_another_snapshot_names_stays),
        (Plant::P6, two_incarnations_at_once_lose_no_snapshot_and_list_no_half_one),
    ];
    let is_missed = |(plant, test): &(Plant, fn())| {
        switch(Some(*plant));
        let missed = catch_unwind(test).is_ok();
        switch(None);
        missed
    };
    let missed: Vec<Plant> = tests.iter().filter(|it| is_missed(it)).map(|it| it.0).collect();
    assert!(missed.is_empty(), "{missed:?}");
}
