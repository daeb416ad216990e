//! Prints the table of planted bugs, as `anabranch sim plants` does, with less to build.
//!
//! `cargo run -p anabranch-sim-plants --bin score -- --starts 10 --seeds 200`, and behind
//! that `--only W1 K2` for some of them

use anabranch_sim_plants::score::{Effort, chosen, markdown, row, unsound};
use std::process::ExitCode;
use std::time::Duration;

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
    let effort = Effort { starts, seeds, time: Duration::MAX };
    let rows: Vec<_> = chosen(&only).iter().map(|(it, with)| row(*it, with, &effort)).collect();
    print!("{}", markdown(&rows));
    unsound(&rows).iter().for_each(|line| eprintln!("{line}"));
    ExitCode::SUCCESS
}
