//! What the measurements share: jobs and inputs.

pub mod worlds;

use anabranch_engine::dataflow::{Control, Dataflow, EpochInput, EpochItem};
use anabranch_engine::executor::Sequential;
use anabranch_engine::expr::Expr;
use anabranch_engine::format::{RecordBlock, frame};
use anabranch_engine::ids::{NodeId, Offset, SplitId, SplitName, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{FormatSpec, JsonOptions, Plan, Window};
use anabranch_engine::time::Tick;
use anabranch_engine::types::{SqlType, Value};
use std::fmt::Write as _;
use std::sync::Arc;

/// Filters bids by price and counts and sums them by auction in 10 s tumbling
/// windows. The watermark is 2 s behind.
#[must_use]
pub fn bids_plan() -> Plan {
    let mut plan = PlanBuilder::default();
    let columns = [
        ("auction", SqlType::BigInt),
        ("bidder", SqlType::BigInt),
        ("price", SqlType::BigInt),
        ("ts", SqlType::Timestamp(3)),
        ("channel", SqlType::STRING),
    ];
    let bids = plan.table("bids", "filesystem", &columns, Some((3, 2_000)), false);
    let scan = plan.scan_columns(bids, &[0, 2, 3]);
    let least = Expr::literal(Value::Int(0), SqlType::BigInt.not_null());
    let price = Expr::column(1, SqlType::BigInt.nullable());
    let filter = Expr::call(">=", vec![price, least], SqlType::Boolean.nullable());
    let kept = plan.project(scan, Some(filter), &[0, 1, 2]);
    let window = Window::Tumble { size_ms: 10_000, offset_ms: 0 };
    let totals = [("COUNT", None, SqlType::BigInt), ("SUM", Some(1), SqlType::BigInt)];
    let totals = plan.window("totals", kept, window, &[0], &totals);
    plan.sink("out", "blackhole", totals);
    plan.build()
}

/// The node that aggregates in [`bids_plan`].
#[must_use]
pub fn window_node(plan: &Plan) -> NodeId {
    let found = plan.nodes.iter().find(|node| node.name == "totals");
    found.expect("the plan has an aggregation").id
}

/// Bids as JSON lines of about 88 bytes, `count` of them from number `first` on:
/// 10,000 auctions, 1,000 bids a second of event time.
#[must_use]
pub fn bids_json(first: u64, count: u64) -> String {
    let mut text = String::with_capacity(count as usize * 96);
    for n in first..first + count {
        let auction = (n.wrapping_mul(2_654_435_761) >> 7) % 10_000;
        let (second, millis) = (n / 1_000, n % 1_000);
        writeln!(
            text,
            r#"{{"auction":{auction},"bidder":{},"price":{},"ts":"2023-11-14 {:02}:{:02}:{:02}.{millis:03}","channel":"apple"}}"#,
            n % 1_000,
            100 + n % 9_973,
            second / 3_600 % 24,
            second / 60 % 60,
            second % 60,
        )
        .expect("a string takes all");
    }
    text
}

/// Text as the records of a split that starts at `base`.
#[must_use]
pub fn block(text: &str, base: u64) -> RecordBlock {
    let format = FormatSpec::Json(JsonOptions::default());
    frame(&format, text.to_owned().into(), Offset(base), true).block
}

/// A dataflow of [`bids_plan`] with one split, and the input of its next epoch for
/// any block.
pub struct Bids {
    /// The dataflow.
    pub dataflow: Dataflow,
}

impl Default for Bids {
    fn default() -> Self {
        let plan = Arc::new(bids_plan());
        let mut dataflow = Dataflow::compile(plan).expect("the plan can run");
        let added = Control::Added {
            name: SplitName { table: TableId(0), name: "bids.jsonl".into() },
            start: 0,
            watermark: None,
        };
        let item = EpochItem::Control { split: SplitId(0), control: added };
        let epoch = dataflow.epoch().next();
        let input = EpochInput { epoch, tick: Tick(1), items: vec![item] };
        dataflow.step(&input, &Sequential::default());
        Bids { dataflow }
    }
}

impl Bids {
    /// The input of the next epoch: this block.
    #[must_use]
    pub fn input(&self, block: RecordBlock) -> EpochInput {
        let epoch = self.dataflow.epoch().next();
        let item = EpochItem::Slice { split: SplitId(0), block };
        EpochInput { epoch, tick: Tick(epoch.0 as i64 + 1), items: vec![item] }
    }
}
