//! How requests to Redis and its answers are written.
//!
//! ```text
//! claim key=m generation=1#a            -> claimed marker=none | fenced by=2#b
//! inspect key=m                         -> found claim=1#a marker=1#5:7.0@ab
//! settings                              -> settings eviction=noeviction append-fsync=always run-id=$id
//! apply key=m generation=1#a before=none marker=1#5:1.0@ab writes=[
//!   set key=k value=v,
//!   hash key=h fields=[[f, v], [g, w]],
//!   delete key=d]                       -> applied | duplicate | gap found=none
//!                                        | diverged found=… | fenced by=… | unclaimed marker=none
//!                                        | refused error=wrong-type key=k
//!                                        | partial error=out-of-memory
//! ```

use super::{Dialect, Phrase, Value, generation_text, marker_text, optional_marker_value};
use anabranch_engine::service::redis::{RedisAnswer, RedisError, RedisRequest, RedisWrite};
use anabranch_engine::service::{Answer, Request};
use bytes::Bytes;

/// The dialect of Redis.
#[derive(Clone, Copy, Debug, Default)]
pub struct RedisDialect;

impl Dialect for RedisDialect {
    fn request(&self, phrase: &Phrase) -> Result<Request, String> {
        let request = match phrase.word.as_str() {
            "claim" => {
                phrase.only(&["key", "generation"])?;
                let generation = phrase.generation("generation")?;
                RedisRequest::Claim { marker_key: phrase.bytes("key")?, generation }
            }
            "apply" => {
                phrase.only(&["key", "generation", "before", "marker", "writes"])?;
                RedisRequest::Apply {
                    marker_key: phrase.bytes("key")?,
                    generation: phrase.generation("generation")?,
                    predecessor: phrase.optional_marker("before")?,
                    marker: phrase.marker("marker")?,
                    writes: phrase
                        .phrases("writes")?
                        .iter()
                        .map(write)
                        .collect::<Result<_, _>>()?,
                }
            }
            "inspect" => {
                phrase.only(&["key"])?;
                RedisRequest::Inspect { marker_key: phrase.bytes("key")? }
            }
            "settings" => {
                phrase.only(&[])?;
                RedisRequest::Settings
            }
            other => return Err(format!("Redis knows no request `{other}`")),
        };
        Ok(Request::Redis(request))
    }

    fn answer(&self, answer: &Answer) -> Phrase {
        match answer {
            Answer::Redis(answer) => redis_answer(answer),
            Answer::Unreachable => Phrase::new("unreachable"),
            Answer::TimedOut => Phrase::new("timed-out"),
            other => Phrase::new("strange").with_text("answer", format_args!("{other:?}")),
        }
    }
}

fn write(phrase: &Phrase) -> Result<RedisWrite, String> {
    let key = phrase.bytes("key")?;
    match phrase.word.as_str() {
        "set" => {
            phrase.only(&["key", "value"])?;
            Ok(RedisWrite::Set { key, value: phrase.bytes("value")? })
        }
        "hash" => {
            phrase.only(&["key", "fields"])?;
            let fields = phrase.list("fields")?.iter().map(field).collect::<Result<_, _>>()?;
            Ok(RedisWrite::Hash { key, fields })
        }
        "delete" => {
            phrase.only(&["key"])?;
            Ok(RedisWrite::Delete { key })
        }
        other => Err(format!("Redis knows no write `{other}`")),
    }
}

fn field(value: &Value) -> Result<(Bytes, Bytes), String> {
    if let Value::List(pair) = value
        && let [Value::Text(name), Value::Text(value)] = &pair[..]
    {
        return Ok((name.clone(), value.clone()));
    }
    Err(format!("`{value}` is no field such as `[name, value]`"))
}

fn redis_answer(answer: &RedisAnswer) -> Phrase {
    match answer {
        RedisAnswer::Claimed { marker } => {
            Phrase::new("claimed").with("marker", optional_marker_value(marker.as_ref()))
        }
        RedisAnswer::Applied => Phrase::new("applied"),
        RedisAnswer::Duplicate => Phrase::new("duplicate"),
        RedisAnswer::Gap { found } => {
            Phrase::new("gap").with("found", optional_marker_value(found.as_ref()))
        }
        RedisAnswer::Diverged { found } => {
            Phrase::new("diverged").with_text("found", marker_text(found))
        }
        RedisAnswer::Fenced { by } => Phrase::new("fenced").with_text("by", generation_text(*by)),
        RedisAnswer::Unclaimed { marker } => {
            Phrase::new("unclaimed").with("marker", optional_marker_value(marker.as_ref()))
        }
        RedisAnswer::Found { claim, marker } => Phrase::new("found")
            .with("claim", Value::optional(claim.map(generation_text)))
            .with("marker", optional_marker_value(marker.as_ref())),
        RedisAnswer::Settings { eviction, append_fsync, run_id } => Phrase::new("settings")
            .with_text("eviction", eviction)
            .with("append-fsync", Value::optional(append_fsync.as_ref()))
            .with_text("run-id", run_id),
        RedisAnswer::Refused(error) => with_error(Phrase::new("refused"), error),
        RedisAnswer::Partial(error) => with_error(Phrase::new("partial"), error),
    }
}

