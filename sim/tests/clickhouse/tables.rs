//! Which tables are refused, and why that is right.

use crate::world::{Life, Mode, Process, Server, TABLE};
use anabranch_engine::service::clickhouse::{ClickHouseTable, TableEngine};
use anabranch_sim::model::Disturbance;
use anabranch_sim::model::clickhouse::ClickHouseModel;

fn refusal(mode: Mode, change: impl FnOnce(&mut ClickHouseTable)) -> String {
    let mut table = mode.table(0);
    change(&mut table);
    let mut server = Server::new(mode, 0);
    server.model = ClickHouseModel::default();
    server.model.create(TABLE, table);
    let mut process = Process::start(mode, 1);
    process.run(&mut server, 100);
    assert_eq!(process.life, Life::Stopped);
    process.last
}

#[test]
fn a_table_that_cannot_keep_the_rules_is_refused_with_its_reason() {
    // spec: K-6
    let cleanup = refusal(Mode::Keyed, |table| table.automatic_cleanup = true);
    assert!(cleanup.contains("automatic cleanup"), "{cleanup}");
    let partition = refusal(Mode::Keyed, |table| table.partition_by_key = false);
    assert!(partition.contains("no function of the sorting key"), "{partition}");
    for mode in [Mode::Append, Mode::Keyed] {
        let plain = refusal(mode, |table| table.engine = TableEngine::MergeTree);
        assert!(plain.contains("no ReplacingMergeTree"), "{plain}");
    }
    let keyed = refusal(Mode::Append, |table| table.engine = TableEngine::Replacing);
    assert!(keyed.contains("ordered by"), "{keyed}");
    let replacing = refusal(Mode::Strict, |table| table.engine = TableEngine::ReplacingEqual);
    assert!(replacing.contains("no plain MergeTree"), "{replacing}");
}

#[test]
pub(crate) fn lost_rows_take_the_marker_back_to_the_last_chunk_that_is_there() {
    // spec: K-2, K-5
    for mode in [Mode::Append, Mode::Keyed, Mode::Strict] {
        let mut lost_more_than_nothing = 0;
        for part in 0..12 {
            let mut server = Server::new(mode, 100);
            Process::start(mode, 1).finish(&mut server);
            server.disturb(&Disturbance::Rot { place: part });
            let missing = server.seen() != mode.result(&mode.chunks());
            let mut process = Process::start(mode, 2);
            let mut before = mode.chunks().len();
            while process.life == Life::Waits {
                process.step(&mut server);
                before = before.min(process.applied);
            }
            if process.life == Life::Stopped {
                // Half a partition of a chunk: which half can be seen by nobody.
                assert!(mode == Mode::Strict && missing, "{process:?}");
                assert!(process.last.contains("the table holds 1 of 2 rows"), "{}", process.last);
                lost_more_than_nothing += 1;
                continue;
            }
            assert_eq!(process.life, Life::Finished, "{process:?}");
            if missing && mode != Mode::Keyed {
                assert!(before < mode.chunks().len(), "{mode:?} part {part} went unnoticed");
                lost_more_than_nothing += 1;
            }
            if mode != Mode::Keyed {
                assert_eq!(server.seen(), mode.result(&mode.chunks()), "{mode:?} part {part}");
            }
        }
        assert!(mode == Mode::Keyed || lost_more_than_nothing > 5);
    }
}

#[test]
fn a_lost_suffix_is_written_again_although_its_tokens_are_remembered() {
    // spec: K-5
    for mode in [Mode::Append, Mode::Keyed, Mode::Strict] {
        for writes in 1..14 {
            let mut server = Server::new(mode, 100);
            Process::start(mode, 1).finish(&mut server);
            assert!(server.disturb(&Disturbance::LoseAcknowledged { writes }).is_some());
            Process::start(mode, 2).finish(&mut server);
            let result = mode.result(&mode.chunks());
            // A moved row is as old as its insert into the staging table.
            assert_eq!(server.seen(), result, "{mode:?}, {writes} writes lost");
        }
    }
}

#[test]
fn a_table_whose_marker_was_removed_is_refused() {
    // spec: K-5
    for mode in [Mode::Append, Mode::Keyed, Mode::Strict] {
        let mut server = Server::new(mode, 0);
        Process::start(mode, 1).finish(&mut server);
        assert!(server.disturb(&Disturbance::LoseMarker).is_some());
        let mut process = Process::start(mode, 2);
        process.run(&mut server, 200);
        assert_eq!(process.life, Life::Stopped, "{mode:?}");
        assert!(process.last.contains("there is no note"), "{}", process.last);
    }
}

#[test]
fn a_full_disk_only_delays() {
    // spec: F-2
    for mode in [Mode::Append, Mode::Keyed, Mode::Strict] {
        for writes in 0..12 {
            let mut server = Server::new(mode, 0);
            server.disturb(&Disturbance::Fill { writes });
            let mut process = Process::start(mode, 1);
            process.run(&mut server, 60);
            assert_eq!(process.life, Life::Waits, "{mode:?}, {writes} writes");
            server.disturb(&Disturbance::MakeRoom);
            process.finish(&mut server);
            assert_eq!(server.seen(), mode.result(&mode.chunks()));
        }
    }
}
