//! Prints the table of planted bugs: which were found, by what, after how many seeds.
//!
//! `cargo run -p anabranch-sim-plants --release --bin score -- --starts 10 --seeds 200`, and
//! behind that `--only W1 K2` for some of them

use anabranch_sim_plants::score::{Row, markdown, rows};
use std::process::ExitCode;

/// The number behind an option.
fn number(args: &[String], name: &str, default: u64) -> Option<u64> {
    match args.iter().position(|arg| arg == name) {
        Some(at) => args.get(at + 1)?.parse().ok(),
        None => Some(default),
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let numbers = [number(&args, "--starts", 10), number(&args, "--seeds", 200)];
    let [Some(starts), Some(seeds)] = numbers else {
        eprintln!("usage: score [--starts N] [--seeds N] [--only PLANT...]");
        return ExitCode::from(2);
    };
    let only: Vec<String> =
        args.iter().skip_while(|arg| *arg != "--only").skip(1).cloned().collect();
    // A panic is a find, and needs no message.
    std::panic::set_hook(Box::new(|_| {}));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<Row> = std::thread::scope(|scope| {
        let only = &only;
        let workers: Vec<_> = (0..workers)
            .map(|worker| {
                scope.spawn(move || rows(worker, workers, starts, seeds, only).collect::<Vec<_>>())
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no hunt panics")).collect()
    });
    all.sort_by_key(|row| row.plant);
    print!("{}", markdown(&all));
    for row in &all {
        for (seed, what) in &row.unsound {
            eprintln!("without any bug, {} with seed {seed}: {what}", row.witness);
        }
    }
    ExitCode::SUCCESS
}
