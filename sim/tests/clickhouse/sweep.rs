//! Every request with every outcome, followed by a crash or by going on; zombies.

use crate::world::{Life, MODES, Mode, Process, Server};
use anabranch_engine::service::Answer;
use anabranch_engine::service::clickhouse::{ClickHouseAnswer, ClickHouseError};
use anabranch_sim::model::Disturbance;

/// What comes of the request at which a fault sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It takes effect, and the answer comes.
    Done,
    /// The server refuses.
    Refused,
    /// It never arrives; nobody knows.
    Lost,
    /// It takes effect; nobody knows.
    AnswerLost,
    /// It is killed after its first part; nobody knows. Only inserts have parts.
    Torn,
    /// It takes effect only when the successor, or the process itself, has made so many
    /// requests more.
    Late(usize),
}

const OUTCOMES: [Outcome; 9] = [
    Outcome::Done,
    Outcome::Refused,
    Outcome::Lost,
    Outcome::AnswerLost,
    Outcome::Torn,
    Outcome::Late(1),
    Outcome::Late(4),
    Outcome::Late(9),
    Outcome::Late(60),
];

/// The same job, in a world with one fault at its `k`-th request; whether there was one.
fn one_fault(start: &Server, k: usize, outcome: Outcome, crash: bool) -> bool {
    let mut server = start.clone();
    let mut process = Process::start(server.mode, 1);
    process.run(&mut server, k);
    let Some(request) = process.request.clone() else { return false };
    let mut late = None;
    let answer = match outcome {
        Outcome::Done => server.execute(&request),
        Outcome::Refused => Answer::ClickHouse(ClickHouseAnswer::Refused(ClickHouseError::Busy)),
        Outcome::Lost => Answer::TimedOut,
        Outcome::AnswerLost => {
            server.execute(&request);
            Answer::TimedOut
        }
        Outcome::Torn => {
            server.disturb(&Disturbance::StopInsert { parts: 1 });
            server.execute(&request);
            Answer::TimedOut
        }
        Outcome::Late(after) => {
            late = Some(after);
            Answer::TimedOut
        }
    };
    if crash {
        server.check_marker(&server.mode.chunks());
        process = Process::start(server.mode, 2);
    } else {
        process.answer(answer);
    }
    if let Some(after) = late {
        process.run(&mut server, after);
        server.execute(&request);
    }
    process.finish(&mut server);
    let (mode, result) = (server.mode, server.mode.result(&server.mode.chunks()));
    let case = format!("{mode:?}, request {k}, {outcome:?}, crash {crash}");
    assert_eq!(server.seen(), result, "{case}");
    server.check_marker(&server.mode.chunks());
    // Looking again does not change what there is to be done.
    let mut again = Process::start(mode, 3);
    again.run(&mut server, 100);
    assert_eq!((again.life, again.applied), (Life::Finished, mode.chunks().len()), "{case}");
    assert_eq!(server.seen(), result, "{case}");
    true
}

pub(crate) fn sweep(mode: Mode, deduplication_window: u64, merging: bool) {
    let mut server = Server::new(mode, deduplication_window);
    server.merging = merging;
    for outcome in OUTCOMES {
        for crash in [false, true] {
            let faults = (0..).take_while(|k| one_fault(&server, *k, outcome, crash)).count();
            assert!(faults > 10, "{mode:?} makes {faults} requests only");
        }
    }
}

#[test]
fn a_crash_at_any_request_with_any_outcome_leaves_every_row_once() {
    // spec: K-1, K-2, K-4
    for mode in MODES {
        sweep(mode, 0, false);
    }
}

#[test]
fn a_deduplication_window_and_merges_at_any_time_change_nothing() {
    // spec: K-1, K-2
    for mode in MODES {
        sweep(mode, 100, true);
        sweep(mode, 2, true);
    }
}

