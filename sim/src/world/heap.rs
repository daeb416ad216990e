//! What is to come, by time.

use crate::plan::Ties;
use crate::time::VirtualTime;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What an event is about, among the events of one moment. Those of one concern keep
/// their order: one client's messages over one connection do not overtake each other.
pub(super) trait Concern {
    /// A number for what it is, and one for whom it concerns.
    fn concern(&self) -> (u8, u64);
}

/// Events by (time, tie, order of planning).
///
/// Events of one time come in the order in which they were planned, unless ties say
/// otherwise. A tie depends on the moment and on the event's concern, never on how many
/// events there were: leaving one out leaves the order of the others as it was.
#[derive(Debug)]
pub(super) struct Heap<E> {
    heap: BinaryHeap<Entry<E>>,
    planned: u64,
    ties: Option<Ties>,
    /// The time and order of the last event that came.
    last: (VirtualTime, u64),
    /// How many events came behind one of the same moment that was planned later.
    turned: u64,
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

impl<E: Concern> Heap<E> {
    pub(super) fn new(ties: Option<Ties>) -> Heap<E> {
        let last = (VirtualTime(-1), 0);
        Heap { heap: BinaryHeap::new(), planned: 0, ties, last, turned: 0 }
    }

    /// Plans an event.
    pub(super) fn plan(&mut self, at: VirtualTime, event: E) {
        self.planned += 1;
        let tie = self.ties.map_or(0, |ties| tie(ties, at, &event));
        self.heap.push(Entry { at, tie, order: self.planned, event });
    }

    /// Takes the next event.
    pub(super) fn next(&mut self) -> Option<(VirtualTime, E)> {
        let Entry { at, order, event, .. } = self.heap.pop()?;
        let (before, newest) = self.last;
        self.turned += u64::from(at == before && order < newest);
        self.last = (at, if at == before { order.max(newest) } else { order });
        Some((at, event))
    }

    /// How many events came behind one of the same moment that was planned later.
    pub(super) fn turned(&self) -> u64 {
        self.turned
    }
}

/// The place of an event among those of its moment: 0 is in the order of planning.
fn tie(ties: Ties, at: VirtualTime, event: &impl Concern) -> u32 {
    if at < ties.from || ties.until.is_some_and(|until| at >= until) {
        return 0;
    }
    let (kind, whom) = event.concern();
    let mut bytes = [kind; 17];
    bytes[..8].copy_from_slice(&at.0.to_le_bytes());
    bytes[8..16].copy_from_slice(&whom.to_le_bytes());
    (xxh3_64_with_seed(&bytes, ties.seed) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A letter is its own concern, whether it is large or small.
    impl Concern for char {
        fn concern(&self) -> (u8, u64) {
            (0, u64::from(self.to_ascii_lowercase()))
        }
    }

    fn order(ties: Option<Ties>, events: &[(i64, char)]) -> (String, u64) {
        let mut heap = Heap::new(ties);
        for (at, event) in events {
            heap.plan(VirtualTime(*at), *event);
        }
        let order = std::iter::from_fn(|| heap.next().map(|(_, event)| event)).collect();
        (order, heap.turned())
    }

    fn ties(seed: u64) -> Ties {
        Ties { seed, from: VirtualTime(0), until: None }
    }

    #[test]
    fn events_come_by_time_and_then_in_the_order_of_planning() {
        let events = [(5, 'a'), (3, 'b'), (5, 'c'), (3, 'd')];
        assert_eq!(order(None, &events), ("bdac".to_owned(), 0));
    }

    #[test]
    fn ties_bring_every_order_of_one_moment_and_none_of_two_moments() {
        let events = [(3, 'x'), (5, 'a'), (5, 'b'), (5, 'c'), (7, 'y')];
        let mut orders = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let (found, turned) = order(Some(ties(seed)), &events);
            assert!(found.starts_with('x') && found.ends_with('y'), "{found}");
            assert_eq!(turned > 0, found != "xabcy", "{found}");
            orders.insert(found);
        }
        assert_eq!(orders.len(), 6);
    }

    #[test]
    fn events_of_one_concern_keep_their_order_and_others_do_not_matter() {
        for seed in 0..50 {
            let some = order(Some(ties(seed)), &[(5, 'a'), (5, 'A'), (5, 'c')]).0;
            let more = order(Some(ties(seed)), &[(5, 'a'), (5, 'b'), (5, 'A'), (5, 'c')]).0;
            assert!(some.find('a') < some.find('A'), "{some}");
            assert_eq!(more.replace('b', ""), some);
        }
    }

    #[test]
    fn ties_hold_for_their_time_only() {
        let events = [(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b'), (3, 'a'), (3, 'b')];
        for seed in 0..50 {
            let ties = Ties { seed, from: VirtualTime(2), until: Some(VirtualTime(3)) };
            let found = order(Some(ties), &events).0;
            assert!(found.starts_with("ab") && found.ends_with("ab"), "{found}");
        }
    }
}
