//! A small client of Redis over TCP.

use super::resp::{put_command, read_reply};
use anabranch_engine::service::Answer;
use anabranch_engine::service::redis::RedisRequest;
use anabranch_engine::sink::redis::wire::{self, RedisReply};
use bytes::Bytes;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// A connection.
pub(super) struct Client {
    stream: TcpStream,
    /// What was read and belongs to no reply yet.
    unread: Vec<u8>,
}

impl Client {
    /// Connects, or says why not.
    pub(super) fn connect(port: u16) -> std::io::Result<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Client { stream, unread: Vec::new() })
    }

    /// Sends the commands of a request without waiting for what comes of them.
    pub(super) fn send(&mut self, request: &RedisRequest) -> std::io::Result<usize> {
        let commands = wire::commands(request);
        let mut bytes = Vec::new();
        commands.iter().for_each(|command| put_command(&mut bytes, command));
        self.stream.write_all(&bytes)?;
        Ok(commands.len())
    }

    /// Carries out a request.
    pub(super) fn execute(&mut self, request: &RedisRequest) -> Answer {
        let replies = self.send(request).and_then(|count| {
            let replies: std::io::Result<Vec<RedisReply>> =
                (0..count).map(|_| self.reply()).collect();
            replies
        });
        match replies {
            Ok(replies) => Answer::Redis(wire::answer(request, &replies)),
            Err(_) => Answer::TimedOut,
        }
    }

    /// Sends one command without waiting for what comes of it.
    pub(super) fn send_words(&mut self, words: &[&str]) -> Result<(), String> {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        self.send_command(&words)
    }

    fn send_command(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let words: Vec<Bytes> = words.iter().map(|word| Bytes::copy_from_slice(word)).collect();
        let mut bytes = Vec::new();
        put_command(&mut bytes, &words);
        self.stream.write_all(&bytes).map_err(|error| error.to_string())
    }

    /// Runs one command.
    pub(super) fn command(&mut self, words: &[&[u8]]) -> Result<RedisReply, String> {
        self.send_command(words)?;
        match self.reply().map_err(|error| error.to_string())? {
            RedisReply::Error(message) => Err(message),
            reply => Ok(reply),
        }
    }

    fn reply(&mut self) -> std::io::Result<RedisReply> {
        loop {
            if let Some((reply, taken)) = read_reply(&self.unread).map_err(std::io::Error::other)? {
                self.unread.drain(..taken);
                return Ok(reply);
            }
            let mut piece = [0; 65_536];
            let count = self.stream.read(&mut piece)?;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            self.unread.extend_from_slice(&piece[..count]);
        }
    }
}
