//! ClickHouse. No server of a present version can be started by a package manager alone,
//! so its transcripts run on the model only; each states a fact that was measured on the
//! engine of ClickHouse 26.9, with the number that was seen.

use crate::transcripts;
use anabranch_sim::conformance::OnModel;
use anabranch_sim::conformance::clickhouse::ClickHouseDialect;
use anabranch_sim::model::clickhouse::ClickHouseModel;

#[test]
fn the_model_answers_as_was_measured() {
    // spec: K-2, K-3
    let all = transcripts::load("clickhouse");
    assert!(all.len() >= 20, "only {} transcripts", all.len());
    transcripts::run_all(&all, &ClickHouseDialect, |transcript, run| {
        assert!(transcript.given.arguments.is_empty(), "{}", transcript.origin);
        run(&mut OnModel::new(ClickHouseModel::default()));
    });
}
