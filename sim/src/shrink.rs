//! From a plan that fails to a small one that fails in the same way.
//!
//! What is left out, in this order: deviations, splits, records, configuration,
//! magnitudes, ties. A smaller plan is taken only if it has the same finding. Draws depend on
//! what they are about, so leaving one thing out leaves the others as they were.

use crate::judge::FindingKind;
use crate::plan::text::{limits, set_limit};
use crate::plan::{Action, LinkFault, MessageFault, RunPlan, Settings, Ties, Trigger};
use crate::time::{Span, VirtualTime};
use anabranch_engine::pipeline::PipelineConfig;

/// What is wrong with a plan, if something is.
pub type JudgeFn<'a> = dyn FnMut(&RunPlan) -> Option<FindingKind> + 'a;

/// What came of shrinking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The smallest plan that was found.
    pub plan: RunPlan,
    /// How many plans were tried.
    pub tried: u32,
    /// Whether nothing more could be left out; otherwise the tries were used up.
    pub is_minimal: bool,
}

/// Makes a failing plan smaller, with at most so many tries.
pub fn shrink(plan: &RunPlan, tries_max: u32, judge: &mut JudgeFn<'_>) -> Shrunk {
    let Some(kind) = judge(plan) else {
        return Shrunk { plan: plan.clone(), tried: 1, is_minimal: false };
    };
    let mut shrinker = Shrinker { best: plan.clone(), kind, judge, tried: 1, tries_max };
    let mut is_minimal = false;
    while !is_minimal && shrinker.has_tries() {
        let before = shrinker.best.clone();
        shrinker.deviations();
        shrinker.splits();
        shrinker.records();
        shrinker.configuration();
        shrinker.magnitudes();
        shrinker.ties();
        is_minimal = shrinker.best == before;
    }
    Shrunk { plan: shrinker.best, tried: shrinker.tried, is_minimal }
}

struct Shrinker<'a, 'b> {
    best: RunPlan,
    kind: FindingKind,
    judge: &'a mut JudgeFn<'b>,
    tried: u32,
    tries_max: u32,
}

impl Shrinker<'_, '_> {
    fn has_tries(&self) -> bool {
        self.tried < self.tries_max
    }

    /// Takes the plan, if it is another one and fails in the same way.
    fn takes(&mut self, plan: RunPlan) -> bool {
        if !self.has_tries() || plan == self.best {
            return false;
        }
        self.tried += 1;
        let same = (self.judge)(&plan).as_ref() == Some(&self.kind);
        if same {
            self.best = plan;
        }
        same
    }

    /// Leaves out as many of `count` things as possible, larger pieces first; `without`
    /// gives the plan that keeps those for which the list says so.
    fn leave_out(&mut self, count: usize, without: impl Fn(&RunPlan, &[bool]) -> RunPlan) {
        let whole = self.best.clone();
        let mut kept = vec![true; count];
        let mut piece = count;
        while piece > 0 && self.has_tries() {
            let mut begin = 0;
            while begin < count && self.has_tries() {
                let end = (begin + piece).min(count);
                if kept[begin..end].iter().any(|kept| *kept) {
                    let mut fewer = kept.clone();
                    fewer[begin..end].fill(false);
                    if self.takes(without(&whole, &fewer)) {
                        kept = fewer;
                    }
                }
                begin = end;
            }
            piece /= 2;
        }
    }

    fn deviations(&mut self) {
        self.leave_out(self.best.deviations.len(), |plan, kept| {
            let mut fewer = plan.clone();
            keep(&mut fewer.deviations, kept);
            fewer
        });
    }

    fn splits(&mut self) {
        self.leave_out(self.best.splits.len(), |plan, kept| {
            let mut fewer = plan.clone();
            keep(&mut fewer.splits, kept);
            fewer
        });
    }

    fn records(&mut self) {
        self.leave_out(self.best.record_count(), |plan, kept| {
            let mut fewer = plan.clone();
            let mut begin = 0;
            for split in &mut fewer.splits {
                let end = begin + split.records.len();
                keep(&mut split.records, &kept[begin..end]);
                begin = end;
            }
            fewer
        });
    }

