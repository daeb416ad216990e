//! Where the records of simulated runs come from, and what is assumed of the world.

use crate::support::Folder;
use std::fs;

/// Counts of the clicks of three files.
const JOB: &str = "
CREATE TABLE clicks (
  k STRING, v BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND
) WITH ('connector' = 'filesystem', 'path' = 'clicks', 'format' = 'json');
CREATE TABLE counts (
  window_start TIMESTAMP(3), k STRING, n BIGINT, total BIGINT
) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'json');
INSERT INTO counts
SELECT window_start, k, COUNT(*), SUM(v)
FROM TABLE(TUMBLE(TABLE clicks, DESCRIPTOR(ts), INTERVAL '10' SECOND))
GROUP BY window_start, window_end, k;
";

/// The state of a run of the job.
const STATE: &str = ".anabranch/job";

fn clicks(file: usize) -> String {
    let line = |n: usize| {
        let (key, second) = (["a", "b"][n % 2], n / 3);
        format!(
            "{{\"k\":\"{key}\",\"v\":{n},\"ts\":\"2024-01-01 00:{:02}:{:02}\"}}\n",
            second / 60,
            second % 60
        )
    };
    (0..100).map(|n| line(n * 3 + file)).collect()
}

/// A folder in which the job has run.
fn folder() -> Folder {
    let folder = Folder::with(&[("job.sql", JOB)]);
    for file in 0..3 {
        folder.write(&format!("clicks/{file}.jsonl"), &clicks(file));
    }
    folder.run(&["run", "job.sql"]).exits_with(0);
    folder
}

fn from_journal<'a>(more: &[&'a str]) -> Vec<&'a str> {
    ["sim", "job.sql", "--from-journal", STATE].iter().chain(more).copied().collect()
}

#[test]
fn the_records_of_a_run_are_taken_with_their_splits_and_offsets() {
    // spec: J-7
    let folder = folder();
    let ran = folder.run(&from_journal(&["--seeds", "1..20", "--records", "60"]));
    ran.exits_with(0);
    let words = "stretches of the 300 records of epochs ";
    assert!(ran.stdout.contains(words), "no {words:?} in {}", ran.stdout);
    assert!(ran.stdout.contains("read back"), "{}", ran.stdout);
    // One seed as a plan: every record stands at the byte at which it stands in its file.
    let ran = folder.run(&from_journal(&["--seed", "3", "--records", "60", "--save", "3.plan"]));
    ran.exits_with(0);
    let plan = folder.read("3.plan");
    let (mut split, mut offset, mut records) = (String::new(), 0, 0);
    for line in plan.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "split" => (split, offset) = (words[2].to_owned(), 0),
            "gap" => offset += words[5].parse::<usize>().expect("a number of offsets"),
            "record" => {
                let (_, value) = line.split_once(" = ").expect("a record has a value");
                let file = folder.read(&format!("clicks/{split}"));
                assert!(file[offset..].starts_with(&format!("{value}\n")), "{split}:{offset}");
                (offset, records) = (offset + 1, records + 1);
            }
            _ => {}
        }
    }
    assert_eq!(records, 60, "{plan}");
    folder.run(&["sim", "job.sql", "--plan", "3.plan"]).exits_with(0);
}

#[test]
fn a_journal_that_does_not_fit_is_refused_and_says_what_to_do() {
    // spec: J-7, K-5
    let folder = folder();
    folder.write("other.sql", &JOB.replace("'10' SECOND", "'20' SECOND"));
    let ran = folder.run(&["sim", "other.sql", "--from-journal", STATE]);
    ran.exits_with(2).says("CLI007").says("belongs to plan").says("plan.json");
    let ran = folder.run(&["sim", "job.sql", "--from-journal", "clicks"]);
    ran.exits_with(2).says("CLI001").says("holds no journal").says(".anabranch/JOB");
    let edited = clicks(1).replacen("\"v\":31,", "\"v\":32,", 1);
    folder.write("clicks/1.jsonl", &edited);
    let ran = folder.run(&from_journal(&[]));
    ran.exits_with(1).says("RUN007").says("clicks/1.jsonl").says("restore it");
    fs::remove_file(folder.path("clicks/1.jsonl")).expect("it is there");
    let ran = folder.run(&from_journal(&[]));
    ran.exits_with(1).says("clicks/1.jsonl").says("put the file back");
    // With the file as it was, all is well.
    folder.write("clicks/1.jsonl", &clicks(1));
    folder.run(&from_journal(&["--seeds", "1..2", "--records", "30"])).exits_with(0);
}

/// The summary of some seeds, as a program reads it.
fn summary(folder: &Folder, more: &[&str]) -> serde_json::Value {
    let all: Vec<&str> =
        ["sim", "job.sql", "--seeds", "1..40", "--records", "40", "--format", "json"]
            .iter()
            .chain(more)
            .copied()
            .collect();
    let ran = folder.run(&all);
    ran.exits_with(0);
    let last = ran.stdout.lines().last().expect("there is a summary");
    serde_json::from_str::<serde_json::Value>(last).expect("an object")["summary"].clone()
}

#[test]
fn a_job_that_loses_something_says_so_unless_that_is_assumed_away() {
    // spec: J-6, J-7, K-5
    let folder = folder();
    let usual = summary(&folder, &[]);
    let losses = ["rot", "source-recreate", "source-truncate", "lose-marker"];
    for kind in losses {
        assert!(usual["faults"][kind].as_u64() > Some(0), "no {kind} in {usual}");
    }
    let said_so = usual["ended_by_saying_so"].as_object().expect("kinds of failures");
    assert!(said_so.contains_key("source-changed"), "{said_so:?}");
    let assumed =
        ["--assume", "durable-stores", "--assume", "stable-sources", "--assume", "lossless-sinks"];
    let tame = summary(&folder, &assumed);
    for kind in losses {
        assert_eq!(tame["faults_planned"][kind], serde_json::Value::Null, "{tame}");
    }
    assert_eq!(tame["ended_by_saying_so"], serde_json::json!({}), "{tame}");
    let words = tame["assumed"].to_string();
    for name in ["durable-stores", "stable-sources", "lossless-sinks"] {
        assert!(words.contains(name), "{words}");
        assert!(!usual["assumed"].to_string().contains(name));
    }
}

#[test]
fn a_name_that_is_no_assumption_is_refused_with_the_list() {
    let folder = Folder::with(&[("job.sql", JOB)]);
    let ran = folder.run(&["sim", "job.sql", "--assume", "stable-source"]);
    ran.exits_with(2).says("stable-sources").says("durable-stores").says("steady-clocks");
    let help = folder.run(&["sim", "--help"]);
    help.exits_with(0);
    let page = crate::support::root().join("docs/SIMULATION.md");
    let page = fs::read_to_string(page).expect("the page is there");
    let names = [
        "clean-records",
        "durable-stores",
        "fixed-splits",
        "lasting-power",
        "lossless-sinks",
        "one-process",
        "reliable-network",
        "roomy-disks",
        "sinks-come-back",
        "stable-sources",
        "steady-clocks",
    ];
    for name in names {
        assert!(help.stdout.contains(name), "no {name} in the help");
        assert!(page.contains(&format!("`{name}`")), "no {name} in the page");
    }
}
