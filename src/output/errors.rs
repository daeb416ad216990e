//! The error with which a command ends.

use super::console::{is_json, say, suspended};
use super::diagnostics::use_colour;
use crate::errors::{self, JobError};

/// Says what happened and what to do.
pub(crate) fn show(error: &JobError) {
    let JobError { code, message, help } = error;
    if is_json() {
        tracing::error!(code = code.code, exit = code.exit, help, "{message}");
        return;
    }
    suspended(|| {
        if std::ptr::eq(*code, &raw const errors::SQL) {
            // Each of them has its own code, place and advice.
            say(message);
            return;
        }
        let (begin, end) = if use_colour() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
        say(&format!("{begin}error[{}]{end}: {message}", code.code));
        if let Some(help) = help {
            say(&format!("  help: {help}"));
        }
    });
}
