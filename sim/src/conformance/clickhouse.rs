//! How requests to ClickHouse and its answers are written.
//!
//! ```text
//! create table=t engine=merge-tree window=1000 seconds=0 cleanup=false by-key=true -> done
//! like table=s like=t                     -> done
//! describe table=t                        -> table engine=merge-tree window=1000 ..
//! insert table=t by=token:a/1 block=200 rows=[
//!   row partition=p key=k epoch=1 sequence=0 value=v,
//!   rows partition=p epoch=1 from=0 count=400]
//!                                         -> done | refused error=busy | failed error=other ..
//! select table=t final=true               -> rows count=2 values=[v, w]
//! chunks table=t from=1                   -> chunks list=[chunk epoch=1 chunk=0 partition=p
//!                                            rows=400 last=399]
//! move from=s to=t partition=p            -> done; and `attach`, `replace`
//! optimize table=t cleanup=false          -> done
//! truncate table=t                        -> done
//! drop table=t                            -> done
//! tables prefix=t                         -> tables names=[t]
//! write-note name=n version=3.0 text=x    -> done
//! read-note name=n                        -> note version=3.0 text=x | no-note
//! ```
//!
//! `engine` is `merge-tree`, `replacing` (by version), `replacing-equal` (by place), or
//! another name; `by` is `hash`, `off` or `token:…`. The numbered `rows` each have their
//! number as key and value.

use super::{Dialect, Phrase, Value};
use anabranch_engine::ids::Epoch;
use anabranch_engine::service::clickhouse::{
    ChunkRows, ClickHouseAnswer, ClickHouseError, ClickHouseRequest, ClickHouseRow,
    ClickHouseTable, Deduplication, NoteVersion, PartitionTransfer, TableEngine,
};
use anabranch_engine::service::{Answer, Request};
use bytes::Bytes;

/// The dialect of ClickHouse.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClickHouseDialect;

impl Dialect for ClickHouseDialect {
    fn request(&self, phrase: &Phrase) -> Result<Request, String> {
        let table = || phrase.str("table");
        let request = match phrase.word.as_str() {
            "attach" => transfer(phrase, PartitionTransfer::Attach)?,
            "chunks" => {
                phrase.only(&["table", "from"])?;
                ClickHouseRequest::Chunks { table: table()?, from: Epoch(phrase.parsed("from")?) }
            }
            "create" => {
                let definition = definition(phrase)?;
                ClickHouseRequest::Create { table: table()?, definition }
            }
            "describe" => ClickHouseRequest::Describe { table: table()? },
            "drop" => ClickHouseRequest::Drop { table: table()? },
            "insert" => insert(phrase)?,
            "like" => {
                phrase.only(&["table", "like", "window"])?;
                let window = phrase.find("window").map(|_| phrase.parsed("window"));
                ClickHouseRequest::CreateLike {
                    table: table()?,
                    like: phrase.str("like")?,
                    deduplication_window: window.transpose()?,
                }
            }
            "move" => transfer(phrase, PartitionTransfer::Move)?,
            "optimize" => {
                phrase.only(&["table", "cleanup"])?;
                let cleanup = phrase.parsed("cleanup")?;
                ClickHouseRequest::Optimize { table: table()?, cleanup }
            }
            "read-note" => ClickHouseRequest::ReadNote { name: phrase.str("name")? },
            "replace" => transfer(phrase, PartitionTransfer::Replace)?,
            "select" => {
                phrase.only(&["table", "final"])?;
                let is_final = phrase.parsed("final")?;
                ClickHouseRequest::Select { table: table()?, is_final }
            }
            "tables" => ClickHouseRequest::Tables { prefix: phrase.str("prefix")? },
            "truncate" => ClickHouseRequest::Truncate { table: table()? },
            "write-note" => {
                phrase.only(&["name", "version", "text"])?;
                ClickHouseRequest::WriteNote {
                    name: phrase.str("name")?,
                    version: version(&phrase.str("version")?)?,
                    text: phrase.bytes("text")?,
                }
            }
            other => return Err(format!("ClickHouse knows no request `{other}`")),
        };
        Ok(Request::ClickHouse(request))
    }

    fn answer(&self, answer: &Answer) -> Phrase {
        match answer {
            Answer::ClickHouse(answer) => clickhouse_answer(answer),
            Answer::Unreachable => Phrase::new("unreachable"),
            Answer::TimedOut => Phrase::new("timed-out"),
            other => Phrase::new("strange").with_text("answer", format_args!("{other:?}")),
        }
    }
}

fn transfer(phrase: &Phrase, how: PartitionTransfer) -> Result<ClickHouseRequest, String> {
    phrase.only(&["from", "to", "partition"])?;
    let (from, to) = (phrase.str("from")?, phrase.str("to")?);
    let partition = phrase.bytes("partition")?;
    Ok(ClickHouseRequest::TransferPartition { from, to, partition, how })
}

fn definition(phrase: &Phrase) -> Result<ClickHouseTable, String> {
    phrase.only(&["table", "engine", "window", "seconds", "cleanup", "by-key"])?;
    let engine = match phrase.str("engine")?.as_str() {
        "merge-tree" => TableEngine::MergeTree,
        "replacing" => TableEngine::Replacing,
        "replacing-equal" => TableEngine::ReplacingEqual,
        other => TableEngine::Other(other.to_owned()),
    };
    let number = |key| phrase.find(key).map_or(Ok(0), |_| phrase.parsed(key));
    let flag = |key| phrase.find(key).map_or(Ok(false), |_| phrase.parsed(key));
    Ok(ClickHouseTable {
        engine,
        deduplication_window: number("window")?,
        deduplication_window_s: number("seconds")?,
        automatic_cleanup: flag("cleanup")?,
        partition_by_key: flag("by-key")?,
    })
}

