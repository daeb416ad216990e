//! Plans in which things happen in an order that chance hardly ever brings about.

use anabranch_sim::model::Disturbance;
use anabranch_sim::plan::{
    Action, Deviation, LinkFault, Operation, Point, RecordKind, RunPlan, SourceFault, SplitInput,
    SplitShape, Target, Trigger,
};
use anabranch_sim::rng::Draws;
use anabranch_sim::time::{Span, VirtualTime};

/// The sinks of the job with three of them.
const SINKS: [&str; 3] = ["counts", "large", "late"];

fn ms(count: u64) -> VirtualTime {
    VirtualTime(Span::ms(count as i64).0)
}

fn at(count: u64, action: Action) -> Deviation {
    Deviation { trigger: Trigger::At(ms(count)), action }
}

fn nth(nth: u32, point: Point, action: Action) -> Deviation {
    Deviation { trigger: Trigger::When { nth, point, holding: None, restarts: None }, action }
}

fn crash() -> Action {
    Action::Crash { restart: Some(Span::ms(20)) }
}

/// The split with the most records has one every so many ms, and the others theirs in
/// between; gives when the last one comes, in ms.
fn spread(plan: &mut RunPlan, every_ms: u64) -> u64 {
    let most = plan.splits.iter().map(|split| split.records.len()).max().unwrap_or(0) as u64;
    let until = most * every_ms;
    for split in &mut plan.splits {
        let apart = until.div_ceil(split.records.len().max(1) as u64);
        for (record, place) in split.records.iter_mut().zip(0..) {
            record.at = ms(place * apart);
        }
    }
    until
}

/// Small epochs, many snapshots, and nothing kept longer than it must be.
fn in_small_steps(plan: &mut RunPlan) {
    plan.pipeline.epoch_bytes_max = 150;
    plan.pipeline.fetch_bytes = 500;
    plan.pipeline.flush_age_ms = 1;
    plan.pipeline.snapshot_bytes = 300;
    plan.pipeline.heal_horizon_ms = 0;
    plan.pipeline.sink_wait_ms = 50;
    plan.pipeline.retry_ms = 5;
    plan.pipeline.sink_lag_bytes_max = 1_000_000;
    plan.settings.restarts.delay = Span::ms(1);
    plan.settings.timing.request_limit = Span::ms(100);
}

fn is_away(sink: &str, from: u64, until: u64) -> Deviation {
    let span = Span::ms(until.saturating_sub(from) as i64);
    at(from, Action::Link { service: sink.to_owned(), fault: LinkFault::Cut, span })
}

/// One sink is away from before the first restart until behind the second one, while
/// the others go on: all that was journaled for it before the first one is needed.
pub(super) fn sink_is_away(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "away");
    let sink = *draws.choose(&SINKS);
    in_small_steps(plan);
    let until = spread(plan, 30).max(600);
    let first = until / 4;
    let (gone, second) = (first - draws.below(100), until * 3 / 4 + draws.below(100));
    plan.deviations =
        vec![is_away(sink, gone, second + 1_500), at(first, crash()), at(second, crash())];
}

/// One sink goes away once the first generation's journal was cut, and stays away over
/// two restarts.
pub(super) fn sink_is_away_twice(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "away twice");
    let sink = *draws.choose(&SINKS);
    in_small_steps(plan);
    let until = spread(plan, 30).max(600);
    let gone = until * 5 / 8 + draws.below(100);
    plan.deviations = vec![
        at(until / 8, crash()),
        is_away(sink, gone, gone + 3_000),
        at(gone + 40, crash()),
        at(gone + 300 + draws.below(100), crash()),
    ];
}

/// The process dies when what nobody needs was just removed.
pub(super) fn dies_after_trim(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "trim");
    in_small_steps(plan);
    spread(plan, 20);
    let times = 1 + draws.below(3) as u32;
    plan.deviations = vec![nth(times, Point::After(Operation::Trim), crash())];
}

/// The process dies, or the power fails, while a snapshot's files are written.
pub(super) fn dies_while_storing(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "storing");
    in_small_steps(plan);
    spread(plan, 20);
    let times = 1 + draws.below(24) as u32;
    let point = Point::Answer(Target::Of(Operation::Store));
    let end = match draws.below(2) {
        0 => crash(),
        _ => Action::PowerFailure { choice: draws.number(), restart: Some(Span::ms(20)) },
    };
    plan.deviations = vec![nth(times, point, end)];
}

/// Bits of snapshots turn, and the process is started again.
pub(super) fn rot_in_snapshots(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "rot in snapshots");
    in_small_steps(plan);
    spread(plan, 20);
    let times = 2 + draws.below(3) as u32;
    let service = || "snapshots".to_owned();
    let mut rot = || {
        let disturbance = Disturbance::Rot { place: draws.number() };
        nth(
            times,
            Point::After(Operation::Store),
            Action::Disturb { service: service(), disturbance },
        )
    };
    plan.deviations = (0..6).map(|_| rot()).collect();
    plan.deviations.push(nth(times, Point::After(Operation::Store), crash()));
}

