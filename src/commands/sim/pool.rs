//! Work on several threads, whose results come in the order of the work.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

/// How many threads are wanted: so many, or one for each core.
pub(super) fn threads(wanted: Option<usize>) -> usize {
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    wanted.unwrap_or_else(cores).max(1)
}

/// Does the work of the numbers from `first` to `last`, each on one thread, and hands the
/// results on in order until `each` has enough. No work is begun after the deadline.
///
/// What `each` is given depends on nothing but the work, unless the deadline comes.
pub(super) fn in_order<T: Send>(
    threads: usize,
    (first, last): (u64, u64),
    deadline: Option<Instant>,
    work: impl Fn(u64) -> T + Sync,
    mut each: impl FnMut(u64, T) -> ControlFlow<()>,
) {
    let next = AtomicU64::new(first);
    let enough = AtomicBool::new(false);
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..threads {
            let (sender, next, enough, work) = (sender.clone(), &next, &enough, &work);
            scope.spawn(move || {
                let is_late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
                while !enough.load(Ordering::Relaxed) && !is_late() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number > last || sender.send((number, work(number))).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), first);
        for (number, result) in receiver {
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&due) {
                let flow = each(due, result);
                due += 1;
                if flow.is_break() {
                    enough.store(true, Ordering::Relaxed);
                    return;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_and_stop_when_there_are_enough() {
        let mut seen = Vec::new();
        let work = |number: u64| {
            // The first of each four is the slowest.
            (0..(4 - number % 4) * 20_000).fold(number, |a, b| a ^ std::hint::black_box(b) ^ b)
        };
        in_order(4, (5, 80), None, work, |number, result| {
            assert_eq!(result, number);
            seen.push(number);
            if number == 40 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!(seen, (5..=40).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_begun_after_the_deadline() {
        let mut count = 0;
        in_order(
            2,
            (1, 9),
            Some(Instant::now()),
            |n| n,
            |_, _| {
                count += 1;
                ControlFlow::Continue(())
            },
        );
        assert_eq!(count, 0);
    }
}
