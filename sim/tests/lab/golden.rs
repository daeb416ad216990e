//! Golden traces: everything that a pipeline asks of the world, in order.

use crate::jobs::lab;
use anabranch_sim::lab::Crash;
use expect_test::expect;

#[test]
fn start_steady_state_and_end() {
    let mut lab = lab(6);
    lab.run(Crash::Never);
    expect![[r#"
        read journal
        inspect sink 0
        inspect sink 1
        inspect sink 2
        open journal of generation 1 part 0
        open sink 0 for generation 1
        open sink 1 for generation 1
        open sink 2 for generation 1
        list snapshots
        report Running { generation: Generation { number: 1, nonce: 1 }, after: Epoch(0), replayed: 0, snapshot: None }
        discover splits of table 0
        append epoch 1
        fetch a.jsonl from 0
        fetch b.jsonl from 0
        append epoch 2
        fetch a.jsonl from 199
        append epoch 3
        fetch b.jsonl from 199
        append epoch 4
        append epoch 5
        apply to sink 0 chunk 5.0 after nothing with 3 rows
        append finished
        end Finished"#]].assert_eq(&lab.trace.join("\n"));
}
