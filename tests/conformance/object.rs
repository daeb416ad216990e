//! Object stores. The transcripts say what the journal and the snapshots rely on; they
//! run on the model only.

use crate::transcripts;
use anabranch_sim::conformance::OnModel;
use anabranch_sim::conformance::object::ObjectDialect;
use anabranch_sim::model::object::ObjectModel;
use anabranch_sim::time::Span;

#[test]
fn the_model_answers_as_the_transcripts_say() {
    // spec: J-3
    let all = transcripts::load("object");
    assert!(all.len() >= 5, "only {} transcripts", all.len());
    transcripts::run_all(&all, &ObjectDialect, |transcript, run| {
        let given = &transcript.given;
        given.only(&["lag"]).unwrap_or_else(|error| panic!("{}: {error}", transcript.origin));
        let lag_ms = given.find("lag").map_or(Ok(1_000), |_| given.parsed("lag"));
        let lag = Span::ms(lag_ms.unwrap_or_else(|error| panic!("{}: {error}", transcript.origin)));
        for seed in 0..8 {
            run(&mut OnModel::new(ObjectModel::new(lag, seed)));
        }
    });
}
