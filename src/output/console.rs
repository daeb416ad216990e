//! Messages and the progress line, both on the standard error.

use super::diagnostics::use_colour;
use super::text;
use crate::config::{Config, LogFormat};
use crate::driver::Observer;
use crate::errors::{self, JobError};
use anabranch_engine::pipeline::{Report, Status};
use anabranch_engine::plan::{NodeKind, Plan, SideKind};
use anabranch_engine::time::Watermark;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// How often the progress line changes.
const PROGRESS: Duration = Duration::from_millis(200);

/// The progress line, if there is one: messages have to make room for it.
static LINE: OnceLock<ProgressBar> = OnceLock::new();

/// Whether messages are JSON.
static JSON: AtomicBool = AtomicBool::new(false);

/// Whether messages are written as JSON; not before the log is set up.
pub(crate) fn is_json() -> bool {
    JSON.load(Ordering::Relaxed)
}

/// Directs all messages to the standard error, in the wanted format; unless whoever runs
/// the commands has directed them elsewhere before.
pub(crate) fn init_log(config: &Config) {
    JSON.store(config.log == LogFormat::Json, Ordering::Relaxed);
    let builder = tracing_subscriber::fmt().with_max_level(config.log_level);
    let _ = match config.log {
        LogFormat::Json => {
            let builder = builder.json().flatten_event(true).with_thread_names(true);
            builder.with_writer(Stderr).try_init()
        }
        LogFormat::Text => {
            let builder = builder.event_format(Plain { colour: use_colour() });
            builder.with_writer(Stderr).try_init()
        }
    };
}

/// The standard error, beside the progress line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // An error would make the log panic, since it reports that on the same way.
        let _ = suspended(|| io::stderr().write_all(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes a line to the standard error. That nobody can read it ends no job: the results
/// do not go there.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

impl MakeWriter<'_> for Stderr {
    type Writer = io::BufWriter<Stderr>;

    fn make_writer(&self) -> Self::Writer {
        // A message comes in pieces, and is written as a whole.
        io::BufWriter::new(Stderr)
    }
}

/// The standard output, beside the progress line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stdout {
    /// What happens when nobody reads it any more.
    pub unread: Unread,
}

/// What happens when nobody reads the standard output any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The process ends quietly, as other programs in a pipe do.
    Ends,
    /// What would go there is dropped: there are other results, and they are wanted.
    IsDropped,
}

/// Whether somebody was told that output is dropped.
static DROPPED: AtomicBool = AtomicBool::new(false);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match suspended(|| io::stdout().write_all(bytes).and_then(|()| io::stdout().flush())) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => match self.unread {
                Unread::Ends => std::process::exit(0),
                Unread::IsDropped => {
                    if !DROPPED.swap(true, Ordering::Relaxed) {
                        tracing::warn!(
                            "nobody reads the standard output any more: what goes there is dropped, the other sinks go on"
                        );
                    }
                    Ok(bytes.len())
                }
            },
            Err(error) => Err(named(error)),
            Ok(()) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error with what could not be done.
fn named(error: io::Error) -> io::Error {
    let full = if error.kind() == io::ErrorKind::StorageFull { errors::DISK_FULL } else { "" };
    io::Error::new(error.kind(), format!("{full}cannot write to the standard output: {error}"))
}

/// Writes results to the standard output.
///
/// # Errors
/// If it does not take them, for example because it is a file on a full disk.
pub(crate) fn show_text(text: &str) -> Result<(), JobError> {
    let mut stdout = Stdout { unread: Unread::Ends };
    let written = stdout.write_all(text.as_bytes());
    written.map_err(|error| JobError::new(&errors::SINK, error.to_string()))
}

/// A progress bar over so many things, if the standard error is a terminal; at most one in
/// the life of a process.
pub(crate) fn progress_bar(count: u64) -> Option<ProgressBar> {
    if !io::stderr().is_terminal() || is_json() {
        return None;
    }
    let bar = LINE.get_or_init(|| ProgressBar::new(count)).clone();
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} {msg} {eta}") {
        bar.set_style(style);
    }
    Some(bar)
}

/// Does something while the progress line is away.
pub(crate) fn suspended<T>(work: impl FnOnce() -> T) -> T {
    match LINE.get() {
        Some(line) if !line.is_finished() => line.suspend(work),
        _ => work(),
    }
}

/// Messages for people: the level where it matters, and the words.
struct Plain {
    colour: bool,
}

impl<S, N> FormatEvent<S, N> for Plain
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let (word, colour) = match *event.metadata().level() {
            Level::ERROR => ("error: ", "31"),
            Level::WARN => ("warning: ", "33"),
            Level::INFO => ("", ""),
            Level::DEBUG => ("debug: ", "2"),
            Level::TRACE => ("trace: ", "2"),
        };
        match self.colour && !word.is_empty() {
            true => write!(writer, "\x1b[{colour}m{word}\x1b[0m")?,
            false => write!(writer, "{word}")?,
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        writeln!(writer, "{}", words.0.trim_end())
    }
}

/// The message of an event, and its other fields behind it.
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write as _;
        // Writing to a text cannot fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
    }
}

/// Shows a running job on the standard error.
pub(crate) struct Console {
    plan: Arc<Plan>,
    late_is_read: bool,
    line: Option<ProgressBar>,
    /// How often a status is wanted.
    interval: Option<Duration>,
    /// When the last status came, and how many records it had.
    last: (Instant, u64),
    rate: f64,
}

