//! The deterministic simulator of the whole engine.
//!
//! A [`plan`] says what happens in a run; [`generate`] makes one from a seed. [`run`] runs
//! it in a [`world`] of processes, links and [`model`]s of services, in virtual time. The
//! [`judge`] says what is wrong with it: it asks the [`oracle`]s, with an interpreter that
//! says what a job must give, and [`recut`], with a run in which nothing goes wrong.
//! [`shrink`] makes a plan that fails a small one that fails in the same way.

pub mod conformance;
pub mod disk;
pub mod generate;
pub mod ideal;
pub mod judge;
pub mod lab;
pub mod model;
pub mod oracle;
pub mod plan;
pub mod recut;
pub mod reference;
pub mod report;
pub mod rng;
pub mod run;
pub mod shrink;
pub mod time;
pub mod world;
