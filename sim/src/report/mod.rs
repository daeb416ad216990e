//! What a person is shown of runs.

pub mod page;