impl Console {
    /// With a progress line if the standard error is a terminal and people read it.
    #[must_use]
    pub(crate) fn new(plan: Arc<Plan>, config: &Config) -> Console {
        let wanted = io::stderr().is_terminal() && config.log == LogFormat::Text;
        let line = wanted.then(|| {
            let line = LINE.get_or_init(ProgressBar::new_spinner).clone();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
                line.set_style(style);
            }
            line
        });
        let interval = match (config.log, &line) {
            (LogFormat::Json, _) => Some(config.progress_interval.0).filter(|i| !i.is_zero()),
            (LogFormat::Text, line) => line.as_ref().map(|_| PROGRESS),
        };
        let now = Instant::now();
        let late_is_read = plan.nodes.iter().any(
            |node| matches!(&node.kind, NodeKind::SideScan(side) if side.kind == SideKind::Late),
        );
        Console { plan, late_is_read, line, interval, last: (now, 0), rate: 0.0 }
    }

    /// The rows a second since the last status, if the job did nothing else then.
    fn rate_now(&mut self, status: &Status) -> Option<f64> {
        let (before, records) = self.last;
        self.last = (Instant::now(), status.records);
        let seconds = before.elapsed().as_secs_f64();
        let counts = seconds > 0.0 && status.records >= records && status.running;
        counts.then(|| (status.records - records) as f64 / seconds)
    }

    fn line_of(&self, status: &Status) -> String {
        let (lag, watermark) = match watermark_of(status) {
            Some(ms) => (text::duration(lag(ms)), text::event_time(ms)),
            None => ("-".to_owned(), "-".to_owned()),
        };
        format!(
            "{} rows/s, lag {lag}, watermark {watermark}, late {}, dead {}, state {}, epoch {}",
            text::count(self.rate as u64),
            text::count(total(&status.late)),
            text::count(total(&status.dead)),
            text::bytes(status.state_bytes as u64),
            status.epoch,
        )
    }
}

fn total(counts: &[(String, u64)]) -> u64 {
    counts.iter().map(|(_, count)| count).sum()
}

/// The job's watermark in ms, once there is one, and until there is nothing before it.
fn watermark_of(status: &Status) -> Option<i64> {
    let shown = status.watermark.filter(|w| *w != Watermark::NONE && *w != Watermark::END);
    shown.map(|Watermark(ms)| ms)
}

/// How far a watermark lies behind the clock.
fn lag(watermark_ms: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
    Duration::from_millis(now_ms.saturating_sub(watermark_ms).max(0) as u64)
}

/// Where the job is, as one JSON object of the log.
fn say_progress(status: &Status, rows_per_second: f64) {
    let watermark = watermark_of(status);
    tracing::info!(
        target: "anabranch::progress",
        rows_in = status.records,
        rows_per_second = rows_per_second.round() as u64,
        lag_ms = watermark.map(|ms| lag(ms).as_millis() as u64),
        watermark = watermark.map(text::event_time),
        late = total(&status.late),
        dead = total(&status.dead),
        state_bytes = status.state_bytes as u64,
        epoch = status.epoch.0,
        "progress",
    );
}

impl Observer for Console {
    fn report(&mut self, report: &Report) {
        match report {
            Report::Running { generation, after, replayed, snapshot } => {
                let began = match snapshot {
                    Some(epoch) => format!("from the snapshot after epoch {epoch}, "),
                    None => String::new(),
                };
                if after.0 > 0 {
                    tracing::info!(
                        "{began}{} computed again: generation {generation} goes on after epoch {after}",
                        text::plural(*replayed, "epoch"),
                    );
                } else {
                    tracing::debug!("generation {generation} begins");
                }
            }
            Report::TailCut { detail } => {
                tracing::warn!(
                    "an unfinished end of the journal was cut, as after a power cut: {detail}"
                );
            }
            Report::SnapshotSkipped { name, reason } => {
                tracing::warn!("snapshot {name} is passed over: {reason}");
            }
            Report::Late { node, split, offset } => {
                let operator = &self.plan.node(*node).name;
                // With a reader of the late rows nobody has to be told of a few.
                match self.late_is_read {
                    true => tracing::debug!("late for {operator}: {split} at offset {offset}"),
                    false => tracing::info!("late for {operator}: {split} at offset {offset}"),
                }
            }
            Report::Dead { table, detail } => {
                let table = &self.plan.table(*table).name;
                tracing::warn!("bad row of {table}: {detail}");
            }
            Report::Retrying { what, message, attempts } => {
                tracing::warn!("{what}: {message}; trying again (attempt {attempts})");
            }
            Report::HeldBySink { sink } => {
                tracing::warn!("all wait for sink {sink}, which fails");
            }
            Report::SinkGivenUp { sink, epoch } => {
                tracing::error!("sink {sink} is given up: it gets no rows from epoch {epoch} on");
            }
            Report::SinkLeft { sink } => {
                tracing::warn!("sink {sink} lacks rows, which the next start gives it");
            }
            Report::TrimFailed { message } => {
                tracing::warn!("old state stays for now: {message}");
            }
            Report::SnapshotStored { epoch } => {
                tracing::debug!("snapshot after epoch {epoch} stored");
            }
            Report::SnapshotFailed { epoch, message } => {
                tracing::warn!("no snapshot after epoch {epoch}: {message}");
            }
        }
    }

    fn stopping(&mut self) {
        tracing::info!("stopping: the open epoch is finished first; once more stops at once");
    }

    fn progress(&mut self, status: &Status) {
        let now = self.rate_now(status);
        let Some(line) = &self.line else {
            return say_progress(status, now.unwrap_or(0.0));
        };
        if let Some(now) = now {
            // Half old, half new, so that the number can be read.
            self.rate = if self.rate == 0.0 { now } else { (self.rate + now) / 2.0 };
        }
        line.set_message(self.line_of(status));
        line.tick();
    }

    fn interval(&self) -> Option<Duration> {
        self.interval
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        if let Some(line) = &self.line {
            line.finish_and_clear();
        }
    }
}
