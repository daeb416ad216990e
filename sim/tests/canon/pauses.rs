//! Every pause of a job with a successor, and every moment at which it goes on.

use crate::judged::{every, judged, outputs_of, tell, with};
use crate::scenarios::{Scenario, all, over};
use anabranch_sim::plan::{Action, Operation, Point, RunPlan, StoreKind};
use anabranch_sim::time::Span;

/// Longer than a successor of a short job takes.
const LONG: Span = Span::ms(30_000);

fn paused(scenario: &Scenario, nth: u32, until: Option<u32>) -> RunPlan {
    let action = Action::Pause { span: LONG, successor: true, until };
    with(&scenario.plan, Point::Before(Operation::Output), nth, action)
}

/// Every cell of (pause before this output, go on behind that output of the successor).
fn cells(scenario: &Scenario) -> Vec<(String, RunPlan)> {
    let outputs = outputs_of(scenario, &scenario.plan, 1);
    let mut cells = Vec::new();
    for nth in 1..outputs {
        let successor = outputs_of(scenario, &paused(scenario, nth, None), 2);
        for until in (1..=successor).map(Some).chain([None]) {
            let name = format!("{} {nth} {until:?}", scenario.name);
            cells.push((name, paused(scenario, nth, until)));
        }
    }
    cells
}

#[test]
fn dims() {
    for records in [2, 3, 100] {
        for scenario in all() {
            for journal in [StoreKind::Topic, StoreKind::Object] {
                let scenario = over(&scenario, journal, records);
                let outputs = outputs_of(&scenario, &scenario.plan, 1);
                let s = |nth| outputs_of(&scenario, &paused(&scenario, nth, None), 2);
                let n: u32 = (1..=outputs).map(|n| 1 + s(n)).sum();
                let r = judged(&scenario, &paused(&scenario, outputs, None)).0;
                let kinds: Vec<bool> = r.stale.iter().map(|_| true).collect();
                tell(&format!(
                    "{records} {} {} {outputs} outputs {n} cells last {:?}",
                    scenario.name,
                    journal.name(),
                    kinds.len()
                ));
            }
        }
    }
}
