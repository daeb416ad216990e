//! The limits of a pipeline by name.

use anabranch_engine::pipeline::PipelineConfig;

macro_rules! limits {
    ($($name:ident)*) => {
        /// Every limit with its value.
        pub(crate) fn limits(config: &PipelineConfig) -> Vec<(&'static str, i128)> {
            // A limit that is new has to be named here.
            let PipelineConfig { binary: _, $($name),* } = config;
            vec![$((stringify!($name), *$name as i128)),*]
        }

        /// Sets a limit.
        pub(crate) fn set_limit(
            config: &mut PipelineConfig,
            name: &str,
            value: i128,
        ) -> Result<(), String> {
            let outside = |_| format!("{value} is no value of {name}");
            match name {
                $(stringify!($name) => config.$name = value.try_into().map_err(outside)?,)*
                _ => return Err(format!("there is no limit {name}")),
            }
            Ok(())
        }
    };
}

limits! {
    epoch_bytes_max
    fetch_bytes
    buffer_bytes_max
    split_buffer_bytes_max
    epochs_inflight_max
    sink_lag_bytes_max
    flush_bytes
    flush_age_ms
    snapshot_bytes
    segment_bytes
    sink_wait_ms
    stop_wait_ms
    heal_horizon_ms
    retry_ms
    attempts_max
    prove_ms
    discover_ms
    poison_starts
    samples_max
}
