//! A genuine Redis under transcripts.

use super::client::Client;
use crate::server::Server;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::redis::wire::RedisReply;
use anabranch_sim::conformance::{Executor, Phrase, Value};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// A server with the connections of a transcript's clients.
pub(super) struct Real {
    server: Server,
    clients: BTreeMap<String, Client>,
}

impl Real {
    /// Starts a server with this `appendfsync`; `none`: without an append-only file.
    pub(super) fn start(append_fsync: &str) -> Real {
        let options = match append_fsync {
            "none" => ["--appendonly", "no"],
            other => ["--appendfsync", other],
        };
        Real { server: Server::start("redis", &options), clients: BTreeMap::new() }
    }

    /// Empties the server and takes back what transcripts may have changed.
    pub(super) fn reset(&mut self) {
        self.clients.clear();
        for words in [
            &["REPLICAOF", "NO", "ONE"][..],
            &["ACL", "SETUSER", "default", "on", "+@all"],
            &["CONFIG", "SET", "min-replicas-to-write", "0"],
            &["CONFIG", "SET", "maxmemory", "0"],
            &["CONFIG", "SET", "maxmemory-policy", "noeviction"],
            &["FLUSHALL"],
        ] {
            self.say(words).expect("a server can be reset");
        }
    }

    /// The connection of whoever is outside of the protocol.
    fn outside(&mut self) -> &mut Client {
        self.client("outside")
    }

    fn client(&mut self, name: &str) -> &mut Client {
        let port = self.server.port();
        let connect = || Client::connect(port).expect("a running server takes connections");
        self.clients.entry(name.to_owned()).or_insert_with(connect)
    }

    fn say(&mut self, words: &[&str]) -> Result<RedisReply, String> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.outside().command(&words)
    }

    fn read(&mut self, key: &[u8]) -> Result<Phrase, String> {
        let client = self.outside();
        let kind = text(client.command(&[b"TYPE", key])?)?;
        match &kind[..] {
            b"none" => Ok(Phrase::new("nothing")),
            b"string" => {
                let value = text(client.command(&[b"GET", key])?)?;
                Ok(Phrase::new("text").with_bytes("value", &value))
            }
            b"hash" => {
                let all = texts(client.command(&[b"HGETALL", key])?)?;
                let mut pairs: Vec<&[Bytes]> = all.chunks(2).collect();
                pairs.sort();
                let pair =
                    |pair: &[Bytes]| Value::List(pair.iter().cloned().map(Value::Text).collect());
                let fields = pairs.into_iter().map(pair).collect();
                Ok(Phrase::new("hash").with("fields", Value::List(fields)))
            }
            b"list" => {
                let all = texts(client.command(&[b"LRANGE", key, b"0", b"-1"])?)?;
                let values = all.into_iter().map(Value::Text).collect();
                Ok(Phrase::new("list").with("values", Value::List(values)))
            }
            other => Err(format!("a value of type {}", String::from_utf8_lossy(other))),
        }
    }

    fn limit(&mut self, key: &[u8]) -> Result<Phrase, String> {
        let RedisReply::Integer(left) = self.outside().command(&[b"PTTL", key])? else {
            return Err("PTTL gives a number".into());
        };
        Ok(Phrase::new(match left {
            -2 => "nothing",
            -1 => "unlimited",
            _ => "limited",
        }))
    }

    /// Sets a key by a command that takes it and more words.
    fn set(&mut self, command: &str, act: &Phrase, words: &[Bytes]) -> Result<(), String> {
        let key = act.bytes("key")?;
        let mut all: Vec<&[u8]> = vec![command.as_bytes(), &key];
        all.extend(words.iter().map(|word| &word[..]));
        self.outside().command(&all).map(|_| ())
    }

    fn start_again(&mut self) {
        self.clients.clear();
        self.server.start_again();
    }

    fn change(&mut self, act: &Phrase) -> Result<(), String> {
        match act.word.as_str() {
            "text" => self.set("SET", act, &[act.bytes("value")?]),
            "list" => self.set("RPUSH", act, &words(act.list("values")?)?),
            "hash" => self.set("HSET", act, &words(act.list("fields")?)?),
            "remove" => self.set("DEL", act, &[]),
            "expire" => self.set("PEXPIRE", act, &[act.bytes("ms")?]),
            "flush" => self.say(&["FLUSHALL"]).map(|_| ()),
            "fill" => self.say(&["CONFIG", "SET", "maxmemory", "1"]).map(|_| ()),
            "make-room" => self.say(&["CONFIG", "SET", "maxmemory", "0"]).map(|_| ()),
            "forbid" | "allow" => {
                let sign = if act.word == "forbid" { '-' } else { '+' };
                let rule = format!("{sign}{}", act.str("command")?.to_lowercase());
                self.say(&["ACL", "SETUSER", "default", &rule]).map(|_| ())
            }
            "policy" => {
                let policy = act.str("eviction")?;
                self.say(&["CONFIG", "SET", "maxmemory-policy", &policy]).map(|_| ())
            }
            "kill" => {
                self.server.kill();
                self.start_again();
                Ok(())
            }
            "restart" => {
                self.server.stop();
                self.start_again();
                Ok(())
            }
            // Nobody listens there.
            "demote" => self.say(&["REPLICAOF", "127.0.0.1", "1"]).map(|_| ()),
            "promote" => self.say(&["REPLICAOF", "NO", "ONE"]).map(|_| ()),
            "want-replicas" => {
                let count = act.str("count")?;
                self.say(&["CONFIG", "SET", "min-replicas-to-write", &count]).map(|_| ())
            }
            "hang" => self.hang(),
            "go-on" => self.say(&["SCRIPT", "KILL"]).map(|_| ()),
            other => Err(format!("nothing is known of `{other}`")),
        }
    }

    /// Starts a script that does not end, and waits until the server says so to others.
    fn hang(&mut self) -> Result<(), String> {
        self.say(&["CONFIG", "SET", "busy-reply-threshold", "1"])?;
        self.client("hanging").send_words(&["EVAL", "while true do end", "0"])?;
        for _ in 0..500 {
            if self.say(&["PING"]).is_err_and(|message| message.starts_with("BUSY")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Err("the server does not hang".into())
    }
}

impl Executor for Real {
    fn execute(&mut self, client: &str, request: &Request) -> Answer {
        let Request::Redis(request) = request else { panic!("Redis was asked for {request:?}") };
        self.client(client).execute(request)
    }

    fn act(&mut self, act: &Phrase) -> Result<Phrase, String> {
        match act.word.as_str() {
            "read" => self.read(&act.bytes("key")?),
            "limit" => self.limit(&act.bytes("key")?),
            _ => self.change(act).map(|()| Phrase::new("done")),
        }
    }

    fn sleep(&mut self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}

fn text(reply: RedisReply) -> Result<Bytes, String> {
    match reply {
        RedisReply::Text(text) => Ok(text),
        other => Err(format!("{other:?} is no text")),
    }
}

fn texts(reply: RedisReply) -> Result<Vec<Bytes>, String> {
    match reply {
        RedisReply::Array(replies) => replies.into_iter().map(text).collect(),
        other => Err(format!("{other:?} is no list")),
    }
}

/// The texts in lists, one after the other.
fn words(values: &[Value]) -> Result<Vec<Bytes>, String> {
    let mut all = Vec::new();
    for value in values {
        match value {
            Value::Text(text) => all.push(text.clone()),
            Value::List(values) => all.extend(words(values)?),
            other => return Err(format!("`{other}` must be a text")),
        }
    }
    Ok(all)
}
