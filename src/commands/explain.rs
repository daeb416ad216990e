//! `explain`: what a job reads, keeps and promises.

use crate::cli::JobArgs;
use crate::errors::{self, JobError};
use crate::job::{JobText, sinks, sources};
use crate::output::blocks::{guarantee, table_name, table_words};
use crate::output::console::show_text;
use crate::output::text;
use anabranch_engine::plan::{
    AggregateCall, Assert, Class, Node, NodeKind, Plan, Table, Window, WindowAggregate, expr_text,
    plan_text,
};
use std::fmt::Write as _;
use std::time::Duration;

/// Prints the plan and what follows from it.
///
/// # Errors
/// If the text has errors, or no job.
pub(super) fn run(args: &JobArgs) -> Result<(), JobError> {
    let job = JobText::load(args)?;
    let compiled = job.compile()?;
    let Some(plan) = compiled.plan else {
        let message = format!("{} has neither an INSERT nor a SELECT", job.origin);
        return Err(JobError::new(&errors::NOTHING, message));
    };
    show_text(&(explanation(&job, &plan) + &asserts_text(&compiled.asserts)))
}

/// The whole text.
fn explanation(job: &JobText, plan: &Plan) -> String {
    let mut out = format!("plan {}\n\n{}\nsources\n", plan.hash(), plan_text(plan));
    // Writing to a text cannot fail.
    for table in sources(plan) {
        let _ = writeln!(out, "  {}: {}", table.name, table_words(table, &job.base));
        let _ = writeln!(out, "    {}", watermark_words(table));
    }
    out.push_str("\nsinks\n");
    for node in &plan.nodes {
        let NodeKind::Sink(sink) = &node.kind else { continue };
        let table = plan.table(sink.table);
        let words = table_words(table, &job.base);
        let _ = writeln!(out, "  {}: {words}", table_name(table));
        let _ = writeln!(out, "    {}", guarantee(table));
        let _ = writeln!(out, "    class {}", class_words(node));
    }
    out.push_str("\nstate\n");
    let mut any = false;
    for node in &plan.nodes {
        if let NodeKind::WindowAggregate(aggregate) = &node.kind {
            any = true;
            let _ = writeln!(out, "  {}: {}", node.name, bound_words(plan, node, aggregate));
        }
    }
    if !any {
        out.push_str("  none: every row is computed from its record alone\n");
    }
    let exactly_once = sinks(plan).any(Table::keeps_marker);
    let kept = match exactly_once {
        true => format!("journal and snapshots in {}", job.state_dir().display()),
        false => "no journal: no sink keeps a marker, so a restart begins anew".to_owned(),
    };
    let _ = writeln!(out, "  {kept}");
    out
}

/// What is said to hold of the sinks, and who looks.
fn asserts_text(asserts: &[Assert]) -> String {
    if asserts.is_empty() {
        return String::new();
    }
    let mut out = "\nasserts, which sim and test check, and run does not\n".to_owned();
    for assert in asserts {
        let _ = writeln!(out, "  {assert}: {}", assert.text);
    }
    out
}

fn class_words(node: &Node) -> &'static str {
    match node.class {
        Class::Content => "content: the result is a function of the records alone",
        Class::Journal => "journal: the result also depends on the clock, as journaled",
        Class::Arrival => "arrival: intermediate rows depend on how the splits interleave",
    }
}

fn watermark_words(table: &Table) -> String {
    let Some(watermark) = &table.watermark else {
        return "no watermark: its rows have no event time".to_owned();
    };
    let column = &table.columns[watermark.column].name;
    let idle = match (table.bounded, table.idle_timeout_ms()) {
        (true, _) => "the end of a split takes it out of the minimum".to_owned(),
        (false, None) => "splits are never idle".to_owned(),
        (false, Some(ms)) => {
            format!("a split is idle after {} at its end", milliseconds(ms))
        }
    };
    let expression = expr_text(&watermark.expression, &table.schema());
    format!("watermark of each split: the largest {expression} so far, on {column}; {idle}")
}

fn milliseconds(ms: i64) -> String {
    text::duration(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

/// How large the state of an aggregation can become, in words that can be checked
/// against the data.
fn bound_words(plan: &Plan, node: &Node, aggregate: &WindowAggregate) -> String {
    let schema = &plan.node(node.inputs[0]).schema;
    let keys: Vec<&str> =
        aggregate.keys.iter().map(|key| schema.fields[*key].name.as_str()).collect();
    let keys = match keys.is_empty() {
        true => "one group".to_owned(),
        false => format!("keys ({})", keys.join(", ")),
    };
    let lateness = match aggregate.allowed_lateness_ms {
        0 => String::new(),
        ms => format!(" + allowed lateness of {}", milliseconds(ms)),
    };
    let open = "delay of the watermark";
    let panes = match aggregate.window {
        Window::Tumble { size_ms, .. } => {
            format!("windows open at once: ({open}{lateness}) / {} + 1", milliseconds(size_ms))
        }
        Window::Hop { size_ms, slide_ms, .. } => format!(
            "panes of {} kept at once: ({} + {open}{lateness}) / {} + 1, shared by the windows",
            milliseconds(slide_ms),
            milliseconds(size_ms),
            milliseconds(slide_ms),
        ),
        Window::Cumulate { size_ms, step_ms, .. } => format!(
            "panes of {} kept at once: ({} + {open}{lateness}) / {} + 1, shared by the windows",
            milliseconds(step_ms),
            milliseconds(size_ms),
            milliseconds(step_ms),
        ),
        Window::Session { gap_ms } => format!(
            "sessions open at once: those with a row in the last {} + {open}{lateness}",
            milliseconds(gap_ms),
        ),
    };
    let distinct = aggregate.aggregates.iter().any(|call: &AggregateCall| call.distinct);
    let values = if distinct { ", each with its distinct values" } else { "" };
    format!("{keys} x {panes}{values}")
}
