//! S4, S6, S9: markers, generations, and what is held.

use super::Finding;
use crate::time::VirtualTime;
use anabranch_engine::ids::{Epoch, Generation, SinkId};
use anabranch_engine::journal::EpochRecord;
use anabranch_engine::sink::Marker;
use std::collections::BTreeMap;

/// How far a reader must, and may, see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// All rows up to this epoch must be there.
    pub complete: Epoch,
    /// Rows up to this epoch may be there: a group of several chunks is begun.
    pub begun: Epoch,
}

impl Reach {
    /// All rows up to this epoch, and no others.
    #[must_use]
    pub fn whole(epoch: Epoch) -> Reach {
        Reach { complete: epoch, begun: epoch }
    }

    /// How far a marker says that a sink is. `epochs` are the journal's records, which
    /// tell where the group before an open one ended.
    // spec: K-7
    #[must_use]
    pub fn of_marker(marker: Option<Marker>, sink: SinkId, epochs: &[EpochRecord]) -> Reach {
        Reach::of_ends(marker, &flush_ends(epochs, sink))
    }

    /// The same, by the last epochs of the sink's flush groups.
    pub(super) fn of_ends(marker: Option<Marker>, ends: &[Epoch]) -> Reach {
        let Some(marker) = marker else { return Reach::default() };
        if marker.last {
            return Reach::whole(marker.epoch);
        }
        let before = ends.partition_point(|end| *end < marker.epoch).checked_sub(1);
        let complete = before.map(|before| ends[before]).unwrap_or_default();
        Reach { complete, begun: marker.epoch }
    }
}

/// The last epochs of a sink's flush groups, sorted.
pub(super) fn flush_ends(epochs: &[EpochRecord], sink: SinkId) -> Vec<Epoch> {
    let all = epochs.iter().flat_map(|record| &record.flush_ends);
    let mut ends: Vec<Epoch> = all.filter(|end| end.sink == sink).map(|end| end.epoch).collect();
    ends.sort_unstable();
    ends
}

/// How far a marker may fall at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fall {
    /// Not at all: nothing was lost.
    None,
    /// Down to the last one that was acknowledged: what was never certain is gone.
    To(Option<Marker>),
    /// As far as it will: something is gone that was acknowledged.
    Any,
}

/// A marker as it was seen at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MarkerSeen {
    /// The moment.
    pub at: VirtualTime,
    /// The marker.
    pub marker: Option<Marker>,
    /// How far the world lets it fall since the moment before.
    pub fall: Fall,
}

/// S4: a sink's marker never goes back but by an injected loss; and if the run ended well,
/// and somebody looked behind it, the marker is where it was: `is_back` says that it has to be.
// spec: K-5
#[must_use]
pub fn markers(sink: &str, history: &[MarkerSeen], is_back: bool) -> Option<Finding> {
    let place = |marker: Option<Marker>| {
        marker.map(|marker| (marker.lineage.number, marker.epoch, marker.chunk))
    };
    let text = |marker: Option<Marker>| marker.map_or("none".to_owned(), |it| it.to_string());
    for pair in history.windows(2) {
        let [before, after] = pair else { continue };
        let why = match after.fall {
            _ if place(after.marker) >= place(before.marker) => continue,
            Fall::None => "though nothing was lost".to_owned(),
            Fall::To(acked) if place(after.marker) < place(acked) => {
                format!("though {} was acknowledged", text(acked))
            }
            Fall::To(_) | Fall::Any => continue,
        };
        let (from, to, at) = (text(before.marker), text(after.marker), after.at);
        let message =
            format!("the marker of sink {sink} went from {from} back to {to} by {at}, {why}");
        return Some(Finding::new("S4", "marker went back", sink, message));
    }
    let last = history.last()?;
    let highest = history.iter().max_by_key(|seen| place(seen.marker))?;
    (is_back && place(last.marker) < place(highest.marker)).then(|| {
        let (from, to) = (text(highest.marker), text(last.marker));
        let message = format!(
            "the marker of sink {sink} was {from} at {}, and is {to} at the end, which nobody noticed",
            highest.at
        );
        Finding::new("S4", "loss not noticed", sink, message)
    })
}

/// Something that took effect outside of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// When.
    pub at: VirtualTime,
    /// On what: a sink, the journal, the snapshots.
    pub target: String,
    /// For whom.
    pub generation: Generation,
    /// What, for a person.
    pub what: String,
}

/// S6: nothing of a generation takes effect behind the first effect of a newer one, and
/// two incarnations never share a number.
// spec: G-1, J-3, K-3
#[must_use]
pub fn generations(effects: &[Effect]) -> Option<Finding> {
    let mut newest: BTreeMap<&str, &Effect> = BTreeMap::new();
    for effect in effects {
        let Some(before) = newest.get(effect.target.as_str()).copied() else {
            newest.insert(&effect.target, effect);
            continue;
        };
        let kind = match effect.generation.number.cmp(&before.generation.number) {
            std::cmp::Ordering::Less => "effect of an old generation",
            std::cmp::Ordering::Equal if effect.generation != before.generation => {
                "two incarnations of one number"
            }
            std::cmp::Ordering::Equal => continue,
            std::cmp::Ordering::Greater => {
                newest.insert(&effect.target, effect);
                continue;
            }
        };
        return Some(behind(kind, before, effect));
    }
    None
}

/// S6, of what no command fences: two incarnations that share a number do not both take
/// effect.
// spec: G-1
#[must_use]
pub fn incarnations(effects: &[Effect]) -> Option<Finding> {
    let mut known: BTreeMap<(&str, u64), &Effect> = BTreeMap::new();
    effects.iter().find_map(|effect| {
        let place = (effect.target.as_str(), effect.generation.number);
        let before = *known.entry(place).or_insert(effect);
        (before.generation != effect.generation)
            .then(|| behind("two incarnations of one number", before, effect))
    })
}

fn behind(kind: &str, before: &Effect, effect: &Effect) -> Finding {
    let message = format!(
        "at {} generation {} did \"{}\" to {}, after generation {} did \"{}\" at {}",
        effect.at,
        effect.generation,
        effect.what,
        effect.target,
        before.generation,
        before.what,
        before.at
    );
    Finding::new("S6", kind, &effect.target, message)
}

/// S9: nothing that is counted exceeds its bound. Each is (what, how many, the bound).
// spec: F-5
#[must_use]
pub fn usage(counted: &[(&str, u64, u64)]) -> Option<Finding> {
    let (what, found, bound) = counted.iter().find(|(_, found, bound)| found > bound)?;
    let message = format!("{found} {what}, where {bound} are allowed");
    Some(Finding::new("S9", "bound", what, message))
}
