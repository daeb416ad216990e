//! Stores and sinks without any mistake of their own, for runs in which something else
//! is looked at. They exist only here: machines that speak conditional writes, and one
//! service that answers them. What goes wrong on the way to it goes wrong as anywhere.

mod journal;
mod sink;
mod snapshots;
mod store;

pub use journal::IdealJournal;
pub use sink::IdealSink;
pub use snapshots::IdealSnapshots;
pub use store::IdealStore;

use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::{Answer, Request};

/// What a machine makes of an answer.
enum Said {
    /// The store said this.
    Answer(ObjectAnswer),
    /// Certainly nothing was done.
    NotDone(&'static str),
    /// It may have been done, and may still be.
    Unknown,
}

fn said(answer: Answer) -> Said {
    match answer {
        Answer::Object(ObjectAnswer::Busy) => Said::NotDone("the store is busy"),
        Answer::Object(answer) => Said::Answer(answer),
        Answer::Unreachable => Said::NotDone("the store cannot be reached"),
        Answer::TimedOut => Said::Unknown,
        other => panic!("an object store does not answer {other:?}"),
    }
}

fn get(name: &str) -> Request {
    Request::Object(ObjectRequest::Get { name: name.to_owned() })
}

fn out_of_turn(answer: &ObjectAnswer) -> ! {
    panic!("this answer belongs to no request: {answer:?}")
}