    /// Puts everything back to what is usual, at once if possible.
    fn configuration(&mut self) {
        let usual = PipelineConfig {
            binary: self.best.pipeline.binary.clone(),
            ..PipelineConfig::default()
        };
        let settings = Settings {
            stores: self.best.settings.stores.clone(),
            pieces: 1,
            ties: self.best.settings.ties,
            timing: crate::plan::Timing {
                heal: self.best.settings.timing.heal,
                ..Settings::default().timing
            },
            ..Settings::default()
        };
        let mut all = self.best.clone();
        (all.pipeline, all.settings) = (usual.clone(), settings.clone());
        if self.takes(all) {
            return;
        }
        for change in [
            |plan: &mut RunPlan, usual: &Settings| plan.settings.links = usual.links,
            |plan, usual| plan.settings.links.journal = usual.links.journal,
            |plan, usual| plan.settings.links.snapshots = usual.links.snapshots,
            |plan, usual| plan.settings.links.sinks = usual.links.sinks,
            |plan, usual| plan.settings.links.sources = usual.links.sources,
            |plan, usual| plan.settings.cpu = usual.cpu,
            |plan, usual| plan.settings.restarts = usual.restarts,
            |plan, usual| plan.settings.timing = usual.timing,
            |plan, usual| plan.settings.pieces = usual.pieces,
        ] as [fn(&mut RunPlan, &Settings); 9]
        {
            let mut changed = self.best.clone();
            change(&mut changed, &settings);
            self.takes(changed);
        }
        for (name, value) in limits(&usual) {
            let mut changed = self.best.clone();
            set_limit(&mut changed.pipeline, name, value).expect("it is the value of a limit");
            self.takes(changed);
        }
    }

    /// Makes times rounder and shorter, and triggers simpler.
    fn magnitudes(&mut self) {
        let mut at_once = self.best.clone();
        let records = at_once.splits.iter_mut().flat_map(|split| &mut split.records);
        records.for_each(|record| record.at = VirtualTime(0));
        self.takes(at_once);
        for index in 0..self.best.deviations.len() {
            for change in [simpler_trigger, rounder_action, shorter_action] {
                let mut changed = self.best.clone();
                change(&mut changed, index);
                while self.takes(changed.clone()) {
                    change(&mut changed, index);
                }
            }
        }
    }

    /// Puts what happens at one moment back into the order of planning: at all times, or
    /// from earlier on, or up to later.
    fn ties(&mut self) {
        let mut none = self.best.clone();
        none.settings.ties = None;
        if self.best.settings.ties.is_none() || self.takes(none) {
            return;
        }
        let heal = self.best.settings.timing.heal;
        self.narrow(|ties, shorter| {
            let until = ties.until.unwrap_or(heal);
            ties.until = Some(VirtualTime(until.0 - shorter.min(until.0 - ties.from.0)));
        });
        self.narrow(|ties, shorter| {
            let until = ties.until.unwrap_or(heal);
            ties.from = VirtualTime((ties.from.0 + shorter).min(until.0));
        });
    }

    /// Makes the time of ties shorter by smaller and smaller spans, as often as each goes.
    fn narrow(&mut self, narrow: impl Fn(&mut Ties, i64)) {
        let mut span = self.best.settings.timing.heal.0 / 2;
        while span >= 1_000_000 && self.has_tries() {
            let mut changed = self.best.clone();
            changed.settings.ties.iter_mut().for_each(|ties| narrow(ties, span));
            if !self.takes(changed) {
                span /= 2;
            }
        }
    }
}

fn keep<T>(list: &mut Vec<T>, kept: &[bool]) {
    let mut kept = kept.iter();
    list.retain(|_| *kept.next().expect("as many as there are things"));
}

fn simpler_trigger(plan: &mut RunPlan, index: usize) {
    if let Trigger::When { nth, restarts, .. } = &mut plan.deviations[index].trigger {
        if restarts.is_some() {
            *restarts = None;
        } else {
            *nth = (*nth / 2).max(1);
        }
    }
}

/// Every span of an action, to change.
fn spans(action: &mut Action) -> Vec<&mut Span> {
    match action {
        Action::Crash { restart } | Action::PowerFailure { restart, .. } => {
            restart.iter_mut().collect()
        }
        Action::Pause { span, .. } => vec![span],
        Action::ClockJump { by } => vec![by],
        Action::Message(
            MessageFault::Delay(span) | MessageFault::Duplicate(span) | MessageFault::Late(span),
        ) => vec![span],
        Action::Link { fault: LinkFault::Slow(by), span, .. } => vec![by, span],
        Action::Link { span, .. } => vec![span],
        Action::Message(
            MessageFault::DropRequest | MessageFault::DropAnswer | MessageFault::Refuse,
        )
        | Action::ClockDrift { .. }
        | Action::DoubleStart
        | Action::State(_)
        | Action::Poison { .. }
        | Action::Disturb { .. }
        | Action::Source { .. } => Vec::new(),
    }
}

