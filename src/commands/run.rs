//! `run`: a job from its text to its last row.

use super::state::{SOURCES, State};
use crate::cli::RunArgs;
use crate::config::Resolved;
use crate::driver::{self, Driver, JournalStore, SnapshotStore, Sources};
use crate::errors::{self, JobError};
use crate::job::{JobText, path_of, sinks};
use crate::output::blocks::Shown;
use crate::output::console::{Console, Stdout, Unread, show_text};
use crate::output::rows;
use crate::places;
use anabranch_connectors::executor::ThreadPool;
use anabranch_connectors::sink::{BlackholeSink, FilesystemSink, LineOutput, PrintSink, Sink};
use anabranch_engine::ids::SinkId;
use anabranch_engine::pipeline::{Ending, Pipeline, PipelineConfig, Status};
use anabranch_engine::plan::connector::SIMULATED_ONLY;
use anabranch_engine::plan::{FormatSpec, Plan, Table};
use anabranch_sql::{Compiled, StatementKind};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Runs a job.
///
/// # Errors
/// Why it did not start, or did not end well.
pub(super) fn run(args: &RunArgs, settings: &Resolved) -> Result<(), JobError> {
    let begun = Instant::now();
    let job = JobText::load(&args.job)?;
    let compiled = job.compile()?;
    let answered = answer_statements(&compiled)?;
    let Some(plan) = compiled.plan else {
        return match answered {
            true => Ok(()),
            false => Err(JobError::new(
                &errors::NOTHING,
                format!("{} has neither an INSERT nor a SELECT", job.origin),
            )),
        };
    };
    check_connected(&plan)?;
    let sources = Sources::of(&plan, &job.base)
        .map_err(|error| JobError::new(&errors::OPTIONS, error.to_string()))?;
    sources.check().map_err(|(table, error)| {
        JobError::new(&errors::NO_FILE, format!("table {table}: {error}"))
    })?;
    places::check(&job, &plan)?;
    let plan = Arc::new(plan);
    let state_dir = args
        .state_dir
        .clone()
        .or_else(|| sinks(&plan).any(Table::keeps_marker).then(|| job.state_dir()));
    let (journal, snapshots) = match &state_dir {
        Some(folder) => {
            let stores = open_state(folder, args, &job, &plan)?;
            sources.remember(&folder.join(SOURCES)).map_err(|(table, error)| {
                JobError::new(&errors::DAMAGED, format!("table {table}: {error}"))
            })?;
            stores
        }
        None => (JournalStore::Memory, SnapshotStore::None),
    };
    let shown =
        Shown { job: &job, plan: &plan, state: state_dir.as_deref(), log: settings.config.log };
    shown.start();
    let mut limits = settings.config.pipeline.clone();
    if state_dir.is_none() {
        // A snapshot that nobody can read again is only work.
        limits.snapshot_bytes = 0;
    }
    let pipeline = Pipeline::new(plan.clone(), limits)
        .map_err(|error| JobError::new(&errors::OPTIONS, error.to_string()))?;
    let driver = Driver {
        journal,
        snapshots,
        sources,
        sinks: open_sinks(args, &job, &plan),
        executor: Box::new(
            ThreadPool::new(settings.threads())
                .map_err(|error| JobError::new(&errors::BUG, format!("no threads: {error}")))?,
        ),
        observer: Box::new(Console::new(plan.clone(), &settings.config)),
    };
    let (ending, status) = drive(pipeline, driver)?;
    conclude(&shown, ending, &status, begun)
}

fn open_state(
    folder: &Path,
    args: &RunArgs,
    job: &JobText,
    plan: &Plan,
) -> Result<(JournalStore, SnapshotStore), JobError> {
    let mut state = State::open(folder)?;
    if args.fresh {
        state.start_over(job, plan, args.overwrite)?;
    }
    state.check_plan(plan)?;
    state.into_stores()
}

fn drive(pipeline: Pipeline, driver: Driver) -> Result<(Ending, Status), JobError> {
    driver::end_on_panic();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| JobError::new(&errors::BUG, format!("no threads: {error}")))?;
    let result = driver::run(pipeline, driver, &runtime);
    // Reads that are still under way have nobody to answer to.
    runtime.shutdown_background();
    result
}

