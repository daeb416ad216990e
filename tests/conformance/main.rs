//! The simulator's models and the real services, held to the same transcripts.
//!
//! Each service has a folder of transcripts, a transport that carries requests to a
//! genuine server, and tests that run all of them on both. A server that cannot be
//! started is a failure: what was not compared is not known.

mod clickhouse;
mod kafka;
mod object;
mod redis;
mod server;
mod transcripts;
