//! The page of planted bugs shows the table that is here.

use anabranch_sim_plants::score::{BEGIN, END};
use anabranch_sim_plants::table::PLANTED;
use std::path::Path;

#[test]
fn the_page_has_a_row_for_each_bug_and_witness() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/PLANTS.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let (_, rest) = page.split_once(BEGIN).expect("the table begins");
    let (table, _) = rest.split_once(END).expect("the table ends");
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1);
    let mut shown: Vec<(String, String)> = rows
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            (cells[0].trim_start_matches("| ").to_owned(), cells[2].to_owned())
        })
        .collect();
    let mut planted: Vec<(String, String)> = PLANTED
        .iter()
        .map(|(plant, witness)| (plant.name().to_owned(), witness.name.to_owned()))
        .collect();
    shown.sort();
    planted.sort();
    assert_eq!(
        shown, planted,
        "cargo run --release --features plants -- sim plants --into docs/PLANTS.md"
    );
}
