//! How requests to Kafka and its answers are written.
//!
//! ```text
//! create topic=t partitions=2 cleanup=compact   -> done | error is=topic-exists
//! describe topic=t         -> topic id=$t partitions=[at start=0 end=5 stable=5, …]
//! init id=x timeout=60000  -> producer id=$p epoch=$e       (without id: idempotent only)
//! add id=x producer=$p epoch=$e to=[t/0, t/1]   -> done
//! produce to=t/0 id=x producer=$p epoch=$e sequence=0 records=[[k, v], [none, v]]
//!                          -> produced offset=0
//! end id=x producer=$p epoch=$e commit=true     -> done
//! fetch from=t/0 offset=0 committed=true bytes=1000
//!                          -> records found=[[0, k, v], …] next=2 stable=2 end=2 start=0
//! delete-records from=t/0 before=3              -> done
//! anything                 -> error is=producer-fenced
//! ```
//!
//! Acts: `! delete-topic topic=t`, and `! kill`, after which the broker is started again and
//! is itself a while later.

use super::{Dialect, Phrase, Staged, Value};
use crate::model::kafka::KafkaModel;
use crate::time::VirtualTime;
use anabranch_engine::service::kafka::{
    Cleanup, KafkaAnswer, KafkaError, KafkaRecord, KafkaRequest, PartitionState, ProducerId,
    TopicPartition,
};
use anabranch_engine::service::{Answer, Request};
use bytes::Bytes;

/// The dialect of Kafka.
#[derive(Clone, Copy, Debug, Default)]
pub struct KafkaDialect;

impl Dialect for KafkaDialect {
    fn request(&self, phrase: &Phrase) -> Result<Request, String> {
        let request = match phrase.word.as_str() {
            "init" => init(phrase)?,
            "add" => add(phrase)?,
            "produce" => produce(phrase)?,
            "end" => end(phrase)?,
            "fetch" => fetch(phrase)?,
            "describe" => {
                phrase.only(&["topic"])?;
                KafkaRequest::Describe { topic: phrase.str("topic")? }
            }
            "create" => create(phrase)?,
            "delete-records" => {
                phrase.only(&["from", "before"])?;
                let from = partition(&phrase.str("from")?)?;
                KafkaRequest::DeleteRecords { from, before: phrase.parsed("before")? }
            }
            other => return Err(format!("Kafka knows no request `{other}`")),
        };
        Ok(Request::Kafka(request))
    }

    fn answer(&self, answer: &Answer) -> Phrase {
        match answer {
            Answer::Kafka(answer) => kafka_answer(answer),
            Answer::Unreachable => Phrase::new("unreachable"),
            Answer::TimedOut => Phrase::new("timed-out"),
            other => Phrase::new("strange").with_text("answer", format_args!("{other:?}")),
        }
    }
}

/// A number, or another one if it was left out.
fn number_or<T: std::str::FromStr>(phrase: &Phrase, key: &str, other: T) -> Result<T, String> {
    if phrase.find(key).is_some() { phrase.parsed(key) } else { Ok(other) }
}

fn init(phrase: &Phrase) -> Result<KafkaRequest, String> {
    phrase.only(&["id", "timeout"])?;
    let transactional_id = phrase.optional_str("id")?;
    let timeout_ms = number_or(phrase, "timeout", 60_000)?;
    Ok(KafkaRequest::InitProducer { transactional_id, timeout_ms })
}

fn add(phrase: &Phrase) -> Result<KafkaRequest, String> {
    phrase.only(&["id", "producer", "epoch", "to"])?;
    let texts = phrase.list("to")?.iter().map(text);
    Ok(KafkaRequest::AddPartitions {
        transactional_id: phrase.str("id")?,
        producer: producer(phrase)?,
        partitions: texts.map(|it| partition(&it?)).collect::<Result<_, _>>()?,
    })
}

fn produce(phrase: &Phrase) -> Result<KafkaRequest, String> {
    phrase.only(&["to", "id", "producer", "epoch", "sequence", "records"])?;
    let has_producer = phrase.find("producer").is_some();
    Ok(KafkaRequest::Produce {
        transactional_id: phrase.optional_str("id")?,
        producer: has_producer.then(|| producer(phrase)).transpose()?,
        to: partition(&phrase.str("to")?)?,
        sequence: number_or(phrase, "sequence", -1)?,
        records: phrase.list("records")?.iter().map(record).collect::<Result<_, _>>()?,
    })
}

