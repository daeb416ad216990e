//! The page of a failure, from the trace of its run.

use anabranch_sim::judge::{Finding, FindingKind};
use anabranch_sim::model::ViewRecord;
use anabranch_sim::oracle::Violation;
use anabranch_sim::plan::RunPlan;
use anabranch_sim::report::page::{EventKind, Life, Page, PageEvent, WrongRow};
use anabranch_sim::time::VirtualTime;
use anabranch_sim::world::{RunResult, TraceLine};
use std::collections::{BTreeMap, VecDeque};

/// What a page is made of.
pub(super) struct Failure<'a> {
    /// Job and seed.
    pub(super) title: String,
    /// The plan that failed.
    pub(super) plan: &'a RunPlan,
    /// What came of it, with its trace.
    pub(super) result: &'a RunResult,
    /// What is wrong, if something is.
    pub(super) finding: Option<&'a Finding>,
    /// The first wrong row.
    pub(super) wrong: Option<WrongRow>,
    /// How an assert does not hold, if it is about one.
    pub(super) violation: Option<Violation>,
    /// What runs it again.
    pub(super) command: String,
}

/// The page as HTML.
pub(super) fn html(failure: &Failure<'_>) -> String {
    let result = failure.result;
    let mut drawing = Drawing::of(result);
    for line in &result.lines {
        drawing.line(line);
    }
    for sink in &result.sinks {
        for (seen, records) in sink.views() {
            let marker = seen.marker.map_or("no marker".to_owned(), |marker| marker.to_string());
            let text = format!("readers of {} see {} rows, {marker}", sink.table, records.len());
            let lane = drawing.lane(&sink.table);
            drawing.events.push(PageEvent::new(seen.at, lane, EventKind::Result, text));
        }
    }
    let verdict = failure.finding.map_or("nothing found".to_owned(), ToString::to_string);
    if let Some(finding) = failure.finding {
        let (at, lane) = drawing.place_of_wrong(failure, finding);
        drawing.events.push(PageEvent::new(at, lane, EventKind::Wrong, verdict.clone()));
    }
    let lives = drawing.lives(result.duration);
    drawing.events.sort_by_key(|event| event.at);
    let page = Page {
        title: failure.title.clone(),
        oracle: failure.finding.map_or("", |found| found.kind.oracle()).to_owned(),
        verdict,
        command: failure.command.clone(),
        deviations: failure
            .plan
            .deviations
            .iter()
            .map(|deviation| format!("when {} do {}", deviation.trigger, deviation.action))
            .collect(),
        wrong: failure.wrong.clone(),
        lanes: drawing.names,
        lives,
        events: drawing.events,
    };
    page.html()
}

/// A message that has left and not come.
type Underway = BTreeMap<(u32, usize), VecDeque<usize>>;

struct Drawing {
    names: Vec<String>,
    /// How many of the lanes, the first ones, are processes.
    processes: usize,
    events: Vec<PageEvent>,
    requests: Underway,
    answers: Underway,
    /// When each process began, stood still, went on and ended.
    turns: Vec<(u32, VirtualTime, Turn)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Begins,
    Ends,
    Stands,
}

impl Drawing {
    fn of(result: &RunResult) -> Drawing {
        let last = result.lines.iter().map(|line| line.process).max().unwrap_or(0);
        let processes = last.max(result.counts.starts) as usize;
        let mut names: Vec<String> = (1..=processes).map(|id| format!("process {id}")).collect();
        names.extend(["journal".to_owned(), "snapshots".to_owned()]);
        names.extend(result.sinks.iter().map(|sink| sink.table.clone()));
        Drawing {
            names,
            processes,
            events: Vec::new(),
            requests: Underway::new(),
            answers: Underway::new(),
            turns: Vec::new(),
        }
    }

    /// The lane of a service. A sink's table may have the name of a store.
    fn lane(&self, service: &str) -> usize {
        let found = self.names.iter().rposition(|name| name == service);
        found.unwrap_or(self.processes)
    }

    fn process_lane(&self, process: u32) -> usize {
        (process as usize).saturating_sub(1).min(self.names.len() - 1)
    }

