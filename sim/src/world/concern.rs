//! What an event is about, for the order of those that happen at one moment.

use super::Event;
use super::heap::Concern;
use anabranch_engine::pipeline::Input;

impl Concern for Event {
    fn concern(&self) -> (u8, u64) {
        match self {
            Event::Start { .. } => (0, 0),
            Event::Turn(process) => (1, u64::from(*process)),
            Event::Wake(process) => (2, u64::from(*process)),
            Event::Input(process, input) => (3, pair(*process, of_input(input))),
            Event::Answer { process, lane, .. } => (4, pair(*process, *lane as u32)),
            Event::Arrive(parcel) => {
                let (process, lane) = parcel.sender();
                (5, pair(process, lane as u32))
            }
            Event::ServiceDue(place) => (6, *place as u64),
            Event::Read(call) => {
                let (process, what) = call.sender();
                (7, pair(process, what))
            }
            Event::HoldEnds(number) => (8, *number),
            Event::Grow => (9, 0),
            Event::Resume(process) => (10, u64::from(*process)),
            Event::Timed(index) => (11, *index as u64),
            Event::Heal => (12, 0),
            Event::Look => (13, 0),
            Event::StartCopy(place) => (14, *place as u64),
        }
    }
}

fn pair(process: u32, what: u32) -> u64 {
    u64::from(process) << 32 | u64::from(what)
}

/// The split that an input comes from; all others are of one concern.
fn of_input(input: &Input) -> u32 {
    match input {
        Input::Fetched { split, .. }
        | Input::FetchFailed { split, .. }
        | Input::SplitChanged { split, .. } => split.0 + 1,
        _ => 0,
    }
}
