//! The names of a folder, and what may come of changes that were not synced.

use crate::rng::Draws;
use std::collections::BTreeMap;

/// The files of a folder, by name.
pub(super) type Names = BTreeMap<String, usize>;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameChange {
    Link { name: String, file: usize },
    Rename { from: String, to: String, file: usize },
    Unlink { name: String },
}

impl NameChange {
    /// The name that the change is about.
    pub(super) fn name(&self) -> &str {
        match self {
            NameChange::Link { name, .. } | NameChange::Unlink { name } => name,
            NameChange::Rename { to, .. } => to,
        }
    }

    /// Makes the change.
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Link { name, file } => {
                names.insert(name.clone(), *file);
            }
            NameChange::Rename { from, to, file } => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            NameChange::Unlink { name } => {
                names.remove(name);
            }
        }
    }

    /// What may have come of the change.
    pub(super) fn outcomes(&self, before: &Names) -> Vec<Names> {
        let mut after = before.clone();
        self.apply(&mut after);
        let mut outcomes = vec![before.clone(), after];
        if let NameChange::Rename { to, file, .. } = self {
            let mut both = before.clone();
            both.insert(to.clone(), *file);
            outcomes.push(both);
        }
        outcomes
    }

    /// Makes the change, or some of it, or nothing.
    pub(super) fn apply_by_chance(&self, names: &mut Names, draws: &mut Draws) {
        *names = draws.choose(&self.outcomes(names)).clone();
    }
}