fn with_error(phrase: Phrase, error: &RedisError) -> Phrase {
    match error {
        RedisError::OutOfMemory => phrase.with_text("error", "out-of-memory"),
        RedisError::Busy => phrase.with_text("error", "busy"),
        RedisError::ReadOnly => phrase.with_text("error", "read-only"),
        RedisError::WrongType { key } => {
            phrase.with_text("error", "wrong-type").with_bytes("key", key)
        }
        RedisError::Other(message) => {
            phrase.with_text("error", "other").with_text("message", message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Executor, Transcript, marker, parse_phrase, run};
    use super::*;

    /// Knows one marker key and what was set beside it, and nothing of fencing.
    #[derive(Default)]
    struct Naive {
        marker: Option<anabranch_engine::sink::Marker>,
        value: Option<Bytes>,
    }

    impl Executor for Naive {
        fn execute(&mut self, _: &str, request: &Request) -> Answer {
            let Request::Redis(request) = request else { panic!("it is Redis that is asked") };
            Answer::Redis(match request {
                RedisRequest::Claim { .. } => RedisAnswer::Claimed { marker: self.marker },
                RedisRequest::Apply { marker, writes, .. } => {
                    if let Some(RedisWrite::Set { value, .. }) = writes.first() {
                        self.value = Some(value.clone());
                    }
                    self.marker = Some(*marker);
                    RedisAnswer::Applied
                }
                other => panic!("{other:?} is not in the transcript"),
            })
        }

        fn act(&mut self, act: &Phrase) -> Result<Phrase, String> {
            act.only(&["key"])?;
            let value = self.value.clone().map_or(Value::None, Value::Text);
            Ok(Phrase::new("string").with("value", value))
        }

        fn sleep(&mut self, _: u64) {}
    }

    const TEXT: &str = "
        title: a claimed key takes a chunk
        ann: claim key=m generation=1#a
        -> claimed marker=none
        ann: apply key=m generation=1#a before=none marker=1#5:1.0@ab writes=[
            set key=k value=\"a b\",
            hash key=h fields=[[f, v]],
            delete key=d]
        -> applied
        ! read key=k
        -> string value=\"a b\"
    ";

    #[test]
    fn a_transcript_runs_on_whatever_executes() {
        let transcript = Transcript::parse("x", TEXT).expect("a transcript");
        assert_eq!(run(&transcript, &RedisDialect, &mut Naive::default()), Ok(()));
        let fenced = format!("{TEXT}\nbob: claim key=m generation=0#b\n-> fenced by=1#a");
        let transcript = Transcript::parse("x", &fenced).expect("a transcript");
        let found = run(&transcript, &RedisDialect, &mut Naive::default()).expect_err("no fence");
        assert_eq!((found.line, found.found.as_str()), (13, "claimed marker=1#5:1.0@ab"));
    }

    #[test]
    fn each_answer_has_words_of_its_own() {
        let found = marker("1#5:1.0@ab").expect("a marker");
        let key = Bytes::from("k");
        for (answer, words) in [
            (RedisAnswer::Duplicate, "duplicate"),
            (RedisAnswer::Gap { found: None }, "gap found=none"),
            (RedisAnswer::Diverged { found }, "diverged found=1#5:1.0@ab"),
            (RedisAnswer::Found { claim: None, marker: None }, "found claim=none marker=none"),
            (RedisAnswer::Refused(RedisError::WrongType { key }), "refused error=wrong-type key=k"),
            (RedisAnswer::Partial(RedisError::OutOfMemory), "partial error=out-of-memory"),
        ] {
            let phrase = RedisDialect.answer(&Answer::Redis(answer));
            assert_eq!(Ok(phrase), parse_phrase(words));
        }
    }

    #[test]
    fn a_request_that_makes_no_sense_says_why() {
        for (text, complaint) in [
            ("ping", "Redis knows no request `ping`"),
            ("claim key=m generation=1", "`1` is no generation such as `2#a`"),
            ("inspect key=m who=me", "`inspect` knows no argument `who`"),
        ] {
            let phrase = parse_phrase(text).expect("a phrase");
            assert_eq!(RedisDialect.request(&phrase), Err(complaint.to_owned()));
        }
    }
}
