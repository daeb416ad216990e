//! Requests as commands of the server, and its replies as answers. How both are bytes is
//! the transport's own matter.
//!
//! The scripts' texts are here; what they do is defined by [`RedisRequest`], and
//! the transcripts in `tests/conformance` hold both to it.

use crate::codec::Reader;
use crate::ids::{Generation, Lineage};
use crate::service::redis::{RedisAnswer, RedisError, RedisRequest, RedisWrite};
use crate::sink::{Marker, put_marker, read_marker};
use bytes::Bytes;

/// The script behind [`RedisRequest::Claim`].
pub const CLAIM: &str = include_str!("claim.lua");
/// The script behind [`RedisRequest::Apply`].
pub const APPLY: &str = include_str!("apply.lua");
/// The script behind [`RedisRequest::Inspect`].
pub const INSPECT: &str = include_str!("inspect.lua");

/// A reply of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisReply {
    /// Several.
    Array(Vec<RedisReply>),
    /// An error, without the minus sign.
    Error(String),
    /// A number.
    Integer(i64),
    /// Nothing.
    Nil,
    /// Bytes, or a status.
    Text(Bytes),
}

/// The commands that carry out a request. They may be sent at once; the replies to all of
/// them go to [`answer`].
#[must_use]
pub fn commands(request: &RedisRequest) -> Vec<Vec<Bytes>> {
    match request {
        RedisRequest::Claim { marker_key, generation } => {
            let mut command = eval(CLAIM, vec![marker_key.clone()]);
            put_generation(&mut command, *generation);
            vec![command]
        }
        RedisRequest::Apply { marker_key, generation, predecessor, marker, writes } => {
            let keys = writes.iter().map(|write| write.key().clone());
            let mut command =
                eval(APPLY, std::iter::once(marker_key.clone()).chain(keys).collect());
            put_generation(&mut command, *generation);
            command.push(predecessor.map_or(Bytes::new(), |it| marker_digits(&it)));
            command.push(marker_digits(marker));
            writes.iter().for_each(|write| put_write(&mut command, write));
            vec![command]
        }
        RedisRequest::Inspect { marker_key } => vec![eval(INSPECT, vec![marker_key.clone()])],
        RedisRequest::Settings => {
            let words: [&[&'static str]; 4] = [
                &["INFO", "server"],
                &["INFO", "memory"],
                &["INFO", "persistence"],
                &["CONFIG", "GET", "appendfsync"],
            ];
            let command =
                |words: &&[&'static str]| words.iter().map(|it| Bytes::from(*it)).collect();
            words.iter().map(command).collect()
        }
    }
}

fn eval(script: &'static str, keys: Vec<Bytes>) -> Vec<Bytes> {
    let mut command = vec![Bytes::from("EVAL"), Bytes::from(script)];
    command.push(Bytes::from(keys.len().to_string()));
    command.extend(keys);
    command
}

fn put_generation(command: &mut Vec<Bytes>, generation: Generation) {
    // Digits of one width: Lua's numbers are doubles, and would not hold all of them.
    command.push(Bytes::from(format!("{:020}", generation.number)));
    command.push(Bytes::from(format!("{:016x}", generation.nonce)));
}

fn put_write(command: &mut Vec<Bytes>, write: &RedisWrite) {
    match write {
        RedisWrite::Set { value, .. } => command.extend(["S".into(), value.clone()]),
        RedisWrite::Hash { fields, .. } => {
            command.extend(["H".into(), Bytes::from(fields.len().to_string())]);
            for (name, value) in fields {
                command.extend([name.clone(), value.clone()]);
            }
        }
        RedisWrite::Delete { .. } => command.push("D".into()),
    }
}

/// A marker as it is kept in the marker key: the bytes of [`put_marker`] in hexadecimal, so
/// that a person can copy them. The last 34 digits are "last?" and the hash.
#[must_use]
pub fn marker_digits(marker: &Marker) -> Bytes {
    let mut bytes = Vec::new();
    put_marker(&mut bytes, marker, Lineage::default());
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Bytes::from(digits)
}

/// Reads what [`marker_digits`] wrote.
fn marker_of(digits: &[u8]) -> Result<Marker, String> {
    let wrong = || format!("the marker key holds {}", String::from_utf8_lossy(digits));
    let byte = |pair: &[u8]| {
        let pair = std::str::from_utf8(pair).ok().filter(|it| it.len() == 2);
        pair.and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    let bytes: Vec<u8> = digits.chunks(2).map(byte).collect::<Option<_>>().ok_or_else(wrong)?;
    let mut reader = Reader::new(&bytes);
    let marker = read_marker(&mut reader, Lineage::default()).map_err(|_| wrong())?;
    if reader.remaining() > 0 { Err(wrong()) } else { Ok(marker) }
}

fn optional_marker(digits: &[u8]) -> Result<Option<Marker>, String> {
    if digits.is_empty() { Ok(None) } else { marker_of(digits).map(Some) }
}

fn generation_of(number: &[u8], nonce: &[u8]) -> Result<Generation, String> {
    let read = || {
        let number = std::str::from_utf8(number).ok()?.parse().ok()?;
        let nonce = u64::from_str_radix(std::str::from_utf8(nonce).ok()?, 16).ok()?;
        Some(Generation { number, nonce })
    };
    read().ok_or_else(|| {
        let (number, nonce) = (String::from_utf8_lossy(number), String::from_utf8_lossy(nonce));
        format!("the marker key is claimed by {number} {nonce}")
    })
}

/// The answer that the replies to the commands of a request give.
#[must_use]
pub fn answer(request: &RedisRequest, replies: &[RedisReply]) -> RedisAnswer {
    let answer = match (request, replies) {
        (RedisRequest::Settings, _) => settings(replies),
        (_, [RedisReply::Error(message)]) => Ok(script_failed(request, message)),
        (_, [RedisReply::Array(parts)]) => script_answer(parts),
        _ => Err(format!("a reply that no script of ours gives: {replies:?}")),
    };
    // What cannot be understood was not written by our scripts, which change nothing then.
    answer.unwrap_or_else(|message| RedisAnswer::Refused(RedisError::Other(message)))
}

/// What an error means that the server gave instead of running a script to its end.
fn script_failed(request: &RedisRequest, message: &str) -> RedisAnswer {
    match error_of(message) {
        // Only with the error itself does the server say whether the script had begun. An
        // error that it does not name may have come from the middle.
        RedisError::Other(_)
            if message.starts_with("ERR") && matches!(request, RedisRequest::Apply { .. }) =>
        {
            RedisAnswer::Partial(RedisError::Other(message.into()))
        }
        error => RedisAnswer::Refused(error),
    }
}

/// The error that a message of the server means.
#[must_use]
pub fn error_of(message: &str) -> RedisError {
    // Redis lets nobody stop a script that has written.
    if message.contains("Script killed by user") {
        return RedisError::Busy;
    }
    match message.trim_start_matches('-').split(' ').next().unwrap_or_default() {
        "OOM" => RedisError::OutOfMemory,
        "BUSY" | "CLUSTERDOWN" | "LOADING" | "MASTERDOWN" | "MISCONF" | "NOREPLICAS"
        | "TRYAGAIN" => RedisError::Busy,
        "READONLY" => RedisError::ReadOnly,
        _ => RedisError::Other(message.into()),
    }
}

fn script_answer(parts: &[RedisReply]) -> Result<RedisAnswer, String> {
    let strange = || format!("a reply that no script of ours gives: {parts:?}");
    let texts = parts.iter().map(|part| match part {
        RedisReply::Text(text) => Some(&text[..]),
        _ => None,
    });
    let texts: Vec<&[u8]> = texts.collect::<Option<_>>().ok_or_else(strange)?;
    let error = |text: &[u8]| error_of(&String::from_utf8_lossy(text));
    Ok(match &texts[..] {
        [b"APPLIED"] => RedisAnswer::Applied,
        [b"CLAIMED", marker] => RedisAnswer::Claimed { marker: optional_marker(marker)? },
        [b"DIVERGED", marker] => RedisAnswer::Diverged { found: marker_of(marker)? },
        [b"DUPLICATE"] => RedisAnswer::Duplicate,
        [b"FENCED", number, nonce] => RedisAnswer::Fenced { by: generation_of(number, nonce)? },
        [b"FOUND", number, nonce, marker] => {
            let is_claimed = !number.is_empty();
            let claim = is_claimed.then(|| generation_of(number, nonce)).transpose()?;
            RedisAnswer::Found { claim, marker: optional_marker(marker)? }
        }
        [b"GAP", marker] => RedisAnswer::Gap { found: optional_marker(marker)? },
        [b"PARTIAL", message] => RedisAnswer::Partial(error(message)),
        [b"REFUSED", message] => RedisAnswer::Refused(error(message)),
        [b"UNCLAIMED", marker] => RedisAnswer::Unclaimed { marker: optional_marker(marker)? },
        [b"WRONGTYPE", key] => {
            let key = Bytes::copy_from_slice(key);
            RedisAnswer::Refused(RedisError::WrongType { key })
        }
        _ => return Err(strange()),
    })
}

fn settings(replies: &[RedisReply]) -> Result<RedisAnswer, String> {
    let [server, memory, persistence, config] = replies else {
        return Err(format!("{} replies to four commands", replies.len()));
    };
    for reply in [server, memory, persistence] {
        if let RedisReply::Error(message) = reply {
            return Ok(RedisAnswer::Refused(error_of(message)));
        }
    }
    let append_fsync = match (info(persistence, "aof_enabled")?.as_str(), config) {
        ("0", _) => None,
        (_, RedisReply::Array(pair)) => match &pair[..] {
            [_, RedisReply::Text(value)] => Some(String::from_utf8_lossy(value).into_owned()),
            _ => Some("unknown".into()),
        },
        // Rented servers often forbid CONFIG.
        _ => Some("unknown".into()),
    };
    Ok(RedisAnswer::Settings {
        eviction: info(memory, "maxmemory_policy")?,
        append_fsync,
        run_id: info(server, "run_id")?,
    })
}

/// One line of what INFO says.
fn info(reply: &RedisReply, name: &str) -> Result<String, String> {
    let RedisReply::Text(text) = reply else { return Err("INFO gives no text".into()) };
    let text = String::from_utf8_lossy(text);
    let mut lines = text.lines().filter_map(|line| line.trim_end().split_once(':'));
    let found = lines.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned());
    found.ok_or_else(|| format!("INFO says nothing about {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Epoch;
    use crate::journal::hash::ChainHash;

    fn marker(lineage: Lineage, epoch: u64, last: bool) -> Marker {
        Marker { lineage, epoch: Epoch(epoch), chunk: 3, last, hash: ChainHash([0xab; 16]) }
    }

    fn text(text: &str) -> RedisReply {
        RedisReply::Text(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn a_marker_comes_back_and_its_place_stands_before_34_digits() {
        // spec: K-7
        for lineage in [Lineage::default(), Lineage { number: 300, nonce: u64::MAX }] {
            let (one, other) = (marker(lineage, 70_000, true), marker(lineage, 70_000, false));
            let digits = marker_digits(&one);
            assert_eq!(marker_of(&digits), Ok(one));
            let place = |it: &Marker| {
                let digits = marker_digits(it);
                digits.slice(..digits.len() - 34)
            };
            assert_eq!(place(&one), place(&other));
            assert_ne!(place(&one), place(&marker(lineage, 70_001, true)));
        }
        for digits in ["", "0", "zz", "00", &"0".repeat(80)] {
            assert!(marker_of(digits.as_bytes()).is_err(), "{digits}");
        }
    }

    #[test]
    fn errors_are_told_apart_by_their_first_word() {
        let other = |text: &str| RedisError::Other(text.into());
        for (message, error) in [
            ("OOM command not allowed when used memory > 'maxmemory'.", RedisError::OutOfMemory),
            ("LOADING Redis is loading the dataset in memory", RedisError::Busy),
            ("READONLY You can't write against a read only replica.", RedisError::ReadOnly),
            ("OOMPH", other("OOMPH")),
            ("", other("")),
        ] {
            assert_eq!(error_of(message), error);
        }
        let inspect = RedisRequest::Inspect { marker_key: "m".into() };
        let apply = RedisRequest::Apply {
            marker_key: "m".into(),
            generation: Generation::default(),
            predecessor: None,
            marker: marker(Lineage::default(), 1, true),
            writes: Vec::new(),
        };
        let error = RedisReply::Error("ERR user_script:3: out of memory".into());
        let RedisReply::Error(message) = &error else { unreachable!("it is an error") };
        let failed = other(message);
        let replies = std::slice::from_ref(&error);
        assert_eq!(answer(&inspect, replies), RedisAnswer::Refused(failed.clone()));
        assert_eq!(answer(&apply, replies), RedisAnswer::Partial(failed));
        let strange = answer(&inspect, &[RedisReply::Nil]);
        assert!(matches!(strange, RedisAnswer::Refused(RedisError::Other(_))));
    }

    #[test]
    fn settings_are_read_from_info_even_where_config_is_forbidden() {
        let server = text("# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n");
        let memory = text("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n");
        let with = |aof: &str, config: RedisReply| {
            let persistence = text(&format!("# Persistence\r\naof_enabled:{aof}\r\n"));
            let replies = [server.clone(), memory.clone(), persistence, config];
            let RedisAnswer::Settings { eviction, append_fsync, run_id } =
                answer(&RedisRequest::Settings, &replies)
            else {
                panic!("settings are answered by settings")
            };
            assert_eq!((eviction.as_str(), run_id.as_str()), ("allkeys-lru", "abc"));
            append_fsync
        };
        let config = RedisReply::Array(vec![text("appendfsync"), text("always")]);
        assert_eq!(with("1", config.clone()).as_deref(), Some("always"));
        assert_eq!(with("0", config), None);
        let forbidden = RedisReply::Error("NOPERM this user has no permissions".into());
        assert_eq!(with("1", forbidden).as_deref(), Some("unknown"));
    }
}