/// Cuts times to their first digit.
fn rounder_action(plan: &mut RunPlan, index: usize) {
    for span in spans(&mut plan.deviations[index].action) {
        let mut size = 1;
        while span.0 / size >= 10 {
            size *= 10;
        }
        span.0 = span.0 / size * size;
    }
}

fn shorter_action(plan: &mut RunPlan, index: usize) {
    for span in spans(&mut plan.deviations[index].action) {
        span.0 /= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Deviation, Record, RecordKind, SplitInput, SplitShape};

    fn plan() -> RunPlan {
        let mut plan =
            RunPlan::calm("none", 1, PipelineConfig { retry_ms: 7, ..PipelineConfig::default() });
        for name in ["a", "b"] {
            let records = (0..40).map(|number| Record {
                number,
                at: VirtualTime(number as i64),
                kind: RecordKind::Whole { value: number.to_string().into(), timestamp_ms: None },
            });
            plan.splits.push(SplitInput {
                table: "t".into(),
                name: name.into(),
                shape: SplitShape::Log,
                added: VirtualTime(0),
                ended: None,
                records: records.collect(),
            });
        }
        plan.deviations = (0..9)
            .map(|n| Deviation {
                trigger: Trigger::At(VirtualTime(n)),
                action: Action::Pause { span: Span::ms(1_234 + n), successor: false, until: None },
            })
            .collect();
        plan
    }

    #[test]
    fn what_does_not_matter_is_left_out() {
        // It fails as long as two of the deviations and one record are there.
        let mut judge = |plan: &RunPlan| {
            let at = |ns| plan.deviations.iter().any(|d| d.trigger == Trigger::At(VirtualTime(ns)));
            let record = plan.splits.iter().any(|split| {
                split.name == "b" && split.records.iter().any(|record| record.number == 17)
            });
            (at(3) && at(7) && record).then_some(FindingKind::Stuck)
        };
        let shrunk = shrink(&plan(), 2_000, &mut judge);
        assert!(shrunk.is_minimal);
        assert_eq!(shrunk.plan.deviations.len(), 2);
        assert_eq!((shrunk.plan.splits.len(), shrunk.plan.record_count()), (1, 1));
        assert_eq!(shrunk.plan.pipeline, PipelineConfig::default());
        assert!(
            shrunk.plan.deviations.iter().all(|deviation| {
                matches!(deviation.action, Action::Pause { span: Span(0), .. })
            })
        );
        assert!(shrunk.tried < 300, "{}", shrunk.tried);
    }

    #[test]
    fn ties_are_put_back_into_order_but_for_the_time_that_matters() {
        let mut plan = plan();
        plan.settings.ties = Some(Ties { seed: 5, from: VirtualTime(0), until: None });
        let moment = VirtualTime(7_654_321_000);
        let turned = |plan: &RunPlan| {
            plan.settings.ties.is_some_and(|ties| {
                ties.from <= moment && ties.until.is_none_or(|until| moment < until)
            })
        };
        let mut judge = |plan: &RunPlan| turned(plan).then_some(FindingKind::Stuck);
        let ties = shrink(&plan, 2_000, &mut judge).plan.settings.ties.expect("they matter");
        let until = ties.until.expect("they end");
        assert!(until.0 - ties.from.0 < 10_000_000, "{ties:?}");
        assert!(ties.from <= moment && moment < until, "{ties:?}");
        let shrunk = shrink(&plan, 2_000, &mut |_| Some(FindingKind::Stuck));
        assert_eq!(shrunk.plan.settings.ties, None);
    }

    #[test]
    fn another_finding_is_not_taken_for_the_same() {
        let mut judge = |plan: &RunPlan| {
            let many = plan.deviations.len() > 4;
            Some(if many { FindingKind::Stuck } else { FindingKind::RestartLoop })
        };
        let shrunk = shrink(&plan(), 2_000, &mut judge);
        assert_eq!(shrunk.plan.deviations.len(), 5);
    }
}
