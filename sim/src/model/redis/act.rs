//! What transcripts do to Redis from outside of the sink's protocol.
//!
//! ```text
//! text key=k value=v        list key=k values=[a, b]     hash key=k fields=[[f, v]]
//! remove key=k              expire key=k ms=50           flush
//! read key=k                -> nothing | text value=v | hash fields=[[f, v]] | list values=[a]
//! limit key=k               -> nothing | unlimited | limited
//! fill                      make-room
//! forbid command=DEL        allow command=DEL
//! policy eviction=allkeys-lru
//! kill                      restart                      (SIGKILL or SHUTDOWN, and a start)
//! demote                    promote                      (a replica of a server that is away)
//! want-replicas count=1     want-replicas count=0        (there are none)
//! hang                      go-on                        (somebody's script that does not end)
//! ```

use super::RedisModel;
use super::keyspace::{Entry, Value};
use crate::conformance::{Phrase, Staged, Value as Word};
use crate::model::{Disturbance, Service};
use crate::time::{Span, VirtualTime};
use bytes::Bytes;

impl Staged for RedisModel {
    fn act(&mut self, now: VirtualTime, act: &Phrase) -> Result<Phrase, String> {
        let done = || Ok(Phrase::new("done"));
        match act.word.as_str() {
            "text" => self.set(now, act, Value::Text(act.bytes("value")?)),
            "list" => {
                let values = act.list("values")?.iter().map(text).collect::<Result<_, _>>()?;
                self.set(now, act, Value::List(values))
            }
            "hash" => {
                let fields = act.list("fields")?.iter().map(pair).collect::<Result<_, _>>()?;
                self.set(now, act, Value::Hash(fields))
            }
            "remove" => {
                self.primary.put_value(&act.bytes("key")?, None);
                self.primary.commit(now);
                done()
            }
            "expire" => {
                let key = act.bytes("key")?;
                let entry = self.primary.entry(now, &key).ok_or("there is no such key")?;
                let expires = Some(now + Span::ms(act.parsed("ms")?));
                let entry = Entry { expires, ..entry.clone() };
                self.primary.put(&key, Some(entry));
                self.primary.commit(now);
                done()
            }
            "flush" => {
                let keys: Vec<Bytes> = self.primary.live(now).map(|(key, _)| key.clone()).collect();
                keys.iter().for_each(|key| self.primary.put_value(key, None));
                self.primary.commit(now);
                done()
            }
            "read" => Ok(read(self.primary.value(now, &act.bytes("key")?))),
            "limit" => Ok(Phrase::new(match self.primary.entry(now, &act.bytes("key")?) {
                None => "nothing",
                Some(entry) if entry.expires.is_none() => "unlimited",
                Some(_) => "limited",
            })),
            "fill" => self.disturbed(now, &Disturbance::Fill { writes: 0 }),
            "make-room" => self.disturbed(now, &Disturbance::MakeRoom),
            "forbid" => {
                self.limits.forbidden.insert(act.str("command")?);
                done()
            }
            "allow" => {
                self.limits.forbidden.remove(&act.str("command")?);
                done()
            }
            "policy" => {
                self.config.eviction = act.str("eviction")?;
                done()
            }
            "kill" => self.disturbed(now, &Disturbance::PowerFailure { choice: u64::MAX }),
            "restart" => {
                self.start_again(now);
                done()
            }
            "demote" | "promote" => {
                self.demoted = act.word == "demote";
                done()
            }
            "want-replicas" => {
                self.limits.lacks_replicas = act.parsed::<u32>("count")? > 0;
                done()
            }
            "hang" | "go-on" => {
                self.hangs = act.word == "hang";
                done()
            }
            other => Err(format!("nothing is known of `{other}`")),
        }
    }
}

impl RedisModel {
    fn set(&mut self, now: VirtualTime, act: &Phrase, value: Value) -> Result<Phrase, String> {
        self.primary.put_value(&act.bytes("key")?, Some(value));
        self.primary.commit(now);
        Ok(Phrase::new("done"))
    }

    fn disturbed(&mut self, now: VirtualTime, what: &Disturbance) -> Result<Phrase, String> {
        self.disturb(now, what).ok_or_else(|| format!("{what:?} changes nothing"))?;
        Ok(Phrase::new("done"))
    }
}

fn read(value: Option<&Value>) -> Phrase {
    match value {
        None => Phrase::new("nothing"),
        Some(Value::Text(text)) => Phrase::new("text").with_bytes("value", text),
        Some(Value::List(values)) => {
            let values = values.iter().cloned().map(Word::Text).collect();
            Phrase::new("list").with("values", Word::List(values))
        }
        Some(Value::Hash(fields)) => {
            let pair = |(name, value): (&Bytes, &Bytes)| {
                Word::List(vec![Word::Text(name.clone()), Word::Text(value.clone())])
            };
            Phrase::new("hash").with("fields", Word::List(fields.iter().map(pair).collect()))
        }
    }
}

fn text(word: &Word) -> Result<Bytes, String> {
    match word {
        Word::Text(text) => Ok(text.clone()),
        other => Err(format!("`{other}` must be a text")),
    }
}

fn pair(word: &Word) -> Result<(Bytes, Bytes), String> {
    match word {
        Word::List(pair) if pair.len() == 2 => Ok((text(&pair[0])?, text(&pair[1])?)),
        other => Err(format!("`{other}` is no field such as `[name, value]`")),
    }
}
