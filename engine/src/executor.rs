//! Fork-join over independent pieces of work: the only way in which the core uses
//! more than one thread, and it does not know that it does.

/// Runs tasks that do not depend on each other.
///
/// The result of a step is the same whatever the executor does, because tasks write
/// into places of their own and their results are taken in order.
pub trait Executor: Sync {
    /// How many tasks may usefully run at once; at least 1. Only the size of the
    /// pieces depends on it, never a result.
    fn parallelism(&self) -> usize;

    /// Runs all tasks, in any order and on any threads, and returns when all have
    /// ended.
    fn run<'scope>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'scope>>);
}

/// One task after the other on the caller's thread.
#[derive(Clone, Copy, Debug)]
pub struct Sequential {
    /// The parallelism that it claims, so that tests cut work into many pieces
    /// without a thread.
    pub pieces: usize,
}

impl Default for Sequential {
    fn default() -> Self {
        Sequential { pieces: 1 }
    }
}

impl Executor for Sequential {
    fn parallelism(&self) -> usize {
        self.pieces.max(1)
    }

    fn run<'scope>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'scope>>) {
        for task in tasks {
            task();
        }
    }
}

/// Applies `work` to every item and gives the results in the order of the items.
pub fn map<T: Send, R: Send>(
    executor: &dyn Executor,
    items: Vec<T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    if items.len() <= 1 || executor.parallelism() == 1 {
        return items.into_iter().map(work).collect();
    }
    let mut results: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let work = &work;
    let tasks = items
        .into_iter()
        .zip(results.iter_mut())
        .map(|(item, slot)| {
            Box::new(move || *slot = Some(work(item))) as Box<dyn FnOnce() + Send + '_>
        })
        .collect();
    executor.run(tasks);
    results.into_iter().map(|result| result.expect("the executor ran every task")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let doubled = map(&Sequential { pieces: 4 }, vec![1, 2, 3], |item| item * 2);
        assert_eq!(doubled, vec![2, 4, 6]);
    }
}