/// A process that was paused at its `k`-th request comes back when its successor has made
/// `m`, makes `r`, and goes on when the successor has finished.
fn zombie(start: &Server, k: usize, m: usize, r: usize) -> bool {
    let mut server = start.clone();
    let mut zombie = Process::start(server.mode, 1);
    zombie.run(&mut server, k);
    if zombie.request.is_none() {
        return false;
    }
    let mut successor = Process::start(server.mode, 2);
    successor.run(&mut server, m);
    zombie.run(&mut server, r);
    successor.finish(&mut server);
    zombie.run(&mut server, 500);
    assert!([Life::Fenced, Life::Finished].contains(&zombie.life), "{zombie:?}");
    let result = server.mode.result(&server.mode.chunks());
    assert_eq!(server.seen(), result, "{:?} k {k}, m {m}, r {r}", server.mode);
    server.check_marker(&server.mode.chunks());
    true
}

#[test]
pub(crate) fn a_zombie_that_wakes_at_any_time_does_no_harm() {
    // spec: K-3, G-1
    for mode in MODES {
        for window in [0, 100] {
            let mut server = Server::new(mode, window);
            server.merging = window > 0;
            for (m, r) in (0..26).flat_map(|m| [1, 3, 500].map(|r| (m, r))) {
                assert!((0..).take_while(|k| zombie(&server, *k, m, r)).count() > 10);
            }
        }
    }
}

#[test]
fn a_plain_table_takes_nothing_from_a_zombie_once_its_successor_is_open() {
    // spec: K-3
    let server = Server::new(Mode::Strict, 0);
    for k in 0.. {
        let mut server = server.clone();
        let mut zombie = Process::start(server.mode, 1);
        zombie.run(&mut server, k);
        if zombie.request.is_none() {
            return;
        }
        let mut successor = Process::start(server.mode, 2);
        while successor.request.as_ref().is_some_and(|request| !is_insert(request)) {
            successor.step(&mut server);
        }
        let before = server.seen();
        zombie.run(&mut server, 500);
        assert!([Life::Fenced, Life::Finished].contains(&zombie.life), "{zombie:?}");
        assert_eq!(server.seen(), before, "request {k}");
    }
}

fn is_insert(request: &anabranch_engine::service::Request) -> bool {
    use anabranch_engine::service::clickhouse::ClickHouseRequest;
    let request = match request {
        anabranch_engine::service::Request::ClickHouse(request) => request,
        other => panic!("ClickHouse is not asked {other:?}"),
    };
    matches!(request, ClickHouseRequest::Insert { .. })
}

#[test]
pub(crate) fn a_second_claim_of_a_number_is_refused() {
    // spec: G-1
    for mode in MODES {
        let mut server = Server::new(mode, 0);
        let mut first = Process::start(mode, 1);
        first.finish(&mut server);
        let mut cloned = Process::start_as(mode, 1, 99);
        cloned.run(&mut server, 100);
        assert_eq!(cloned.life, Life::Fenced, "{mode:?}");
    }
}

/// The order in which two processes take their next six steps, by number; `None` if the
/// number is no such order.
fn order_of(number: u32) -> Option<Vec<usize>> {
    (number.count_ones() == 6).then(|| (0..12).map(|bit| (number >> bit & 1) as usize).collect())
}

#[test]
fn of_two_incarnations_of_one_number_at_most_one_is_let_in() {
    // spec: G-1
    let orders: Vec<Vec<usize>> = (0..1 << 12).filter_map(order_of).collect();
    assert_eq!(orders.len(), 924);
    for mode in MODES {
        let mut let_in = 0;
        for order in &orders {
            let mut server = Server::new(mode, 0);
            let mut both = [Process::start_as(mode, 1, 7), Process::start_as(mode, 1, 99)];
            let mut go_on = |process: &mut Process, steps: usize| {
                for _ in 0..steps {
                    let is_open = process.request.as_ref().is_none_or(is_insert);
                    if process.life == Life::Waits && !is_open {
                        process.step(&mut server);
                    }
                }
            };
            // What the table is, they ask at any time.
            both.iter_mut().for_each(|process| go_on(process, 1));
            order.iter().for_each(|which| go_on(&mut both[*which], 1));
            both.iter_mut().for_each(|process| go_on(process, 50));
            let open = both.iter().filter(|process| process.life == Life::Waits).count();
            assert!(open < 2, "{mode:?}: {order:?}");
            assert!(both.iter().all(|it| [Life::Waits, Life::Fenced].contains(&it.life)));
            let_in += open;
        }
        assert!(let_in > 100, "{mode:?}: somebody is let in mostly, not {let_in} times");
    }
}
