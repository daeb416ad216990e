//! What is asked of a sink's markers and writers over time, whatever its rows are.

use super::Finding;
use super::epochs::{Effect, Fall, MarkerSeen, generations, incarnations, markers};
use crate::time::VirtualTime;
use crate::world::{AckSeen, Loser, RunResult, Seen, SinkResult};
use anabranch_engine::plan::Table;

/// What is wrong with a sink's markers and writers over time; `is_back` says that its marker
/// has to be where it once was.
pub(super) fn history(
    table: &Table,
    sink: &SinkResult,
    lost: &Lost,
    is_back: bool,
) -> Vec<Finding> {
    let name = &sink.table;
    let effect = |seen: &Seen| Effect {
        at: seen.at,
        target: format!("sink {name}"),
        generation: seen.generation,
        what: format!("show {} records", seen.kept + seen.records.len()),
    };
    let by_processes = sink.seen.iter().filter(|seen| seen.generation.number > 0);
    // What fences a zombie may be among what is lost.
    let by_processes = by_processes.filter(|seen| lost.has_kept_all(seen.at));
    let effects: Vec<Effect> = by_processes.map(effect).collect();
    // A table that no command fences may get a zombie's rows: they are the same ones.
    // spec: E-2
    let is_fenced = table.connector != "clickhouse"
        || table.options.get("mode").is_some_and(|mode| mode == "strict");
    let late = if is_fenced { generations(&effects) } else { incarnations(&effects) };
    let mut found: Vec<Finding> = late.into_iter().collect();
    let history = sink.seen.iter().map(|seen| MarkerSeen {
        at: seen.at,
        marker: seen.marker,
        fall: lost.fall(sink, seen.at),
    });
    let history: Vec<MarkerSeen> = history.collect();
    found.extend(markers(name, &history, is_back));
    found
}

/// What a sink has not kept, as far as it changes what is asked of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    /// When it did not keep what it had acknowledged, in order.
    pub(super) promises: Vec<VirtualTime>,
    /// When files were not as they were seen, since they were never synced.
    unsynced: Vec<VirtualTime>,
    /// Whether a chunk may show in parts although its sink usually takes it whole: a script of
    /// Redis for which memory runs out does not undo what it did before.
    pub(super) tears: bool,
    /// Whether the journal does not tell any more what the sink must hold.
    pub(super) history: bool,
}

impl Lost {
    pub(super) fn of(result: &RunResult, sink: &SinkResult) -> Lost {
        let of = Loser::Sink(sink.table.clone());
        let mut lost = Lost { history: result.is_broken(&Loser::History), ..Lost::default() };
        for loss in result.losses.iter().filter(|loss| loss.of == of) {
            if loss.toll.breaks_promises() {
                lost.promises.push(loss.at);
            }
            if loss.toll.unsynced > 0 {
                lost.unsynced.push(loss.at);
            }
            lost.tears |= loss.toll.torn > 0;
        }
        lost
    }

    /// Whether it had kept all that it acknowledged, up to a moment.
    pub(super) fn has_kept_all(&self, at: VirtualTime) -> bool {
        self.promises.first().is_none_or(|lost| at < *lost)
    }

    /// How far the marker may fall at a moment. One in a file that was not synced goes with
    /// the power, if nobody was told of it since something was lost that had been told.
    fn fall(&self, sink: &SinkResult, at: VirtualTime) -> Fall {
        if self.history || self.promises.contains(&at) {
            return Fall::Any;
        }
        if !self.unsynced.contains(&at) {
            return Fall::None;
        }
        let broken = self.promises.iter().rfind(|broken| **broken <= at);
        let is_valid = |told: &&AckSeen| told.at <= at && broken.is_none_or(|it| told.at > *it);
        let told = sink.acks.iter().filter(is_valid).map(|ack| ack.marker);
        Fall::To(told.max_by_key(|marker| (marker.lineage.number, marker.epoch, marker.chunk)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::ids::{Epoch, Lineage};
    use anabranch_engine::journal::ChainHash;
    use anabranch_engine::sink::Marker;

    fn marker(epoch: u64) -> Marker {
        let (lineage, hash) = (Lineage { number: 1, ..Lineage::default() }, ChainHash::default());
        Marker { lineage, epoch: Epoch(epoch), chunk: 0, last: true, hash }
    }

    #[test]
    fn a_marker_falls_no_deeper_than_was_told_since_the_last_loss() {
        // spec: K-5
        let told = |at, epoch| AckSeen { at: VirtualTime(at), marker: marker(epoch) };
        let acks = vec![told(1, 9), told(4, 3)];
        let sink = SinkResult { acks, ..SinkResult::default() };
        let lost = |promises: &[i64]| Lost {
            promises: promises.iter().map(|at| VirtualTime(*at)).collect(),
            unsynced: vec![VirtualTime(5)],
            ..Lost::default()
        };
        let at = VirtualTime(5);
        assert_eq!(lost(&[]).fall(&sink, at), Fall::To(Some(marker(9))));
        assert_eq!(lost(&[2]).fall(&sink, at), Fall::To(Some(marker(3))));
        assert_eq!(lost(&[2, 4]).fall(&sink, at), Fall::To(None));
        assert_eq!(lost(&[5]).fall(&sink, at), Fall::Any);
        assert_eq!(lost(&[2]).fall(&sink, VirtualTime(6)), Fall::None);
    }
}
