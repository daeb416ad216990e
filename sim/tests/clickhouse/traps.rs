//! What the tables that are refused would do, and the traps of a server that the machines
//! step around: each of these tests shows the loss.

use crate::script::{LINEAGE, seen};
use crate::world::{Life, Mode, Process, Server, TABLE};
use anabranch_engine::ids::Epoch;
use anabranch_engine::service::clickhouse::{
    ClickHouseAnswer, ClickHouseRequest, ClickHouseRow, Deduplication,
};
use anabranch_engine::service::{Answer, Request};
use anabranch_sim::model::Disturbance;

fn row(key: &'static str, epoch: u64, deleted: bool, value: &'static str) -> ClickHouseRow {
    let (key, value) = (key.as_bytes().into(), value.as_bytes().into());
    ClickHouseRow { key, epoch: Epoch(epoch), deleted, value, ..ClickHouseRow::default() }
}

fn insert(server: &mut Server, deduplication: Deduplication, rows: &[ClickHouseRow]) {
    let request = Request::ClickHouse(ClickHouseRequest::Insert {
        table: TABLE.into(),
        deduplication,
        block_rows_max: 100,
        rows: rows.to_vec(),
    });
    assert_eq!(server.execute(&request), Answer::ClickHouse(ClickHouseAnswer::Done));
}

#[test]
fn with_automatic_cleanup_a_late_write_brings_a_deleted_key_back() {
    // Why it is refused.
    let late = |cleanup: bool| {
        let mut server = Server::new(Mode::Keyed, 0);
        let mut table = Mode::Keyed.table(0);
        table.automatic_cleanup = cleanup;
        server.model = Default::default();
        server.model.create(TABLE, table);
        insert(&mut server, Deduplication::Off, &[row("a", 1, false, "1")]);
        insert(&mut server, Deduplication::Off, &[row("a", 2, true, "1")]);
        let all = Request::ClickHouse(ClickHouseRequest::Optimize {
            table: TABLE.into(),
            cleanup: false,
        });
        server.execute(&all);
        insert(&mut server, Deduplication::Off, &[row("a", 1, false, "1")]);
        server.seen()
    };
    assert_eq!(late(false), []);
    assert_eq!(late(true), [("a".into(), "1".into())]);
}

#[test]
fn a_partition_that_is_no_function_of_the_key_shows_a_key_twice() {
    // Why it is refused.
    let mut server = Server::new(Mode::Keyed, 0);
    for (partition, epoch) in [("mon", 1), ("tue", 2)] {
        let row = ClickHouseRow { partition: partition.into(), ..row("a", epoch, false, "1") };
        insert(&mut server, Deduplication::Off, &[row]);
    }
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn a_token_with_other_rows_is_found_out_by_counting() {
    // Somebody used our token for something else, or the server lost the rows.
    let mut server = Server::new(Mode::Append, 100);
    for epoch in [3, 6, 7, 9] {
        for (chunk, block) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let token = format!("3/0/{LINEAGE}/{epoch}.{chunk}.{block}");
            insert(&mut server, Deduplication::Token(token), &[]);
        }
    }
    for partition in ["p0", "p1"] {
        for epoch in [3, 6, 7, 9] {
            let token = format!("3/0/{LINEAGE}/{epoch}.0.0");
            let row = ClickHouseRow { partition: partition.into(), ..row("z", 0, false, "z") };
            insert(&mut server, Deduplication::Token(token), &[row]);
        }
    }
    let foreign = seen(&server.model.rows(TABLE));
    Process::start(Mode::Append, 1).finish(&mut server);
    let mut expected = Mode::Append.result(&Mode::Append.chunks());
    expected.extend(foreign);
    expected.sort();
    assert_eq!(server.seen(), expected);
}

#[test]
fn without_a_window_an_insert_that_comes_twice_is_there_twice_in_a_plain_table() {
    // The window of a table that is not replicated is 0: tokens alone make nothing
    // exactly-once, which is why a plain table is written through staging tables.
    for (window, copies) in [(0, 2), (100, 1)] {
        let mut server = Server::new(Mode::Strict, window);
        for _ in 0..2 {
            let token = Deduplication::Token("t".into());
            insert(&mut server, token, &[row("a", 1, false, "1")]);
        }
        assert_eq!(server.seen().len(), copies, "window {window}");
    }
}

#[test]
fn a_window_that_passed_lets_a_late_insert_in_and_readers_still_see_it_once() {
    // spec: K-3
    for mode in [Mode::Append, Mode::Keyed] {
        let mut server = Server::new(mode, 100);
        let mut process = Process::start(mode, 1);
        let mut inserts = Vec::new();
        while process.life == Life::Waits {
            inserts.extend(process.request.clone().filter(is_insert));
            process.step(&mut server);
        }
        assert!(server.model.raw(TABLE).len() >= inserts.len());
        server.disturb(&Disturbance::ForgetTokens);
        for insert in inserts.iter().rev() {
            server.execute(insert);
            server.disturb(&Disturbance::Merge);
        }
        assert_eq!(server.seen(), mode.result(&mode.chunks()), "{mode:?}");
    }
}

fn is_insert(request: &Request) -> bool {
    matches!(request, Request::ClickHouse(ClickHouseRequest::Insert { .. }))
}