/// A process that stands still while it stores a snapshot is replaced, and goes on when
/// its successor has stored some.
pub(super) fn replaced_while_storing(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "replaced");
    in_small_steps(plan);
    let until = spread(plan, 30).max(600);
    let times = 1 + draws.below(12) as u32;
    let span = Span::ms((until / 2) as i64);
    let stand = Action::Pause { span, successor: true, until: None };
    plan.deviations =
        vec![nth(times, Point::Request(Target::Of(Operation::Store)), stand), at(until, crash())];
}

/// The journal is slow, so that records wait although their log has come to its end.
pub(super) fn backlog(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "backlog");
    plan.pipeline.epoch_bytes_max = 100;
    plan.pipeline.epochs_inflight_max = 1;
    plan.pipeline.fetch_bytes = 20_000;
    plan.pipeline.split_buffer_bytes_max = 1_000_000;
    plan.pipeline.buffer_bytes_max = 1_000_000;
    plan.settings.links.journal.base = Span::ms(30 + draws.below(50) as i64);
    plan.settings.timing.hold = Span::ms(60);
    plan.settings.timing.request_limit = Span::ms(2_000);
    let burst = 10 + draws.below(20);
    for split in &mut plan.splits {
        for (record, place) in split.records.iter_mut().zip(0..) {
            record.at = ms(place / burst * 3_000);
        }
    }
}

/// The wall clock is set back and the process started again, when a snapshot was just
/// stored: nothing is replayed that would say how late it was.
pub(super) fn clock_is_set_back(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "clock");
    in_small_steps(plan);
    plan.pipeline.snapshot_bytes = 1;
    spread(plan, 30);
    let by = Span::ms(-(draws.below(100_000_000) as i64));
    let times = 1 + draws.below(10) as u32;
    let point = || Point::After(Operation::Store);
    plan.deviations.push(nth(times, point(), Action::ClockJump { by }));
    plan.deviations.push(nth(times, point(), crash()));
}

/// The power fails while records are on their way to the disk, and the process dies once
/// more.
pub(super) fn torn_tails(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "torn");
    let times = 1 + draws.below(12) as u32;
    let power = Action::PowerFailure { choice: draws.number(), restart: Some(Span::ms(20)) };
    let point = Point::Request(Target::Of(Operation::Append));
    plan.deviations =
        vec![nth(times, point, power), nth(times + 3, Point::After(Operation::Append), crash())];
}

/// The sinks are away when a bit of the journal turns that they had acknowledged, and the
/// process is started again: nobody but the journal knows how far it went.
pub(super) fn rot_while_sinks_are_away(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "rot");
    in_small_steps(plan);
    plan.pipeline.snapshot_bytes = 0;
    let until = spread(plan, 30).max(600);
    let when = until / 4 + draws.below(until / 2);
    let disturbance = Disturbance::Rot { place: draws.number() };
    plan.deviations = SINKS.iter().map(|sink| is_away(sink, when - 60, when + 1_000)).collect();
    plan.deviations.extend([
        at(when, Action::Disturb { service: "journal".to_owned(), disturbance }),
        at(when, crash()),
    ]);
}

/// A reader lags behind, and what it has not read yet goes; or its position is reset.
pub(super) fn unread_records_go(plan: &mut RunPlan) {
    let mut draws = Draws::new(plan.seed, "staged", "unread");
    plan.pipeline.fetch_bytes = 100;
    plan.pipeline.split_buffer_bytes_max = 100;
    plan.pipeline.epoch_bytes_max = 100;
    let is_log = |split: &&mut SplitInput| split.shape == SplitShape::Log;
    let logs = plan.splits.iter_mut().filter(is_log);
    let Some(split) = logs.max_by_key(|split| split.records.len()) else { return };
    // They are there at once, and are read a few at a time.
    split.records.iter_mut().for_each(|record| record.at = ms(0));
    let name = format!("{}/{}", split.table, split.name);
    let fault = match draws.below(2) {
        0 => SourceFault::Retain { keep: 1 + draws.below(4) },
        _ => SourceFault::Rewind,
    };
    let times = 2 + draws.below(4) as u32;
    let point = Point::After(Operation::Append);
    plan.deviations = vec![nth(times, point, Action::Source { split: name, fault })];
}

/// Doubles are so large that the sum of two overflows.
pub(super) fn huge_doubles(plan: &mut RunPlan) {
    for record in plan.splits.iter_mut().flat_map(|split| &mut split.records) {
        let RecordKind::Whole { value, .. } = &mut record.kind else { continue };
        let text = String::from_utf8_lossy(value);
        let Some(begin) = text.find("\"d\":").map(|at| at + 4) else { continue };
        let Some(len) = text[begin..].find(',') else { continue };
        let sign = if record.number % 3 == 2 { "-" } else { "" };
        *value = format!("{}{sign}1e308{}", &text[..begin], &text[begin + len..]).into();
    }
}
