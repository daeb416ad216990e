//! What people see: results on the standard output, everything else on the standard
//! error.

pub mod blocks;
pub mod console;
pub mod diagnostics;
pub mod errors;
pub mod rows;
pub mod text;
