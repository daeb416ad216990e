//! Plans as text: one thing a line, versioned, and the same plan when it is read again.
//!
//! ```text
//! anabranch run plan 1
//! job examples/flights/hourly.sql
//! seed 42
//! config flush_age_ms 20
//! store journal ideal
//! heal 60s budget 600s
//! ties 7 from 2s until 3s
//! split events a file
//! record 0 at 0s = {"v":1}
//! when between append and apply of a:0 do crash restart 500ms
//! expect crash-between-append-and-apply
//! ```
//!
//! Lines that begin with `#` are for people. A line that is not known is an error, so that
//! a plan is never read as another one; lines that came later, such as `ties`, may be left
//! out, and plans without them mean what they always did.

mod config;
mod parse;
mod print;
mod token;

pub(crate) use config::{limits, set_limit};
pub use parse::PlanError;

use super::RunPlan;
use std::fmt;
use std::str::FromStr;

/// The version of the format.
pub const VERSION: u32 = 1;

impl fmt::Display for RunPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print::print(self, f)
    }
}

impl FromStr for RunPlan {
    type Err = PlanError;

    fn from_str(text: &str) -> Result<RunPlan, PlanError> {
        parse::parse(text)
    }
}
