//! What is to come, by time.

use crate::time::VirtualTime;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Events by (time, tie, order of planning).
///
/// Events of one time come in the order in which they were planned, unless a tie says
/// otherwise.
#[derive(Debug)]
pub(super) struct Heap<E> {
    heap: BinaryHeap<Entry<E>>,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: VirtualTime,
    tie: u32,
    order: u64,
    event: E,
}

impl<E> Entry<E> {
    fn key(&self) -> (VirtualTime, u32, u64) {
        (self.at, self.tie, self.order)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    // The heap gives the largest first, and the earliest is wanted.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<E> Heap<E> {
    pub(super) fn new() -> Heap<E> {
        Heap { heap: BinaryHeap::new(), planned: 0 }
    }

    /// Plans an event.
    pub(super) fn plan(&mut self, at: VirtualTime, event: E) {
        self.planned += 1;
        self.heap.push(Entry { at, tie: 0, order: self.planned, event });
    }

    /// Takes the next event.
    pub(super) fn next(&mut self) -> Option<(VirtualTime, E)> {
        self.heap.pop().map(|entry| (entry.at, entry.event))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_planning() {
        let mut heap = Heap::new();
        for (at, event) in [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')] {
            heap.plan(VirtualTime(at), event);
        }
        let order: Vec<char> = std::iter::from_fn(|| heap.next().map(|(_, event)| event)).collect();
        assert_eq!(order, ['b', 'd', 'a', 'c']);
    }
}