    fn line(&mut self, line: &TraceLine) {
        let (at, process, text) = (line.at, line.process, line.text.as_str());
        let own = self.process_lane(process);
        let event = |drawing: &mut Drawing, lane: usize, kind| {
            drawing.events.push(PageEvent::new(at, lane, kind, text));
            drawing.events.len() - 1
        };
        if let Some(rest) = text.strip_prefix("asks ") {
            let index = event(self, own, EventKind::Message);
            // A machine that sleeps asks nobody.
            if let Some((service, request)) = rest.split_once(": ")
                && !request.starts_with("Sleep")
            {
                let lane = self.lane(service);
                self.requests.entry((process, lane)).or_default().push_back(index);
            }
        } else if let Some(rest) = text.strip_prefix("hears ") {
            let Some((service, answer)) = rest.split_once(": ") else { return };
            let lane = self.lane(service);
            let came = self.answers.entry((process, lane)).or_default().pop_front();
            match (answer.starts_with("TimedOut") || answer == "Unreachable", came) {
                (false, Some(index)) => self.events[index].to = Some((own, at.0)),
                (false, None) => {}
                (true, _) => {
                    let text = format!("no answer from {service}: {answer}");
                    self.events.push(PageEvent::new(at, own, EventKind::Fault, text));
                }
            }
        } else if let Some((service, _)) = text.split_once(" answers: ") {
            let lane = self.lane(service);
            let index = event(self, lane, EventKind::Message);
            let asked = self.requests.entry((process, lane)).or_default().pop_front();
            if let Some(asked) = asked {
                self.events[asked].to = Some((lane, at.0));
            }
            self.answers.entry((process, lane)).or_default().push_back(index);
        } else if text.starts_with("fault: ") {
            event(self, own, EventKind::Fault);
            if text.starts_with("fault: Pause") {
                self.turns.push((process, at, Turn::Stands));
            }
        } else {
            let turn = match text {
                "starts" | "goes on" => Some(Turn::Begins),
                "ends" => Some(Turn::Ends),
                _ => None,
            };
            event(self, own, if turn.is_some() { EventKind::Life } else { EventKind::Work });
            self.turns.extend(turn.map(|turn| (process, at, turn)));
        }
    }

    /// The stretches in which processes lived or stood still.
    fn lives(&self, end: VirtualTime) -> Vec<Life> {
        let mut lives = Vec::new();
        for process in 1..=self.processes as u32 {
            let turns: Vec<_> = self.turns.iter().filter(|(of, ..)| *of == process).collect();
            let ends = turns.iter().skip(1).map(|(_, at, _)| *at).chain([end]);
            for ((_, from, turn), to) in turns.iter().zip(ends) {
                if *turn != Turn::Ends {
                    let lane = self.process_lane(process);
                    let paused = *turn == Turn::Stands;
                    lives.push(Life { lane, from: from.0, to: to.0, paused });
                }
            }
        }
        lives
    }

    /// When and where it went wrong: as soon as somebody could see the row that should
    /// not be there, or else at the end.
    fn place_of_wrong(&self, failure: &Failure<'_>, finding: &Finding) -> (VirtualTime, usize) {
        let end = failure.result.duration;
        if let Some(violation) = &failure.violation {
            return (violation.at, self.lane(&violation.table));
        }
        let named = failure.result.sinks.iter().find(|sink| match &finding.kind {
            FindingKind::Wrong(table, _) => sink.table == *table,
            FindingKind::Oracle(_, fingerprint) => {
                fingerprint.ends_with(&format!(": {}", sink.table))
            }
            FindingKind::Failed(_)
            | FindingKind::Panicked(_)
            | FindingKind::RestartLoop
            | FindingKind::Stuck => false,
        });
        let Some(sink) = named else { return (end, 0) };
        let got = failure.wrong.as_ref().and_then(|wrong| wrong.got.as_deref());
        let times = |records: &[ViewRecord], got: &str| {
            let is_it = |record: &&ViewRecord| record.value.trim_ascii_end() == got.as_bytes();
            records.iter().filter(is_it).count()
        };
        let at = got.and_then(|got| {
            let whole = times(&sink.last.records, got);
            sink.views().find(|(_, rows)| times(rows, got) == whole).map(|(seen, _)| seen.at)
        });
        (at.unwrap_or(end), self.lane(&sink.table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(lines: &[(i64, u32, &str)]) -> Drawing {
        let mut drawing = Drawing {
            names: ["process 1", "process 2", "journal", "snapshots", "t"]
                .map(str::to_owned)
                .into(),
            processes: 2,
            events: Vec::new(),
            requests: Underway::new(),
            answers: Underway::new(),
            turns: Vec::new(),
        };
        for (at, process, text) in lines {
            let line =
                TraceLine { at: VirtualTime(*at), process: *process, text: (*text).to_owned() };
            drawing.line(&line);
        }
        drawing
    }

    #[test]
    fn a_request_reaches_its_service_and_the_answer_the_process() {
        let drawing = drawn(&[
            (1, 2, "asks journal: Append"),
            (5, 2, "journal answers: Done"),
            (9, 2, "hears journal: Done"),
            (10, 2, "asks t: Apply"),
            (40, 2, "hears t: TimedOut"),
        ]);
        let ways: Vec<_> = drawing.events.iter().map(|e| (e.lane, e.at, e.to)).collect();
        // What is lost on its way arrives nowhere.
        assert_eq!(
            ways,
            [(1, 1, Some((2, 5))), (2, 5, Some((1, 9))), (1, 10, None), (1, 40, None)]
        );
    }

    #[test]
    fn a_process_lives_until_it_ends_and_stands_still_in_between() {
        let drawing = drawn(&[
            (0, 1, "starts"),
            (3, 1, "fault: Pause { span: 4 ns, successor: false }"),
            (7, 1, "goes on"),
            (9, 1, "ends"),
            (9, 2, "starts"),
        ]);
        let lives = drawing.lives(VirtualTime(20));
        let lives: Vec<_> = lives.iter().map(|l| (l.lane, l.from, l.to, l.paused)).collect();
        let expected = [(0, 0, 3, false), (0, 3, 7, true), (0, 7, 9, false), (1, 9, 20, false)];
        assert_eq!(lives, expected);
    }
}
