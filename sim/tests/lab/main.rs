//! The pipeline in the laboratory: crashes, damage, golden traces.

mod crash;
mod damage;
mod golden;
mod jobs;
mod recovery;
