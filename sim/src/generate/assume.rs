//! What runs may take for granted: families of faults that are left out.
//!
//! Whatever a rule says that the engine survives, or notices and says so, may go wrong in
//! a run, unless it is assumed away by its name.

use crate::model::Disturbance;
use crate::plan::{Action, LinkFault};

/// A family of faults that there is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Assumption {
    /// Given records are taken as they are.
    CleanRecords,
    /// The journal and the snapshots keep what they acknowledged.
    DurableStores,
    /// Splits and their lines are there at once.
    FixedSplits,
    /// No disk loses its power.
    LastingPower,
    /// Sinks keep what they acknowledged.
    LosslessSinks,
    /// One process at a time.
    OneProcess,
    /// No message is lost.
    ReliableNetwork,
    /// There is always room.
    RoomyDisks,
    /// No sink is away for long.
    SinksComeBack,
    /// Sources give the same again.
    StableSources,
    /// Clocks are right.
    SteadyClocks,
}

impl Assumption {
    /// All of them, in the order of their names.
    pub const ALL: &[Assumption] = &[
        Assumption::CleanRecords,
        Assumption::DurableStores,
        Assumption::FixedSplits,
        Assumption::LastingPower,
        Assumption::LosslessSinks,
        Assumption::OneProcess,
        Assumption::ReliableNetwork,
        Assumption::RoomyDisks,
        Assumption::SinksComeBack,
        Assumption::StableSources,
        Assumption::SteadyClocks,
    ];

    /// Those after which no job has a reason to fail, and no two runs of the same input a
    /// reason to differ.
    pub const TAME: &[Assumption] = &[
        Assumption::CleanRecords,
        Assumption::DurableStores,
        Assumption::FixedSplits,
        Assumption::LosslessSinks,
        Assumption::SinksComeBack,
        Assumption::StableSources,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Assumption::CleanRecords => "clean-records",
            Assumption::DurableStores => "durable-stores",
            Assumption::FixedSplits => "fixed-splits",
            Assumption::LastingPower => "lasting-power",
            Assumption::LosslessSinks => "lossless-sinks",
            Assumption::OneProcess => "one-process",
            Assumption::ReliableNetwork => "reliable-network",
            Assumption::RoomyDisks => "roomy-disks",
            Assumption::SinksComeBack => "sinks-come-back",
            Assumption::StableSources => "stable-sources",
            Assumption::SteadyClocks => "steady-clocks",
        }
    }

    /// What is assumed, for a person.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Assumption::CleanRecords => "no given record comes twice, and none is broken",
            Assumption::DurableStores => "journal and snapshots keep what they acknowledged",
            Assumption::FixedSplits => "all splits are there at the start, and lines come whole",
            Assumption::LastingPower => "no disk and no server loses its power",
            Assumption::LosslessSinks => "sinks keep what they acknowledged",
            Assumption::OneProcess => "no process is replaced or started twice while it lives",
            Assumption::ReliableNetwork => "no message is lost, late or doubled, no link is cut",
            Assumption::RoomyDisks => "no disk and no memory gets full, and no sync fails",
            Assumption::SinksComeBack => "no sink is away for longer than some seconds",
            Assumption::StableSources => {
                "sources give the same records at the same offsets as often as they are read"
            }
            Assumption::SteadyClocks => "no clock jumps or drifts",
        }
    }

    /// The assumption of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Assumption> {
        Assumption::ALL.iter().copied().find(|assumption| assumption.name() == name)
    }

    /// Whether nothing of the kind happens under it.
    #[must_use]
    pub fn rules_out(self, action: &Action) -> bool {
        match self {
            Assumption::CleanRecords | Assumption::FixedSplits => false,
            Assumption::DurableStores => is_loss(action, true),
            Assumption::LosslessSinks => is_loss(action, false),
            Assumption::LastingPower => matches!(
                action,
                Action::PowerFailure { .. }
                    | Action::Disturb { disturbance: Disturbance::PowerFailure { .. }, .. }
            ),
            Assumption::OneProcess => {
                matches!(action, Action::Pause { successor: true, .. } | Action::DoubleStart)
            }
            Assumption::ReliableNetwork => {
                matches!(action, Action::Message(_)) || (is_link(action) && !is_outage(action))
            }
            Assumption::RoomyDisks => matches!(
                action,
                Action::Disturb {
                    disturbance: Disturbance::Fill { .. } | Disturbance::FailSync,
                    ..
                }
            ),
            Assumption::SinksComeBack => is_outage(action),
            Assumption::StableSources => matches!(action, Action::Source { .. }),
            Assumption::SteadyClocks => {
                matches!(action, Action::ClockJump { .. } | Action::ClockDrift { .. })
            }
        }
    }
}

fn is_link(action: &Action) -> bool {
    matches!(action, Action::Link { .. })
}

/// Whether a service is away for so long that one may give it up.
fn is_outage(action: &Action) -> bool {
    let is_cut = matches!(action, Action::Link { fault: LinkFault::Cut, .. });
    is_cut && action.kind() == "outage"
}

/// Whether something is lost that was acknowledged: by the journal and the snapshots, or
/// by a sink.
fn is_loss(action: &Action, of_stores: bool) -> bool {
    let Action::Disturb { service, disturbance } = action else { return false };
    let is_store = matches!(service.as_str(), "journal" | "snapshots");
    is_store == of_stores && disturbance.is_loss()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_order_and_each_means_one() {
        let names: Vec<&str> = Assumption::ALL.iter().map(|it| it.name()).collect();
        assert!(names.is_sorted());
        for assumption in Assumption::ALL {
            assert_eq!(Assumption::named(assumption.name()), Some(*assumption));
        }
        assert_eq!(Assumption::named("nothing"), None);
    }
}