fn end(phrase: &Phrase) -> Result<KafkaRequest, String> {
    phrase.only(&["id", "producer", "epoch", "commit"])?;
    Ok(KafkaRequest::EndTransaction {
        transactional_id: phrase.str("id")?,
        producer: producer(phrase)?,
        commit: phrase.parsed("commit")?,
    })
}

fn fetch(phrase: &Phrase) -> Result<KafkaRequest, String> {
    phrase.only(&["from", "offset", "committed", "bytes"])?;
    Ok(KafkaRequest::Fetch {
        from: partition(&phrase.str("from")?)?,
        offset: phrase.parsed("offset")?,
        bytes_max: number_or(phrase, "bytes", 1 << 20)?,
        committed: phrase.parsed("committed")?,
    })
}

fn create(phrase: &Phrase) -> Result<KafkaRequest, String> {
    phrase.only(&["topic", "partitions", "cleanup"])?;
    Ok(KafkaRequest::CreateTopic {
        topic: phrase.str("topic")?,
        partitions: phrase.parsed("partitions")?,
        cleanup: cleanup(phrase)?,
    })
}

fn text(value: &Value) -> Result<String, String> {
    let Value::Text(bytes) = value else { return Err(format!("`{value}` is no text")) };
    String::from_utf8(bytes.to_vec()).map_err(|_| format!("`{value}` is no text"))
}

fn partition(text: &str) -> Result<TopicPartition, String> {
    let parse = || {
        let (topic, partition) = text.rsplit_once('/')?;
        Some(TopicPartition { topic: topic.to_owned(), partition: partition.parse().ok()? })
    };
    parse().ok_or_else(|| format!("`{text}` is no partition such as `t/0`"))
}

fn producer(phrase: &Phrase) -> Result<ProducerId, String> {
    Ok(ProducerId { id: phrase.parsed("producer")?, epoch: phrase.parsed("epoch")? })
}

fn cleanup(phrase: &Phrase) -> Result<Cleanup, String> {
    match phrase.optional_str("cleanup")?.as_deref() {
        None | Some("default") => Ok(Cleanup::ByDefault),
        Some("compact") => Ok(Cleanup::Compact),
        Some("nothing") => Ok(Cleanup::Nothing),
        Some(other) => Err(format!("`cleanup={other}` is none of default, compact, nothing")),
    }
}

fn record(value: &Value) -> Result<KafkaRecord, String> {
    let bytes = |value: &Value| match value {
        Value::None => Ok(None),
        Value::Text(bytes) => Ok(Some(bytes.clone())),
        other => Err(format!("`{other}` is neither a text nor none")),
    };
    let Value::List(pair) = value else { return Err(format!("`{value}` is no `[key, value]`")) };
    let [key, value] = &pair[..] else { return Err(format!("`{value}` is no `[key, value]`")) };
    let (key, value) = (bytes(key)?, bytes(value)?);
    Ok(KafkaRecord { key, value, headers: Vec::new(), timestamp_ms: -1 })
}

fn kafka_answer(answer: &KafkaAnswer) -> Phrase {
    match answer {
        KafkaAnswer::Done => Phrase::new("done"),
        KafkaAnswer::Producer(ProducerId { id, epoch }) => {
            Phrase::new("producer").with_text("id", id).with_text("epoch", epoch)
        }
        KafkaAnswer::Produced { base_offset } => {
            Phrase::new("produced").with_text("offset", base_offset)
        }
        KafkaAnswer::Records {
            records,
            next_offset,
            last_stable_offset,
            high_watermark,
            log_start,
        } => Phrase::new("records")
            .with("found", Value::List(records.iter().map(found).collect()))
            .with_text("next", next_offset)
            .with_text("stable", last_stable_offset)
            .with_text("end", high_watermark)
            .with_text("start", log_start),
        KafkaAnswer::Topic { topic_id, partitions } => {
            let digits: String = topic_id.iter().map(|byte| format!("{byte:02x}")).collect();
            let state = |state: &PartitionState| {
                let phrase = Phrase::new("at")
                    .with_text("start", state.log_start)
                    .with_text("end", state.high_watermark)
                    .with_text("stable", state.last_stable_offset);
                Value::Phrase(phrase)
            };
            Phrase::new("topic")
                .with_text("id", digits)
                .with("partitions", Value::List(partitions.iter().map(state).collect()))
        }
        KafkaAnswer::Error(error) => Phrase::new("error").with_text("is", error_word(*error)),
    }
}

