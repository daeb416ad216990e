//! Plans as JSON text.

use anabranch_engine::plan::Plan;

/// A text is a plan or is refused. A plan has one canonical text, comes back from it, and
/// has the same hash then.
///
/// Whether it can be shown or run is not asked: a plan that SQL did not make may name
/// columns that do not exist and call functions with other types than theirs, and what
/// reads plans trusts that the planner checked this. No plan comes from outside as text.
pub fn plan_json(data: &[u8]) -> bool {
    let Ok(plan) = serde_json::from_slice::<Plan>(data) else { return false };
    let canonical = plan.canonical();
    let back: Plan = serde_json::from_str(&canonical).expect("a plan comes back");
    assert_eq!(back, plan);
    assert_eq!(back.canonical(), canonical);
    assert_eq!(back.hash(), plan.hash());
    true
}
