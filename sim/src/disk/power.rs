//! What a power failure leaves of a folder.

use super::Folder;
use super::file::File;
use super::names::Names;
use crate::rng::Draws;
use std::collections::{BTreeMap, BTreeSet};

/// Nothing is lost: as if only the processes had died.
pub const KEEP_ALL: u64 = 0;
/// Everything is lost that was not synced.
pub const LOSE_ALL: u64 = 1;

impl Folder {
    /// All kinds of states in which the folder may be found after a power failure: every
    /// combination of names, and of bytes that are there, cut in the middle, or zeros. There
    /// are exponentially many in the number of changes that were not synced.
    #[must_use]
    pub fn power_failures(&self) -> BTreeSet<Folder> {
        let mut names = BTreeSet::from([self.durable_names.clone()]);
        for change in &self.pending {
            let outcomes = names.iter().flat_map(|names| change.outcomes(names));
            names = outcomes.collect();
        }
        names.iter().flat_map(|names| self.with_names(names)).collect()
    }

    /// The state in which the folder is found after one power failure: [`KEEP_ALL`],
    /// [`LOSE_ALL`], or what the number chooses of all that is possible. What is chosen for
    /// one file or name does not depend on the others. `place` tells folders apart.
    #[must_use]
    pub fn after_power_failure(&self, choice: u64, place: &str) -> Folder {
        let draws = |concern, name: &str| Draws::new(choice, concern, &format!("{place}/{name}"));
        let mut names = self.durable_names.clone();
        for (index, change) in self.pending.iter().enumerate() {
            let earlier = &self.pending[..index];
            let ordinal = earlier.iter().filter(|other| other.name() == change.name()).count();
            match choice {
                KEEP_ALL => change.apply(&mut names),
                LOSE_ALL => {}
                _ => {
                    let name = format!("{}#{ordinal}", change.name());
                    change.apply_by_chance(&mut names, &mut draws("power-name", &name));
                }
            }
        }
        // A file that is found under two names is still one.
        let mut found = Folder::default();
        let mut places: BTreeMap<usize, usize> = BTreeMap::new();
        for (name, file) in names {
            let place = *places.entry(file).or_insert_with(|| {
                let file = &self.files[file];
                found.files.push(File::durable(match choice {
                    KEEP_ALL | LOSE_ALL => file.extreme(choice == KEEP_ALL),
                    _ => file.outcome(&mut draws("power-bytes", &name)),
                }));
                found.files.len() - 1
            });
            found.names.insert(name, place);
        }
        found.durable_names.clone_from(&found.names);
        found
    }

    /// All states in which the folder may be found with these names. Files without a
    /// name are gone.
    fn with_names(&self, names: &Names) -> Vec<Folder> {
        let kept: BTreeSet<usize> = names.values().copied().collect();
        let mut contents: Vec<Vec<File>> = vec![Vec::new()];
        for file in &kept {
            let outcomes = self.files[*file].outcomes();
            contents = contents
                .iter()
                .flat_map(|before| {
                    let with = |file: &File| before.iter().chain([file]).cloned().collect();
                    outcomes.iter().map(with)
                })
                .collect();
        }
        let place = |file: &usize| kept.iter().take_while(|kept| *kept < file).count();
        let names: Names = names.iter().map(|(name, file)| (name.clone(), place(file))).collect();
        let folders = contents.into_iter().map(|files| Folder {
            files,
            names: names.clone(),
            durable_names: names.clone(),
            ..Folder::default()
        });
        folders.collect()
    }
}
