//! The error with which a command ends.

use super::diagnostics::use_colour;
use crate::errors::{self, JobError};

/// Says what happened and what to do.
pub(crate) fn show(error: &JobError) {
    if std::ptr::eq(error.code, &raw const errors::SQL) {
        // Each of them has its own code, place and advice.
        eprintln!("{}", error.message);
        return;
    }
    let (begin, end) = if use_colour() { ("\x1b[31m", "\x1b[0m") } else { ("", "") };
    eprintln!("{begin}error[{}]{end}: {}", error.code.code, error.message);
    if let Some(help) = &error.help {
        eprintln!("  help: {help}");
    }
}
