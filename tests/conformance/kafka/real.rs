//! A genuine broker under transcripts.

use super::client::Client;
use crate::server::Server;
use anabranch_engine::service::kafka::{KafkaRequest, TopicPartition};
use anabranch_engine::service::{Answer, Request};
use anabranch_sim::conformance::{Executor, Phrase};
use std::collections::BTreeMap;
use std::time::Duration;

/// A broker with the connections of a transcript's clients.
pub(super) struct Real {
    server: Server,
    clients: BTreeMap<String, Client>,
    /// Counts the transcripts: each has topics and transactional ids of its own.
    transcript: u32,
}

impl Real {
    pub(super) fn start() -> Real {
        let server = Server::start("kafka", &[]);
        let mut real = Real { server, clients: BTreeMap::new(), transcript: 0 };
        real.wait_for_coordinator().expect("a broker that started has a coordinator");
        real
    }

    fn wait_for_coordinator(&mut self) -> std::io::Result<()> {
        self.client("outside")?.wait_for_coordinator()
    }

    fn kill(&mut self) -> std::io::Result<()> {
        self.server.kill();
        self.clients.clear();
        self.server.start_again();
        self.wait_for_coordinator()
    }

    /// Begins a transcript that knows nothing of those before.
    pub(super) fn reset(&mut self) {
        self.transcript += 1;
        self.clients.clear();
    }

    fn own(&self, name: &str) -> String {
        format!("{name}-{}", self.transcript)
    }

    fn own_partition(&self, partition: &TopicPartition) -> TopicPartition {
        TopicPartition { topic: self.own(&partition.topic), partition: partition.partition }
    }

    /// The request with the names of this transcript.
    fn own_request(&self, request: &KafkaRequest) -> KafkaRequest {
        let mut request = request.clone();
        match &mut request {
            KafkaRequest::InitProducer { transactional_id, .. } => {
                *transactional_id = transactional_id.as_deref().map(|id| self.own(id));
            }
            KafkaRequest::AddPartitions { transactional_id, partitions, .. } => {
                *transactional_id = self.own(transactional_id);
                *partitions = partitions.iter().map(|it| self.own_partition(it)).collect();
            }
            KafkaRequest::Produce { transactional_id, to, .. } => {
                *transactional_id = transactional_id.as_deref().map(|id| self.own(id));
                *to = self.own_partition(to);
            }
            KafkaRequest::EndTransaction { transactional_id, .. } => {
                *transactional_id = self.own(transactional_id);
            }
            KafkaRequest::Fetch { from, .. } | KafkaRequest::DeleteRecords { from, .. } => {
                *from = self.own_partition(from);
            }
            KafkaRequest::Describe { topic } | KafkaRequest::CreateTopic { topic, .. } => {
                *topic = self.own(topic);
            }
        }
        request
    }

    fn client(&mut self, name: &str) -> std::io::Result<&mut Client> {
        if !self.clients.contains_key(name) {
            let client = Client::connect(self.server.port())?;
            self.clients.insert(name.to_owned(), client);
        }
        Ok(self.clients.get_mut(name).expect("it was just made"))
    }
}

impl Executor for Real {
    fn execute(&mut self, client: &str, request: &Request) -> Answer {
        let Request::Kafka(request) = request else { panic!("it is Kafka that is asked") };
        let request = self.own_request(request);
        let Ok(connection) = self.client(client) else { return Answer::Unreachable };
        match connection.execute(&request) {
            Ok(answer) => Answer::Kafka(answer),
            Err(_) => {
                self.clients.remove(client);
                Answer::TimedOut
            }
        }
    }

    fn act(&mut self, act: &Phrase) -> Result<Phrase, String> {
        match act.word.as_str() {
            "delete-topic" => {
                let topic = self.own(&act.str("topic")?);
                let client = self.client("outside").map_err(|error| error.to_string())?;
                client.delete(&topic).map_err(|error| error.to_string())?;
            }
            "kill" => self.kill().map_err(|error| error.to_string())?,
            other => return Err(format!("nobody knows how to do `{other}` to Kafka")),
        }
        Ok(Phrase::new("done"))
    }

    fn sleep(&mut self, ms: u64) {
        std::thread::sleep(Duration::from_millis(ms));
    }
}
