//! The pipeline in the laboratory: crashes, damage, golden traces.

mod crash;
mod damage;
mod dead_sink;
mod drift;
mod ending;
mod golden;
mod idle;
mod jobs;
#[cfg(feature = "plants")]
mod plants;
mod prove;
mod random;
mod recovery;
mod replay;
mod services;
mod wake;
mod why;
