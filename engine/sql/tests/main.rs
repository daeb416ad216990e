//! Whole texts through the compiler; see the modules.

mod plans;