fn found((offset, record): &(i64, KafkaRecord)) -> Value {
    let bytes = |bytes: &Option<Bytes>| bytes.clone().map_or(Value::None, Value::Text);
    Value::List(vec![Value::text(offset), bytes(&record.key), bytes(&record.value)])
}

fn error_word(error: KafkaError) -> &'static str {
    match error {
        KafkaError::ConcurrentTransactions => "concurrent-transactions",
        KafkaError::CoordinatorUnavailable => "coordinator-unavailable",
        KafkaError::DuplicateSequence => "duplicate-sequence",
        KafkaError::InvalidProducerEpoch => "invalid-producer-epoch",
        KafkaError::InvalidProducerIdMapping => "invalid-producer-id-mapping",
        KafkaError::InvalidTransactionState => "invalid-transaction-state",
        KafkaError::NotLeader => "not-leader",
        KafkaError::OffsetOutOfRange => "offset-out-of-range",
        KafkaError::OutOfOrderSequence => "out-of-order-sequence",
        KafkaError::ProducerFenced => "producer-fenced",
        KafkaError::RequestTimedOut => "request-timed-out",
        KafkaError::Rejected => "rejected",
        KafkaError::TopicExists => "topic-exists",
        KafkaError::TransactionAbortable => "transaction-abortable",
        KafkaError::UnknownProducerId => "unknown-producer-id",
        KafkaError::UnknownTopic => "unknown-topic",
    }
}

impl Staged for KafkaModel {
    fn act(&mut self, _now: VirtualTime, act: &Phrase) -> Result<Phrase, String> {
        match act.word.as_str() {
            "delete-topic" => {
                act.only(&["topic"])?;
                let topic = act.str("topic")?;
                let was_there = self.delete_topic(&topic);
                was_there.then(|| Phrase::new("done")).ok_or_else(|| format!("no topic {topic}"))
            }
            // What was acknowledged is in the log; what was asked while it was away, was not.
            "kill" => {
                act.only(&[])?;
                Ok(Phrase::new("done"))
            }
            other => Err(format!("Kafka knows no act `{other}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OnModel, Transcript, run};
    use super::*;
    use crate::model::kafka::KafkaConfig;

    fn run_on_model(text: &str) -> Result<(), String> {
        let transcript = Transcript::parse("x", text).map_err(|error| error.to_string())?;
        let mut model = OnModel::new(KafkaModel::new(KafkaConfig::default()));
        run(&transcript, &KafkaDialect, &mut model).map_err(|difference| difference.to_string())
    }

    const TEXT: &str = "
        title: a committed record is seen
        ann: create topic=t partitions=1
        -> done
        ann: init id=x
        -> producer id=$p epoch=$e
        ann: add id=x producer=$p epoch=$e to=[t/0]
        -> done
        ann: produce to=t/0 id=x producer=$p epoch=$e sequence=0 records=[[k, v], [none, \"w w\"]]
        -> produced offset=0
        ann: end id=x producer=$p epoch=$e commit=true
        -> done
        sleep 1s
        ann: fetch from=t/0 offset=0 committed=true
        -> records found=[[0, k, v], [1, none, \"w w\"]] next=3 stable=3 end=3 start=0
        ann: describe topic=t
        -> topic id=$t partitions=[at start=0 end=3 stable=3]
    ";

    #[test]
    fn requests_and_answers_have_words() {
        assert_eq!(run_on_model(TEXT), Ok(()));
        let wrong = TEXT.replace("next=3", "next=2");
        let complaint = run_on_model(&wrong).expect_err("the control record takes an offset");
        assert!(complaint.contains("next=3 stable=3"), "{complaint}");
    }

    #[test]
    fn a_request_that_makes_no_sense_says_why() {
        for (request, complaint) in [
            ("ping", "Kafka knows no request `ping`"),
            ("fetch from=t offset=0 committed=true", "`t` is no partition such as `t/0`"),
            ("create topic=t partitions=1 cleanup=all", "`cleanup=all` is none of"),
            ("produce to=t/0 records=[k]", "`k` is no `[key, value]`"),
        ] {
            let found = run_on_model(&format!("title: t\nann: {request}\n-> done"));
            assert!(found.as_ref().is_err_and(|it| it.contains(complaint)), "{found:?}");
        }
    }
}
