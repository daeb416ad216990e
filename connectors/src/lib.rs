//! Transport to files, terminals and services, and the local stores.

pub mod executor;
pub mod fs_exec;
pub mod lock;
pub mod sink;
pub mod source;
pub mod store;

/// Does something as a phase in which a process may be killed; tests read its name
/// from the log. Drivers name what the core asks for, from before it takes effect until
/// all of it has, but before the answer; stores and sinks name the steps within.
pub fn in_phase<T>(phase: &'static str, work: impl FnOnce() -> T) -> T {
    tracing::debug!(target: "anabranch::phase", phase, "begin");
    let done = work();
    tracing::debug!(target: "anabranch::phase", phase, "end");
    done
}
