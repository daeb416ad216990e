//! The limits of a pipeline. None of them can change a final result: they decide how
//! much is taken at once, not what it comes to.

/// The limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PipelineConfig {
    /// The version of the binary, for the journal's segment headers.
    pub binary: String,
    /// An epoch takes at most about this many bytes of records.
    pub epoch_bytes_max: usize,
    /// A fetch asks for about this many bytes.
    pub fetch_bytes: u32,
    /// All splits together are fetched ahead by about this many bytes at most.
    // spec: F-5
    pub buffer_bytes_max: usize,
    /// A split is fetched ahead by at most this many bytes.
    pub split_buffer_bytes_max: usize,
    /// So many epochs may wait for the journal at once.
    // spec: F-5
    pub epochs_inflight_max: usize,
    /// No epoch is begun while a sink has more than this many bytes waiting.
    // spec: K-8
    pub sink_lag_bytes_max: usize,
    /// A sink that has not answered for so long, in ms, counts as one that fails, and
    /// recovery goes on without it.
    // spec: K-8, S-2
    pub sink_wait_ms: i64,
    /// A job that is to stop waits at most so long, in ms, for sinks that fail.
    // spec: F-4
    pub stop_wait_ms: i64,
    /// A flush group is closed when it holds this many bytes.
    pub flush_bytes: usize,
    /// A flush group is closed when its first row is this old, in ms.
    pub flush_age_ms: i64,
    /// A snapshot is taken when so many bytes of records were read since the last
    /// one; 0 switches snapshots off.
    pub snapshot_bytes: u64,
    /// A segment of the journal is followed by a new one at the first snapshot after so
    /// many bytes, so that old ones can go.
    // spec: J-4
    pub segment_bytes: u64,
    /// What is needed to compute again what was given to sinks in the last so many ms is
    /// kept.
    // spec: J-4
    pub heal_horizon_ms: i64,
    /// The first wait before something that failed is tried again, in ms; it doubles
    /// up to a hundred times as much.
    pub retry_ms: i64,
    /// A failing source or store is given up after so many attempts in a row.
    pub attempts_max: u32,
    /// A run that has had nothing to append for so long, in ms, asks the journal whether it
    /// still owns it.
    // spec: J-3
    pub prove_ms: i64,
    /// Tables that grow are asked for new splits this often, in ms.
    pub discover_ms: i64,
    /// So many starts that died while they computed one epoch make a job poisoned.
    // spec: F-6
    pub poison_starts: u32,
    /// So many late and dead rows are reported one by one.
    pub samples_max: u32,
}

impl Default for PipelineConfig {
    fn default() -> Self {
        PipelineConfig {
            binary: env!("CARGO_PKG_VERSION").to_owned(),
            epoch_bytes_max: 4 << 20,
            fetch_bytes: 1 << 20,
            buffer_bytes_max: 64 << 20,
            split_buffer_bytes_max: 4 << 20,
            epochs_inflight_max: 4,
            sink_lag_bytes_max: 64 << 20,
            sink_wait_ms: 10_000,
            stop_wait_ms: 10_000,
            flush_bytes: 8 << 20,
            flush_age_ms: 1_000,
            snapshot_bytes: 256 << 20,
            segment_bytes: 16 << 20,
            heal_horizon_ms: 600_000,
            retry_ms: 50,
            attempts_max: 20,
            prove_ms: 5_000,
            discover_ms: 1_000,
            poison_starts: 3,
            samples_max: 5,
        }
    }
}
