//! Outputs as text.

use anabranch_engine::pipeline::Output;

/// An output as one line, without its bytes.
#[must_use]
pub fn trace_line(output: &Output) -> String {
    match output {
        Output::ReadJournal { .. } => "read journal".into(),
        Output::InspectSink { sink, .. } => format!("inspect sink {sink}"),
        Output::OpenJournal { segment, .. } => {
            format!(
                "open journal of generation {} part {}",
                segment.generation.number, segment.part
            )
        }
        Output::ListSnapshots { .. } => "list snapshots".into(),
        Output::LoadSnapshot { .. } => "load snapshot".into(),
        Output::OpenSink { sink, generation, .. } => {
            format!("open sink {sink} for generation {}", generation.number)
        }
        Output::DiscoverSplits { table, .. } => format!("discover splits of table {table}"),
        Output::Fetch { name, from, until, .. } => match until {
            Some(until) => format!("fetch {} from {from} until {until}", name.name),
            None => format!("fetch {} from {from}", name.name),
        },
        Output::AppendJournal { epoch, .. } => format!("append epoch {epoch}"),
        Output::AppendNote { .. } => "append note".into(),
        Output::ProveJournal { .. } => "prove journal".into(),
        Output::RecordFinish { .. } => "append finished".into(),
        Output::ApplyChunk { chunk, .. } => format!(
            "apply to sink {} chunk {}.{} after {} with {} rows",
            chunk.sink,
            chunk.marker.epoch,
            chunk.marker.chunk,
            chunk.predecessor.map_or("nothing".to_owned(), |m| format!("{}.{}", m.epoch, m.chunk)),
            chunk.payload.rows(),
        ),
        Output::StoreSnapshot { epoch, parts, .. } => {
            format!("store snapshot after epoch {epoch} in {} parts", parts.len())
        }
        Output::Trim { segments, snapshots, .. } => {
            format!("trim {} segments and {} snapshots", segments.len(), snapshots.len())
        }
        Output::Report(report) => format!("report {report:?}"),
        Output::End(ending) => format!("end {ending:?}"),
    }
}
