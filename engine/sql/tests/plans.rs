//! Plans of representative jobs.

use anabranch_engine::plan::plan_text;
use anabranch_sql::{BuiltinConnectors, compile};

#[test]
fn a_select_is_printed() {
    let compiled = compile("SELECT 1 AS one", &BuiltinConnectors);
    assert_eq!(compiled.diagnostics, []);
    assert!(plan_text(&compiled.plan.unwrap()).contains("Sink $select"));
}