fn insert(phrase: &Phrase) -> Result<ClickHouseRequest, String> {
    phrase.only(&["table", "by", "block", "rows"])?;
    let by = phrase.str("by")?;
    let deduplication = match by.as_str() {
        "hash" => Deduplication::ByHash,
        "off" => Deduplication::Off,
        _ => match by.strip_prefix("token:") {
            Some(token) => Deduplication::Token(token.to_owned()),
            None => return Err(format!("`by={by}` is none of hash, off, token:…")),
        },
    };
    let mut rows = Vec::new();
    for part in phrase.phrases("rows")? {
        rows.extend(rows_of(&part)?);
    }
    let block_rows_max = phrase.find("block").map_or(Ok(1 << 20), |_| phrase.parsed("block"))?;
    Ok(ClickHouseRequest::Insert {
        table: phrase.str("table")?,
        deduplication,
        block_rows_max,
        rows,
    })
}

fn rows_of(phrase: &Phrase) -> Result<Vec<ClickHouseRow>, String> {
    let partition = phrase.optional_bytes("partition")?.unwrap_or_default();
    let epoch = Epoch(phrase.find("epoch").map_or(Ok(1), |_| phrase.parsed("epoch"))?);
    match phrase.word.as_str() {
        "row" => {
            phrase.only(&["partition", "key", "epoch", "sequence", "deleted", "value"])?;
            let sequence = phrase.find("sequence").map_or(Ok(0), |_| phrase.parsed("sequence"))?;
            let deleted = phrase.find("deleted").map_or(Ok(false), |_| phrase.parsed("deleted"))?;
            let key = phrase.optional_bytes("key")?.unwrap_or_default();
            let value = phrase.optional_bytes("value")?.unwrap_or_default();
            Ok(vec![ClickHouseRow { partition, key, epoch, sequence, deleted, value }])
        }
        "rows" => {
            phrase.only(&["partition", "epoch", "from", "count"])?;
            let (from, count): (u64, u64) = (phrase.parsed("from")?, phrase.parsed("count")?);
            let row = |sequence: u64| {
                let key = Bytes::from(sequence.to_string());
                let value = key.clone();
                let (partition, deleted) = (partition.clone(), false);
                ClickHouseRow { partition, key, epoch, sequence, deleted, value }
            };
            Ok((from..from + count).map(row).collect())
        }
        other => Err(format!("`{other}` is neither `row` nor `rows`")),
    }
}

fn version(text: &str) -> Result<NoteVersion, String> {
    let parse = || {
        let (major, minor) = text.split_once('.')?;
        Some(NoteVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
    };
    parse().ok_or_else(|| format!("`{text}` is no version such as `3.0`"))
}

fn clickhouse_answer(answer: &ClickHouseAnswer) -> Phrase {
    match answer {
        ClickHouseAnswer::Chunks(chunks) => {
            let list = chunks.iter().map(|chunk| Value::Phrase(chunk_phrase(chunk))).collect();
            Phrase::new("chunks").with("list", Value::List(list))
        }
        ClickHouseAnswer::Done => Phrase::new("done"),
        ClickHouseAnswer::Failed(error) => with_error(Phrase::new("failed"), error),
        ClickHouseAnswer::Note(None) => Phrase::new("no-note"),
        ClickHouseAnswer::Note(Some((version, text))) => Phrase::new("note")
            .with_text("version", format_args!("{}.{}", version.major, version.minor))
            .with_bytes("text", text),
        ClickHouseAnswer::Refused(error) => with_error(Phrase::new("refused"), error),
        ClickHouseAnswer::Rows(rows) => {
            let values = rows.iter().map(|row| Value::Text(row.value.clone())).collect();
            Phrase::new("rows").with_text("count", rows.len()).with("values", Value::List(values))
        }
        ClickHouseAnswer::Table(table) => table_phrase(table),
        ClickHouseAnswer::Tables(names) => {
            let names = names.iter().map(Value::text).collect();
            Phrase::new("tables").with("names", Value::List(names))
        }
    }
}

fn chunk_phrase(chunk: &ChunkRows) -> Phrase {
    Phrase::new("chunk")
        .with_text("epoch", chunk.epoch)
        .with_text("chunk", chunk.chunk)
        .with_bytes("partition", &chunk.partition)
        .with_text("rows", chunk.rows)
        .with_text("last", chunk.sequence_max)
}

fn table_phrase(table: &ClickHouseTable) -> Phrase {
    let engine = match &table.engine {
        TableEngine::MergeTree => "merge-tree",
        TableEngine::Other(name) => name.as_str(),
        TableEngine::Replacing => "replacing",
        TableEngine::ReplacingEqual => "replacing-equal",
    };
    Phrase::new("table")
        .with_text("engine", engine)
        .with_text("window", table.deduplication_window)
        .with_text("seconds", table.deduplication_window_s)
        .with_text("cleanup", table.automatic_cleanup)
        .with_text("by-key", table.partition_by_key)
}

fn with_error(phrase: Phrase, error: &ClickHouseError) -> Phrase {
    match error {
        ClickHouseError::Busy => phrase.with_text("error", "busy"),
        ClickHouseError::Other(message) => {
            phrase.with_text("error", "other").with_text("message", message)
        }
        ClickHouseError::UnknownTable => phrase.with_text("error", "unknown-table"),
    }
}
