//! `sim latency`: how long it takes in virtual time from the arrival of a record until
//! all that its epoch gives can be seen in a sink, when nothing goes wrong and when the
//! process dies in the middle. A record whose epoch gives a sink no row is not counted
//! there: a window's row counts from the records that came with the one that fired it.
//!
//! Arrivals are open-loop: a record comes when its time has come, however far behind the
//! job is, so that a wait is counted for everyone who waits.

use super::args::{LatencyArgs, ProfileName};
use super::input::{Subject, host};
use crate::errors::{self, JobError};
use crate::output::console::show_text;
use anabranch_engine::ids::{Epoch, SplitId};
use anabranch_engine::journal::{Control, Damage, EpochRecord, scan};
use anabranch_engine::pipeline::PipelineConfig;
use anabranch_sim::judge::of_end;
use anabranch_sim::oracle::logs_of;
use anabranch_sim::plan::{Action, Deviation, Latency, RunPlan, Timing, Trigger};
use anabranch_sim::reference::{Case, ExpectedSink, expect};
use anabranch_sim::run::run_with;
use anabranch_sim::time::{Span, VirtualTime};
use anabranch_sim::world::{Seen, SinkResult, SourceSplit};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The defaults of the service times, which are a file for the user to copy.
const DEFAULTS: &str = include_str!("service-times.toml");