fn conclude(
    shown: &Shown<'_>,
    ending: Ending,
    status: &Status,
    begun: Instant,
) -> Result<(), JobError> {
    match ending {
        Ending::Finished => shown.summary("finished", status, begun.elapsed()),
        Ending::FinishedWithout { sinks } => {
            let without = sinks.join(", ");
            shown.summary(&format!("finished without {without}"), status, begun.elapsed());
            let message = format!("finished without {without}, which failed and was given up");
            return Err(JobError::new(&errors::SINK, message).with_help(
                "the other sinks have all rows; --fresh --overwrite runs the job again for all",
            ));
        }
        Ending::Stopped => shown.summary("stopped", status, begun.elapsed()),
        Ending::AlreadyFinished => {
            tracing::info!("{} is finished: there is nothing left to do", shown.job.name);
            for table in sinks(shown.plan) {
                if let Some(path) = path_of(table, &shown.job.base) {
                    tracing::info!("  {} is in {}", table.name, path.display());
                }
            }
            tracing::info!("--fresh --overwrite runs it again from the start");
        }
        Ending::Failed(failure) => return Err(failure.into()),
    }
    Ok(())
}

/// Prints what DESCRIBE, EXPLAIN and SHOW ask for; gives whether there was any.
fn answer_statements(compiled: &Compiled) -> Result<bool, JobError> {
    let mut answered = false;
    for statement in &compiled.statements {
        let text = match &statement.kind {
            StatementKind::CreateTable { .. }
            | StatementKind::CreateView { .. }
            | StatementKind::Insert { .. }
            | StatementKind::Select { .. }
            | StatementKind::Set => continue,
            StatementKind::Describe { name: _, columns } => {
                let mut table = comfy_table::Table::new();
                table.load_preset(comfy_table::presets::UTF8_FULL_CONDENSED);
                table.set_header(["name", "type", "null", "key", "extra"]);
                for column in columns {
                    let word = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
                    table.add_row([
                        column.name.clone(),
                        column.ty.clone(),
                        word(column.nullable),
                        word(column.key),
                        column.extra.clone(),
                    ]);
                }
                table.to_string()
            }
            StatementKind::Explain { text, .. } => text.trim_end().to_owned(),
            StatementKind::ShowFunctions { names } | StatementKind::ShowTables { names } => {
                names.join("\n")
            }
        };
        answered = true;
        show_text(&format!("{text}\n"))?;
    }
    Ok(answered)
}

/// Whether a plan can run here at all.
///
/// # Errors
/// What stands in the way.
pub(super) fn check_plan(job: &JobText, plan: &Arc<Plan>) -> Result<(), JobError> {
    let refused = |what: String| JobError::new(&errors::OPTIONS, what);
    Sources::of(plan, &job.base).map_err(|error| refused(error.to_string()))?;
    places::check(job, plan)?;
    let pipeline = Pipeline::new(plan.clone(), PipelineConfig::default());
    pipeline.map(drop).map_err(|error| refused(error.to_string()))
}

/// Services are simulated, and not connected to.
fn check_connected(plan: &Plan) -> Result<(), JobError> {
    let mut tables = crate::job::sources(plan).chain(sinks(plan));
    let Some(table) = tables.find(|table| SIMULATED_ONLY.contains(&table.connector.as_str()))
    else {
        return Ok(());
    };
    let message = format!(
        "table {}: {} is not connected in this version: such a job runs under `anabranch test` and `anabranch sim` only",
        table.name, table.connector
    );
    Err(JobError::new(&errors::NOT_CONNECTED, message)
        .with_help("`anabranch check` and `anabranch explain` work"))
}

fn open_sinks(args: &RunArgs, job: &JobText, plan: &Plan) -> Vec<Box<dyn Sink>> {
    let bounded = crate::job::sources(plan).all(|table| table.bounded);
    let only_shown = sinks(plan).all(|table| !table.keeps_marker());
    let stdout = Stdout { unread: if only_shown { Unread::Ends } else { Unread::IsDropped } };
    let sink = |(index, table): (usize, &Table)| -> Box<dyn Sink> {
        match table.connector.as_str() {
            "filesystem" => {
                let folder = path_of(table, &job.base).unwrap_or_default();
                let extension = match table.format {
                    FormatSpec::Csv(_) => ".csv",
                    FormatSpec::Json(_) | FormatSpec::None => ".jsonl",
                };
                Box::new(FilesystemSink::new(SinkId(index as u32), &folder, extension))
            }
            "print" => {
                let identifier = table.options.get("print-identifier").map_or("", String::as_str);
                Box::new(PrintSink::new(Box::new(LineOutput::new(stdout, identifier))))
            }
            "print-table" => {
                let columns = table.columns.iter();
                let columns = columns.map(|c| (c.name.clone(), c.ty.sql.is_numeric())).collect();
                let output = rows::output(args.format, columns, bounded, Box::new(stdout));
                Box::new(PrintSink::new(output))
            }
            _ => Box::new(BlackholeSink),
        }
    };
    sinks(plan).enumerate().map(sink).collect()
}
