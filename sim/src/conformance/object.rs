//! How requests to an object store and its answers are written.
//!
//! ```text
//! put-new name=a bytes=x          -> done | exists
//! replace name=a tag=$t bytes=y   -> tagged tag=$u | exists
//! get name=a                      -> data bytes=y tag=$u | not-found
//! list prefix=a                   -> names list=[a]
//! delete names=[a, b]             -> done
//! ```

use super::{Dialect, Phrase, Value};
use anabranch_engine::service::object::{ObjectAnswer, ObjectRequest};
use anabranch_engine::service::{Answer, Request};

/// The dialect of object stores.
#[derive(Clone, Copy, Debug, Default)]
pub struct ObjectDialect;

impl Dialect for ObjectDialect {
    fn request(&self, phrase: &Phrase) -> Result<Request, String> {
        let name = || phrase.str("name");
        let request = match phrase.word.as_str() {
            "delete" => {
                phrase.only(&["names"])?;
                let names = phrase.phrases("names")?.into_iter().map(|name| name.word).collect();
                ObjectRequest::Delete { names }
            }
            "get" => {
                phrase.only(&["name"])?;
                ObjectRequest::Get { name: name()? }
            }
            "list" => {
                phrase.only(&["prefix"])?;
                ObjectRequest::List { prefix: phrase.str("prefix")? }
            }
            "put-new" => {
                phrase.only(&["name", "bytes"])?;
                ObjectRequest::PutNew { name: name()?, bytes: phrase.bytes("bytes")? }
            }
            "replace" => {
                phrase.only(&["name", "tag", "bytes"])?;
                let tag = match phrase.value("tag")? {
                    Value::None => None,
                    _ => Some(phrase.parsed("tag")?),
                };
                ObjectRequest::Replace { name: name()?, tag, bytes: phrase.bytes("bytes")? }
            }
            other => return Err(format!("an object store knows no request `{other}`")),
        };
        Ok(Request::Object(request))
    }

    fn answer(&self, answer: &Answer) -> Phrase {
        match answer {
            Answer::Object(answer) => object_answer(answer),
            Answer::Unreachable => Phrase::new("unreachable"),
            Answer::TimedOut => Phrase::new("timed-out"),
            other => Phrase::new("strange").with_text("answer", format_args!("{other:?}")),
        }
    }
}

fn object_answer(answer: &ObjectAnswer) -> Phrase {
    match answer {
        ObjectAnswer::Busy => Phrase::new("busy"),
        ObjectAnswer::Data { bytes, tag } => {
            Phrase::new("data").with_bytes("bytes", bytes).with_text("tag", tag)
        }
        ObjectAnswer::Done => Phrase::new("done"),
        ObjectAnswer::Exists => Phrase::new("exists"),
        ObjectAnswer::Names(names) => {
            Phrase::new("names").with("list", Value::List(names.iter().map(Value::text).collect()))
        }
        ObjectAnswer::NotFound => Phrase::new("not-found"),
        ObjectAnswer::Tagged(tag) => Phrase::new("tagged").with_text("tag", tag),
    }
}