/// How long each thing takes.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ServiceTimes {
    journal: Link,
    snapshots: Link,
    sinks: Link,
    sources: Link,
    cpu: Cpu,
    restart: Restart,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Link {
    base_us: u32,
    jitter_us: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Cpu {
    turn_us: u32,
    kibibyte_us: u32,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Restart {
    delay_us: u32,
}

/// Measures, and prints a table.
///
/// # Errors
/// If the job cannot be simulated or does not end well.
pub(super) fn run(args: &LatencyArgs) -> Result<(), JobError> {
    let subject = Subject::of_files(&args.file, args.records.max(1))?;
    let times = service_times(args)?;
    let plan = open_loop(subject.plan(args.seed, ProfileName::Calm), args.rate, times);
    let last = plan.splits.iter().filter_map(|split| split.records.last()).map(|r| r.at).max();
    let middle = VirtualTime(last.unwrap_or_default().0 / 2);
    let mut crashed = plan.clone();
    crashed.deviations =
        vec![Deviation { trigger: Trigger::At(middle), action: Action::Crash { restart: None } }];
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
    table.set_header(["sink", "world", "records", "p50", "p99", "p99.9", "max"]);
    for (world, plan) in [("steady", &plan), ("crash in the middle", &crashed)] {
        for (sink, histogram) in measured(&subject, plan)? {
            // A sink that keeps no marker does not say what it holds.
            let shown = |value| if histogram.is_empty() { "-".to_owned() } else { ms(value) };
            let at = |quantile| shown(histogram.value_at_quantile(quantile));
            let cells = [at(0.5), at(0.99), at(0.999), shown(histogram.max())];
            let head = [sink, world.to_owned(), histogram.len().to_string()];
            table.add_row(head.into_iter().chain(cells));
        }
    }
    let count = plan.record_count();
    let head =
        format!("{}: {count} records, {} a second over all splits\n", subject.name, args.rate);
    show_text(&format!("{head}{table}\n"))
}

/// The times of a file over the defaults.
fn service_times(args: &LatencyArgs) -> Result<ServiceTimes, JobError> {
    let invalid = |what: String| JobError::new(&errors::CONFIG, what);
    let mut table: toml::Table = DEFAULTS.parse().expect("a test reads the defaults");
    if let Some(file) = &args.service_times {
        let text = fs::read_to_string(file).map_err(|error| {
            let message = format!("cannot read {}: {error}", file.display());
            JobError::new(&errors::NO_FILE, message)
        })?;
        let own: toml::Table =
            text.parse().map_err(|error| invalid(format!("{}: {error}", file.display())))?;
        for (section, values) in own {
            match (table.get_mut(&section), values) {
                (Some(toml::Value::Table(known)), toml::Value::Table(values)) => {
                    known.extend(values);
                }
                _ => return Err(invalid(format!("{}: no section {section}", file.display()))),
            }
        }
    }
    table.try_into().map_err(|error: toml::de::Error| invalid(format!("service times: {error}")))
}

/// The plan's records, one after the other over all splits, and nothing drawn.
fn open_loop(mut plan: RunPlan, rate: u32, times: ServiceTimes) -> RunPlan {
    let every = 1_000_000_000 / i64::from(rate.max(1));
    let longest = plan.splits.iter().map(|split| split.records.len()).max().unwrap_or(0);
    let mut at = 0;
    for index in 0..longest {
        for split in &mut plan.splits {
            if let Some(record) = split.records.get_mut(index) {
                record.at = VirtualTime(at);
                at += every;
            }
        }
    }
    let us = |us: u32| Span::us(i64::from(us));
    let link = |link: Link| Latency { base: us(link.base_us), jitter: us(link.jitter_us) };
    let settings = &mut plan.settings;
    settings.links.journal = link(times.journal);
    settings.links.snapshots = link(times.snapshots);
    settings.links.sinks = link(times.sinks);
    settings.links.sources = link(times.sources);
    settings.cpu.turn = us(times.cpu.turn_us);
    settings.cpu.kibibyte = us(times.cpu.kibibyte_us);
    settings.restarts.delay = us(times.restart.delay_us);
    let links = [times.journal, times.snapshots, times.sinks, times.sources];
    let slowest = links.iter().map(|link| us(link.base_us).0 + us(link.jitter_us).0).max();
    // What is slow is not taken for lost.
    let usual = Timing::default();
    let request_limit = Span(usual.request_limit.0.max(slowest.unwrap_or(0).saturating_mul(8)));
    settings.timing = Timing { heal: VirtualTime(at), request_limit, ..usual };
    settings.pieces = 1;
    plan.pipeline = PipelineConfig { poison_starts: u32::MAX, ..PipelineConfig::default() };
    plan
}

/// For each sink the times from arrival to visibility, in µs.
fn measured(subject: &Subject, plan: &RunPlan) -> Result<Vec<(String, Histogram<u64>)>, JobError> {
    let bug = |what: String| JobError::new(&errors::BUG, what);
    let result = run_with(plan, &subject.job, host(plan, &subject.job), false).map_err(bug)?;
    if let Some(finding) = of_end(&result.end) {
        return Err(JobError::new(super::judge::code_of(&finding.kind), finding.to_string()));
    }
    let damaged = |damage: Damage| JobError::new(&errors::SIM_WRONG, damage.to_string());
    let journal = scan(&result.journal, &[]).map_err(damaged)?;
    let epochs: Vec<EpochRecord> = journal.records_after(Epoch(0)).cloned().collect();
    let arrivals = arrivals(subject, plan, &epochs).map_err(bug)?;
    let (logs, log_ends) = (logs_of(plan, &subject.job), BTreeMap::new());
    let case = Case { plan: &subject.job, logs: &logs, epochs: &epochs, log_ends: &log_ends };
    let expected = expect(case);
    let of_sink = |(sink, expected): (&SinkResult, &ExpectedSink)| {
        let fruitful: BTreeSet<Epoch> = expected.rows.iter().map(|row| row.epoch).collect();
        let mut arrivals = arrivals.clone();
        arrivals.retain(|epoch, _| fruitful.contains(epoch));
        (sink.table.clone(), histogram(sink, &arrivals))
    };
    Ok(result.sinks.iter().zip(&expected.sinks).map(of_sink).collect())
}

/// When the records of each epoch arrived.
fn arrivals(
    subject: &Subject,
    plan: &RunPlan,
    epochs: &[EpochRecord],
) -> Result<BTreeMap<Epoch, Vec<VirtualTime>>, String> {
    let mut splits = Vec::new();
    for input in &plan.splits {
        let split = SourceSplit::new(input, &subject.job)?;
        let records: Vec<(u64, VirtualTime)> = input
            .records
            .iter()
            .filter_map(|record| {
                let name =
                    anabranch_sim::plan::RecordName { split: split.label(), number: record.number };
                Some((split.offset_of(&name)?, record.at))
            })
            .collect();
        splits.push((split.name.clone(), records));
    }
    let mut names: BTreeMap<SplitId, usize> = BTreeMap::new();
    let mut arrivals: BTreeMap<Epoch, Vec<VirtualTime>> = BTreeMap::new();
    for record in epochs {
        for control in &record.controls {
            if let Control::Added { name, .. } = &control.control
                && let Some(place) = splits.iter().position(|(known, _)| known == name)
            {
                names.insert(control.split, place);
            }
        }
        for slice in &record.slices {
            let Some(place) = names.get(&slice.split) else { continue };
            let taken = slice.start.0..slice.end.0;
            let records = splits[*place].1.iter().filter(|(offset, _)| taken.contains(offset));
            arrivals.entry(record.epoch).or_default().extend(records.map(|(_, at)| *at));
        }
    }
    Ok(arrivals)
}

/// Of the records whose epoch a marker of the sink has come to, how long each took. An
/// epoch counts for the first marker at or behind it, and is visible when the last row
/// has appeared that comes with that marker: files appear behind its move.
fn histogram(sink: &SinkResult, arrivals: &BTreeMap<Epoch, Vec<VirtualTime>>) -> Histogram<u64> {
    let longest_us = 1_000_000_000_000;
    let histogram = Histogram::new_with_bounds(1, longest_us, 3);
    let mut histogram = histogram.expect("these are bounds, and three digits a precision");
    let mut next = Epoch(0);
    for (index, seen) in sink.seen.iter().enumerate() {
        let Some(marker) = seen.marker.filter(|marker| marker.last) else { continue };
        if marker.epoch < next {
            continue;
        }
        let rows = |seen: &Seen| seen.kept + seen.records.len();
        let mut visible = seen;
        for later in sink.seen[index + 1..].iter().take_while(|it| it.marker == seen.marker) {
            if rows(later) > rows(visible) {
                visible = later;
            }
        }
        for at in arrivals.range(next..=marker.epoch).flat_map(|(_, at)| at) {
            histogram.saturating_record(((visible.at - *at).0.max(0) / 1_000) as u64);
        }
        next = marker.epoch.next();
    }
    histogram
}

fn ms(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_can_be_read() {
        let table: toml::Table = DEFAULTS.parse().expect("it is TOML");
        let times: ServiceTimes = table.try_into().expect("nothing is missing");
        assert_eq!(times.journal.base_us, 700);
    }

    #[test]
    fn a_record_is_visible_when_the_marker_has_come_to_its_epoch() {
        let seen = |at_us: i64, epoch: u64, rows: usize| Seen {
            at: VirtualTime(at_us * 1_000),
            process: 1,
            generation: Default::default(),
            kept: rows,
            records: Vec::new(),
            marker: Some(anabranch_engine::sink::Marker {
                lineage: Default::default(),
                epoch: Epoch(epoch),
                chunk: 0,
                last: true,
                hash: anabranch_engine::journal::ChainHash::START,
            }),
        };
        // The rows of the second marker appear behind it.
        let seen = vec![seen(10, 2, 3), seen(45, 4, 3), seen(50, 4, 5)];
        let sink = SinkResult { seen, ..SinkResult::default() };
        let at = |us: &[i64]| us.iter().map(|us| VirtualTime(us * 1_000)).collect::<Vec<_>>();
        let arrivals = BTreeMap::from([
            (Epoch(1), at(&[1, 4])),
            (Epoch(3), at(&[20])),
            (Epoch(4), at(&[45])),
            // Nothing of it is visible at the end.
            (Epoch(5), at(&[49])),
        ]);
        let histogram = histogram(&sink, &arrivals);
        let took: Vec<u64> = histogram.iter_recorded().map(|it| it.value_iterated_to()).collect();
        assert_eq!(took, [5, 6, 9, 30]);
    }
}
