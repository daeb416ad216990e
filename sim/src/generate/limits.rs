//! Limits, latencies and clocks of a plan.

use crate::plan::{Cpu, Latency, Links, RunPlan, Settings, Ties};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::pipeline::PipelineConfig;

/// Limits of a pipeline: mostly so small that a few hundred records make many epochs,
/// groups and snapshots.
pub(super) fn limits(seed: u64) -> PipelineConfig {
    let mut draws = Draws::new(seed, "limits", "pipeline");
    let usual = PipelineConfig::default();
    if draws.below(10) == 0 {
        return PipelineConfig { poison_starts: u32::MAX, ..usual };
    }
    let fetch_bytes = *draws.choose(&[64, 200, 500, 2_000, 20_000]);
    let segment = *Draws::new(seed, "limits", "segment").choose(&[200, 1_000, 4_000, 16 << 20]);
    PipelineConfig {
        epoch_bytes_max: *draws.choose(&[60, 150, 300, 700, 3_000, 50_000]),
        fetch_bytes,
        buffer_bytes_max: *draws.choose(&[2_000, 20_000, 1_000_000]),
        split_buffer_bytes_max: fetch_bytes as usize * (1 + draws.below(3) as usize),
        epochs_inflight_max: 1 + draws.below(6) as usize,
        sink_lag_bytes_max: *draws.choose(&[1_000, 20_000, 1_000_000]),
        flush_bytes: *draws.choose(&[50, 300, 1_000, 8_000]),
        flush_age_ms: *draws.choose(&[1, 10, 50, 200, 1_000]),
        segment_bytes: segment,
        snapshot_bytes: *draws.choose(&[0, 400, 1_000, 3_000, 3_000]),
        retry_ms: *draws.choose(&[5, 20, 50, 100]),
        // Faults come in numbers that a sink in production is not given up for.
        attempts_max: 40,
        discover_ms: *draws.choose(&[50, 200, 1_000]),
        // A plan may kill more starts in a row than an operator would like.
        poison_starts: u32::MAX,
        heal_horizon_ms: *draws.choose(&[0, 0, 50, 500, 600_000]),
        sink_wait_ms: *draws.choose(&[50, 500, 10_000]),
        stop_wait_ms: *draws.choose(&[500, 10_000]),
        prove_ms: *draws.choose(&[200, 1_000, 5_000]),
        ..usual
    }
}

/// The world without its faults.
pub(super) fn settings(seed: u64, settings: &mut Settings) {
    let mut draws = Draws::new(seed, "settings", "world");
    let mut latency = |bases: &[i64]| {
        let base = *draws.choose(bases);
        let jitter = *draws.choose(&[0, 0, 100, 1_000, 10_000]);
        Latency { base: Span::us(base), jitter: Span::us(jitter) }
    };
    settings.links.journal = latency(&[50, 250, 1_000, 8_000]);
    settings.links.snapshots = latency(&[200, 1_000, 20_000]);
    settings.links.sinks = latency(&[100, 500, 2_000, 15_000]);
    settings.links.sources = latency(&[100, 500, 3_000]);
    settings.cpu = Cpu {
        turn: Span::us(*draws.choose(&[5, 20, 20, 200])),
        kibibyte: Span::us(*draws.choose(&[1, 5, 100])),
    };
    settings.pieces = 1 + draws.below(4) as usize;
    settings.restarts.delay = Span::ms(*draws.choose(&[1, 100, 500, 3_000]));
    settings.timing.request_limit = Span::ms(*draws.choose(&[100, 500, 2_000]));
    settings.timing.hold = Span::ms(*draws.choose(&[20, 100, 1_000]));
}

/// In a third of the runs, things of one moment come in another order than that in which
/// they were planned. In half of these the world is even, so that many do come at one
/// moment: all messages take as long, turns take no time, and records arrive on the
/// millisecond.
pub(super) fn ties(seed: u64, plan: &mut RunPlan) {
    let mut draws = Draws::new(seed, "ties", "world");
    if draws.below(3) != 0 {
        return;
    }
    plan.settings.ties =
        Some(Ties { seed: draws.below(1 << 32), from: VirtualTime(0), until: None });
    if draws.below(2) == 0 {
        let even = Latency { base: Span::ms(1), jitter: Span(0) };
        plan.settings.links = Links { journal: even, snapshots: even, sinks: even, sources: even };
        plan.settings.cpu = Cpu { turn: Span(0), kibibyte: Span(0) };
        for record in plan.splits.iter_mut().flat_map(|split| &mut split.records) {
            record.at = VirtualTime(record.at.0 / 1_000_000 * 1_000_000);
        }
    }
}
