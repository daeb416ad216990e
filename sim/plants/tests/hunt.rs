//! Every planted bug that has a switch is found, or said not to be.

use anabranch_engine::plant::{ALL, Plant};
use anabranch_sim_plants::table::{NOT_FOUND_YET, NOT_PLANTED, PLANTED};
use anabranch_sim_plants::{Hunt, hunt};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many seeds a hunt may take here.
const SEEDS: u64 = 40;

/// How many hunts go on at once.
const WORKERS: usize = 2;

/// What a hunt came to, with what was hunted where.
type Row = (Plant, &'static str, Hunt);

/// Hunts all of them.
fn hunts() -> Vec<Row> {
    // A panic of a simulated process is a find, and needs no message.
    std::panic::set_hook(Box::new(|_| {}));
    let (next, rows) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some((plant, witness)) = PLANTED.get(next.fetch_add(1, Ordering::SeqCst))
                {
                    let hunt = hunt(*plant, witness, 1, SEEDS);
                    rows.lock().expect("no hunt panics").push((*plant, witness.name, hunt));
                }
            });
        }
    });
    let _ = std::panic::take_hook();
    let mut rows = rows.into_inner().expect("no hunt panics");
    rows.sort_by_key(|(plant, witness, _)| (*plant, *witness));
    rows
}

#[test]
fn planted_bugs_are_found_or_said_not_to_be() {
    let mut problems = Vec::new();
    let mut table = String::new();
    for (plant, witness, hunt) in hunts() {
        let name = plant.name();
        let is_listed = NOT_FOUND_YET.iter().any(|(it, at, _)| (*it, *at) == (plant, witness));
        match (&hunt.found, is_listed) {
            (None, false) => problems.push(format!("{name} is not found ({witness})")),
            (Some(find), true) => {
                problems.push(format!("{name} is found now ({witness}): {}", find.what));
            }
            (Some(_), false) | (None, true) => {}
        }
        if let Some(find) = &hunt.found {
            table.push_str(&format!("{name} ({witness}): {} seeds, {}\n", find.seeds, find.what));
        }
        for (seed, what) in &hunt.unsound {
            problems.push(format!("without {name}, seed {seed} ({witness}): {what}"));
        }
    }
    assert!(problems.is_empty(), "{}\n\n{table}", problems.join("\n"));
}

/// The names of the planted bugs that have a switch somewhere.
fn switches(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("the engine's sources are there") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            switches(&path, found);
        } else if path.file_name().is_some_and(|name| name != "plant.rs") {
            let text = std::fs::read_to_string(&path).expect("a source is text");
            let names = text.split("planted!(").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(names.map(str::to_owned));
        }
    }
}

#[test]
fn every_planted_bug_is_hunted_or_said_to_have_no_switch() {
    let mut found = Vec::new();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../engine/src");
    switches(&sources, &mut found);
    assert!(found.len() > 50, "only {} switches were found", found.len());
    let mut problems = Vec::new();
    for plant in ALL {
        let name = plant.name();
        let has_switch = found.iter().any(|it| it == name);
        let is_hunted = PLANTED.iter().any(|(it, _)| it == plant);
        let is_excused = NOT_PLANTED.iter().any(|(it, _)| it == plant);
        match (has_switch, is_hunted, is_excused) {
            (true, true, false) | (false, false, true) => {}
            seen => problems.push(format!("{name}: (switch, hunted, excused) is {seen:?}")),
        }
    }
    for (plant, witness, _) in NOT_FOUND_YET {
        if !PLANTED.iter().any(|(it, at)| it == plant && at.name == *witness) {
            problems.push(format!("{} is not hunted with {witness}", plant.name()));
        }
    }
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}
