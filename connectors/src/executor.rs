//! Fork-join on a pool of threads.

use anabranch_engine::executor::Executor;

/// Runs tasks on a fixed number of threads.
pub struct ThreadPool {
    pool: rayon::ThreadPool,
}

impl ThreadPool {
    /// A pool of so many threads.
    ///
    /// # Errors
    /// If the system gives no more threads.
    pub fn new(threads: usize) -> Result<ThreadPool, rayon::ThreadPoolBuildError> {
        let name = |index| format!("step-{index}");
        let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1));
        Ok(ThreadPool { pool: builder.thread_name(name).build()? })
    }
}

impl Executor for ThreadPool {
    fn parallelism(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn run<'scope>(&self, tasks: Vec<Box<dyn FnOnce() + Send + 'scope>>) {
        self.pool.scope(|scope| {
            for task in tasks {
                scope.spawn(|_| task());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::executor::map;

    #[test]
    fn results_come_in_order() {
        let pool = ThreadPool::new(3).unwrap();
        let items: Vec<u64> = (0..1_000).collect();
        let doubled = map(&pool, items.clone(), |item| item * 2);
        assert_eq!(doubled, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }
}
