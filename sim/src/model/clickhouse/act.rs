//! What transcripts do to the server from outside of the protocol.
//!
//! ```text
//! ! stop parts=2        the next insert is killed after so many parts
//! ! kill                the server is killed and started again
//! ! forget-tokens       the windows have passed
//! ! alter table=t window=3
//! ! lose-rows table=t   all rows are gone, but not what remembers their tokens
//! ! fill                and `make-room`
//! ```

use super::ClickHouseModel;
use crate::conformance::{Phrase, Staged};
use crate::model::{Disturbance, Service};
use crate::time::VirtualTime;

impl Staged for ClickHouseModel {
    fn act(&mut self, now: VirtualTime, act: &Phrase) -> Result<Phrase, String> {
        let disturbance = match act.word.as_str() {
            "alter" => {
                let table = self.tables.get_mut(&act.str("table")?).ok_or("no such table")?;
                table.definition.deduplication_window = act.parsed("window")?;
                return Ok(Phrase::new("done"));
            }
            "fill" => Disturbance::Fill { writes: 0 },
            "forget-tokens" => Disturbance::ForgetTokens,
            // What was answered is in files: the page cache outlives the process.
            "kill" => return Ok(Phrase::new("done")),
            "lose-rows" => {
                let table = self.tables.get_mut(&act.str("table")?).ok_or("no such table")?;
                table.parts.clear();
                return Ok(Phrase::new("done"));
            }
            "make-room" => Disturbance::MakeRoom,
            "stop" => Disturbance::StopInsert { parts: act.parsed("parts")? },
            other => return Err(format!("there is no act `{other}`")),
        };
        match self.disturb(now, &disturbance) {
            Some(_) => Ok(Phrase::new("done")),
            None => Ok(Phrase::new("nothing")),
        }
    }
}
