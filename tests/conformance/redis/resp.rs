//! RESP, the protocol of Redis: commands as bytes, and replies from bytes.

use anabranch_engine::sink::redis::wire::RedisReply;
use bytes::Bytes;

/// How deep a reply may nest: none of ours has more than an array of texts.
const DEPTH_MAX: u32 = 8;

/// Appends a command.
pub(super) fn put_command(out: &mut Vec<u8>, arguments: &[Bytes]) {
    out.extend_from_slice(format!("*{}\r\n", arguments.len()).as_bytes());
    for argument in arguments {
        out.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
        out.extend_from_slice(argument);
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads a reply from the start of the bytes; gives it and how many bytes it took, or
/// nothing if it has not come whole.
///
/// # Errors
/// If the bytes are no reply: the connection is of no use any more.
pub(super) fn read_reply(bytes: &[u8]) -> Result<Option<(RedisReply, usize)>, String> {
    let mut at = 0;
    let reply = reply(bytes, &mut at, 0)?;
    Ok(reply.map(|reply| (reply, at)))
}

fn reply(bytes: &[u8], at: &mut usize, depth: u32) -> Result<Option<RedisReply>, String> {
    if depth > DEPTH_MAX {
        return Err("a reply nests too deep".into());
    }
    let Some(line) = line(bytes, at) else { return Ok(None) };
    let Some((kind, rest)) = line.split_first() else { return Err("an empty reply".into()) };
    Ok(match kind {
        b'+' => Some(RedisReply::Text(Bytes::copy_from_slice(rest))),
        b'-' => Some(RedisReply::Error(String::from_utf8_lossy(rest).into_owned())),
        b':' => Some(RedisReply::Integer(number(rest)?)),
        b'$' => match usize::try_from(number(rest)?) {
            Ok(length) => text(bytes, at, length)?,
            Err(_) => Some(RedisReply::Nil),
        },
        b'*' => match usize::try_from(number(rest)?) {
            Ok(count) => {
                // No memory for what only a length promises.
                let mut replies = Vec::new();
                for _ in 0..count {
                    let Some(one) = reply(bytes, at, depth + 1)? else { return Ok(None) };
                    replies.push(one);
                }
                Some(RedisReply::Array(replies))
            }
            Err(_) => Some(RedisReply::Nil),
        },
        other => return Err(format!("no reply begins with byte {other}")),
    })
}

/// The line at the place, without its end; moves the place behind it.
fn line<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &bytes[*at..];
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

fn number(digits: &[u8]) -> Result<i64, String> {
    let text = std::str::from_utf8(digits).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("{} is no number", String::from_utf8_lossy(digits)))
}

fn text(bytes: &[u8], at: &mut usize, length: usize) -> Result<Option<RedisReply>, String> {
    let rest = &bytes[*at..];
    if rest.len() < length.saturating_add(2) {
        return Ok(None);
    }
    if &rest[length..length + 2] != b"\r\n" {
        return Err("a text is longer than it says".into());
    }
    *at += length + 2;
    Ok(Some(RedisReply::Text(Bytes::copy_from_slice(&rest[..length]))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_an_array_of_texts() {
        let mut out = Vec::new();
        put_command(&mut out, &["GET".into(), "".into()]);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    }

    #[test]
    fn a_reply_is_read_once_it_is_whole() {
        let bytes = b"*4\r\n$2\r\n\r\n\r\n:-5\r\n$-1\r\n-ERR no\r\n+OK\r\n";
        let array = RedisReply::Array(vec![
            RedisReply::Text("\r\n".into()),
            RedisReply::Integer(-5),
            RedisReply::Nil,
            RedisReply::Error("ERR no".into()),
        ]);
        let end = bytes.len() - 5;
        for cut in 0..end {
            assert_eq!(read_reply(&bytes[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(read_reply(bytes), Ok(Some((array, end))));
        assert_eq!(read_reply(&bytes[end..]), Ok(Some((RedisReply::Text("OK".into()), 5))));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for bytes in [&b"hello\r\n"[..], b"\r\n", b":x\r\n", b"$1\r\nabc\r\n"] {
            assert!(read_reply(bytes).is_err(), "{bytes:?}");
        }
        assert!(read_reply("*1\r\n".repeat(20).as_bytes()).is_err());
        // Nobody may make us reserve memory by writing a large number.
        assert_eq!(read_reply(b"*999999999\r\n$999999999\r\nx"), Ok(None));
    }
}
