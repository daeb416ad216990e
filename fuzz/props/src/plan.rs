//! Plans as JSON text.

use anabranch_engine::dataflow::Dataflow;
use anabranch_engine::plan::{Plan, plan_text};
use std::sync::Arc;

/// A text is a plan or is refused. A plan has one canonical text, comes back from it,
/// and can be shown and made ready to run or is refused.
pub fn plan_json(data: &[u8]) -> bool {
    let Ok(plan) = serde_json::from_slice::<Plan>(data) else { return false };
    let canonical = plan.canonical();
    let back: Plan = serde_json::from_str(&canonical).expect("a plan comes back");
    assert_eq!(back, plan);
    assert_eq!(back.hash(), plan.hash());
    let _ = plan_text(&plan);
    Dataflow::compile(Arc::new(plan)).is_ok()
}
