//! The page of one failure: a file that needs nothing else, with what happened in each
//! process over virtual time.

use crate::time::VirtualTime;
use serde::Serialize;

const TEMPLATE: &str = include_str!("page.html");
const DATA: &str = "/*DATA*/";

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Page {
    /// What failed: job and seed.
    pub title: String,
    /// The oracle that fired, such as `S1`.
    pub oracle: String,
    /// What it says.
    pub verdict: String,
    /// What runs it again.
    pub command: String,
    /// What went wrong in the world, a line each, in the plan's own words.
    pub deviations: Vec<String>,
    /// The first wrong row, if there is one.
    pub wrong: Option<WrongRow>,
    /// The names of the lanes: processes and services, from above.
    pub lanes: Vec<String>,
    /// When which process lived or stood still.
    pub lives: Vec<Life>,
    /// What happened, in order of time.
    pub events: Vec<PageEvent>,
}

/// A row that is not as it should be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct WrongRow {
    /// The row that should be there.
    pub expected: Option<String>,
    /// The row that is there.
    pub got: Option<String>,
    /// The records that it came from, with split and offset.
    pub origins: Vec<String>,
}

/// A stretch of a process's life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Life {
    /// Its lane.
    pub lane: usize,
    /// When it begins, in ns.
    pub from: i64,
    /// When it ends, in ns.
    pub to: i64,
    /// Whether it stands still.
    pub paused: bool,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PageEvent {
    /// When, in ns.
    pub at: i64,
    /// In which lane.
    pub lane: usize,
    /// What kind it is; see [`EventKind`].
    pub kind: u8,
    /// What it is, in words.
    pub text: String,
    /// The lane and time at which a message arrives.
    pub to: Option<(usize, i64)>,
}

/// Kinds of events, by the colour in which they are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A turn, an epoch, a watermark.
    Work = 0,
    /// A request or an answer.
    Message = 1,
    /// Something that went wrong as planned.
    Fault = 2,
    /// A process starts, ends, stands still or goes on.
    Life = 3,
    /// A reader sees something new.
    Result = 4,
    /// What the oracle objects to.
    Wrong = 5,
}

impl PageEvent {
    /// An event within one lane.
    #[must_use]
    pub fn new(
        at: VirtualTime,
        lane: usize,
        kind: EventKind,
        text: impl Into<String>,
    ) -> PageEvent {
        PageEvent { at: at.0, lane, kind: kind as u8, text: text.into(), to: None }
    }

    /// The same as a message that arrives elsewhere.
    #[must_use]
    pub fn arriving(self, lane: usize, at: VirtualTime) -> PageEvent {
        PageEvent { to: Some((lane, at.0)), ..self }
    }
}

impl Page {
    /// The page as HTML.
    ///
    /// # Panics
    /// Never: everything in a page can be written as JSON.
    #[must_use]
    pub fn html(&self) -> String {
        let data = serde_json::to_string(self).expect("numbers and texts can be written");
        // Nothing in a text may end the script element that holds it.
        let data = data.replace("</", "<\\/").replace("<!--", "<\\u0021--");
        TEMPLATE.replacen(DATA, &data, 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page() -> Page {
        Page {
            title: "flights, seed 7".into(),
            oracle: "S1".into(),
            events: vec![
                PageEvent::new(VirtualTime(5), 0, EventKind::Message, "</script><b>append")
                    .arriving(1, VirtualTime(9)),
            ],
            ..Page::default()
        }
    }

    #[test]
    fn what_the_page_shows_cannot_end_its_script() {
        let html = page().html();
        assert_eq!(html.matches("</script>").count(), TEMPLATE.matches("</script>").count());
        assert!(!html.contains(DATA));
    }

    #[test]
    fn the_page_holds_what_it_was_given() {
        let html = page().html();
        let (_, rest) = html.split_once(r#"type="application/json">"#).expect("it has data");
        let (data, _) = rest.split_once("</script>").expect("the data end");
        let read: serde_json::Value = serde_json::from_str(data).expect("it is JSON");
        assert_eq!(read["events"][0]["text"], "</script><b>append");
        assert_eq!(read["events"][0]["to"], serde_json::json!([1, 9]));
        assert_eq!(read["oracle"], "S1");
    }
}
