//! What people see: results on the standard output, everything else on the standard
//! error.

pub(crate) mod blocks;
pub(crate) mod console;
pub(crate) mod diagnostics;
pub(crate) mod errors;
pub(crate) mod junit;
pub(crate) mod rows;
pub(crate) mod text;
