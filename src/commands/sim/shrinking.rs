//! `sim shrink`: a plan that fails, as small as possible.

use super::args::ShrinkArgs;
use super::findings::{Found, explain};
use super::input::Subject;
use super::judge::judge_of;
use super::seeds::{job_of, read_plan};
use crate::errors::{self, JobError};
use crate::output::console::show_text;
use crate::output::text::plural;

/// Makes a plan smaller.
///
/// # Errors
/// If it does not fail; and with what it shows, if it does.
pub(super) fn run(args: &ShrinkArgs) -> Result<(), JobError> {
    let plan = read_plan(&args.plan)?;
    let file = job_of(args.job.as_deref(), &plan, &args.plan);
    let subject = Subject::load(&file, &args.world)?;
    super::plants::switch_on(&args.world).map_err(|what| JobError::new(&errors::CONFIG, what))?;
    let (_, finding) = judge_of(&subject, true).judge(&plan).map_err(|what| {
        JobError::new(&errors::SIM_STALE, format!("{}: {what}", args.plan.display()))
    })?;
    let Some(finding) = finding else {
        let message = format!("nothing is wrong with {}", args.plan.display());
        return Err(JobError::new(&errors::SIM_STALE, message));
    };
    let stem = args.plan.file_stem().map_or("plan".into(), |stem| stem.to_string_lossy());
    let explained = explain(
        &subject,
        &args.world,
        &Found {
            label: format!("plan {}", args.plan.display()),
            file: format!("{stem}-small"),
            plan: &plan,
            finding: &finding,
            tries: args.tries.max(1),
            report: args.world.report.as_deref(),
            origin: None,
        },
    )?;
    let (before, after) = (&plan, &explained.plan);
    show_text(&format!(
        "{}  from      {} and {} in {}\n",
        explained.text(),
        plural(before.deviations.len() as u64, "deviation"),
        plural(before.record_count() as u64, "record"),
        plural(u64::from(explained.tried), "run"),
    ))?;
    debug_assert!(after.record_count() <= before.record_count());
    Err(JobError::new(explained.code(), explained.finding.to_string()))
}
