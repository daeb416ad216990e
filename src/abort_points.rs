//! The binary with abort points: it ends itself at a chosen place, without a word to
//! anybody, as a killed process does.
//!
//! Only the crash tests build it, by the feature `abort-points`. It is made of the same
//! files as the real binary, whose root does not name this one. Every phase of the
//! driver, the stores and the sinks is an abort point: `ANABRANCH_ABORT_AT` is
//! `PHASE:NUMBER:begin` or `PHASE:NUMBER:end`, that is, before what the core asked for
//! the n-th time takes effect, or behind that, but before the core learns it.

mod cli;
mod commands;
mod config;
mod driver;
mod errors;
mod job;
mod output;
mod places;

use std::fmt::Debug;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The variable that says where to end.
const ABORT_AT: &str = "ANABRANCH_ABORT_AT";
/// Exit code if that makes no sense: none of the real binary's.
const MISUSED: u8 = 70;

/// Counts how often one side of a phase is passed, and aborts at the chosen time.
struct AbortPoint {
    phase: String,
    side: String,
    /// How many times it may still be passed.
    left: AtomicU64,
}

impl AbortPoint {
    fn parse(text: &str) -> Option<AbortPoint> {
        let mut parts = text.split(':');
        let (phase, number, side) = (parts.next()?, parts.next()?, parts.next()?);
        let left = AtomicU64::new(number.parse().ok()?);
        Some(AbortPoint { phase: phase.to_owned(), side: side.to_owned(), left })
    }
}

impl<S: Subscriber> Layer<S> for AbortPoint {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "anabranch::phase" {
            return;
        }
        let mut passed = Passed::default();
        event.record(&mut passed);
        if passed.phase == self.phase
            && passed.side == self.side
            && self.left.fetch_sub(1, Ordering::SeqCst) == 1
        {
            std::process::abort();
        }
    }
}

/// The phase of an event, and the side of it.
#[derive(Default)]
struct Passed {
    phase: String,
    side: String,
}

impl Visit for Passed {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "phase" {
            value.clone_into(&mut self.phase);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.side = format!("{value:?}");
        }
    }
}

fn main() -> ExitCode {
    let point = std::env::var(ABORT_AT).ok().and_then(|text| AbortPoint::parse(&text));
    let Some(point) = point else {
        eprintln!("{ABORT_AT} says where to abort, as PHASE:NUMBER:begin or PHASE:NUMBER:end");
        return ExitCode::from(MISUSED);
    };
    tracing_subscriber::registry().with(point).init();
    match commands::run(cli::Cli::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::errors::show(&error);
            ExitCode::from(error.code.exit)
        }
    }
}
