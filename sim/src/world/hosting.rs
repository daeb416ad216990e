//! Which machines and services a run is made of.

use super::process::sink_lane;
use crate::ideal::{IdealJournal, IdealSink, IdealSnapshots, IdealStore};
use crate::model::clickhouse::ClickHouseModel;
use crate::model::disk::DiskModel;
use crate::model::kafka::{KafkaConfig, KafkaModel, Watched};
use crate::model::object::ObjectModel;
use crate::model::redis::{RedisModel, RedisModelConfig};
use crate::model::{Change, ClientId, Disturbance, Glance, Service, Toll, View};
use crate::plan::{RunPlan, StoreKind, Stores};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::ids::SinkId;
use anabranch_engine::journal::topic::{TopicJournal, TopicJournalConfig};
use anabranch_engine::journal::{JournalMachine, ObjectJournal, local::LocalJournal};
use anabranch_engine::plan::Table;
use anabranch_engine::service::clickhouse::{ClickHouseTable, TableEngine};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::clickhouse::{
    ClickHouseAppend, ClickHouseKeyed, ClickHouseStrict, ClickHouseTarget,
};
use anabranch_engine::sink::files::FileSink;
use anabranch_engine::sink::kafka::{KafkaSink, KafkaSinkConfig};
use anabranch_engine::sink::redis::{RedisLayout, RedisSink, RedisSinkConfig};
use anabranch_engine::sink::{SinkMachine, SinkShard};
use anabranch_engine::snapshot::{ObjectSnapshots, SnapshotMachine, local::LocalSnapshots};

/// Makes the machines of a process and the services of a world.
///
/// A test that wants a machine with a mistake in it, or a model of its own, brings
/// another one.
pub trait Hosting: std::fmt::Debug {
    /// The service behind the journal.
    fn journal_service(&self) -> Box<dyn Service>;
    /// The journal's machine of a new process.
    fn journal(&self) -> Box<dyn JournalMachine>;
    /// The service behind the store of snapshots.
    fn snapshots_service(&self) -> Box<dyn Service>;
    /// The snapshots' machine of a new process.
    fn snapshots(&self) -> Box<dyn SnapshotMachine>;
    /// The service behind a sink.
    fn sink_service(&self, sink: SinkId, table: &Table) -> Box<dyn Service>;
    /// A sink's machine of a new process.
    fn sink(&self, sink: SinkId, table: &Table) -> Box<dyn SinkMachine>;
    /// Whether a process can be replaced while it stands still: no store has a lock that
    /// only dies with its holder.
    fn is_lock_free(&self) -> bool;
}

/// The stores that a plan names, as the real ones are modelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    stores: Stores,
    seed: u64,
    /// Whether every sink that is not ideal is free of locks.
    sinks_lock_free: bool,
}

/// The folder of one sink on a disk of its own.
#[derive(Debug)]
struct SinkFolder {
    disk: DiskModel,
    /// The machine of every process that writes to it.
    machine: u32,
}

impl Service for SinkFolder {
    fn execute(&mut self, now: VirtualTime, client: ClientId, request: &Request) -> Answer {
        self.disk.execute(now, client, request)
    }

    fn disturb(&mut self, now: VirtualTime, disturbance: &Disturbance) -> Option<String> {
        self.disk.disturb(now, disturbance)
    }

    fn toll(&self) -> Toll {
        self.disk.toll()
    }

    fn client_died(&mut self, now: VirtualTime, process: u32) {
        self.disk.client_died(now, process);
    }

    fn next_event(&self) -> Option<VirtualTime> {
        self.disk.next_event()
    }

    fn pass_time(&mut self, now: VirtualTime) {
        self.disk.pass_time(now);
    }

    fn copied(&self) -> Box<dyn Service> {
        self.disk.copied()
    }

    fn view(&self, _: VirtualTime) -> View {
        self.disk.view_of(self.machine)
    }

    fn look(&self, _: VirtualTime, before: &View, _: Option<Glance>) -> Change {
        self.disk.look_at(self.machine, before)
    }
}

/// The job's name, as it stands in topics and keys.
const JOB: &str = "job";
/// Where the object stores keep what they have.
const PREFIX: &str = "state/";

impl Host {
    /// The stores of a plan for a job that writes these tables.
    #[must_use]
    pub fn of(plan: &RunPlan, job: &anabranch_engine::plan::Plan) -> Host {
        let stores = plan.settings.stores.clone();
        let locks = |table: &Table| {
            table.connector == "filesystem" && stores.sink_kind(&table.name) == StoreKind::Connector
        };
        let sinks_lock_free = !sink_tables(job).any(locks);
        Host { stores, seed: plan.seed, sinks_lock_free }
    }

    /// A bucket whose listings may be behind.
    fn object_store(&self) -> Box<dyn Service> {
        let mut draws = Draws::new(self.seed, "object store", "listings");
        let behind = Span::ms(*draws.choose(&[0, 0, 300, 5_000]));
        Box::new(ObjectModel::new(behind, self.seed))
    }

    /// Some clusters have used up most epochs of their producers, as after years; in some,
    /// replicas are behind now and then, and a coordinator fails behind its decision.
    fn kafka(&self, watched: Vec<Watched>) -> Box<dyn Service> {
        let mut draws = Draws::new(self.seed, "hosting", "kafka");
        let first_epoch = match draws.below(3) {
            0 => i16::MAX - 2 - draws.below(5) as i16,
            _ => 0,
        };
        Box::new(KafkaModel::new(KafkaConfig {
            seed: self.seed,
            first_epoch,
            stall_share: *draws.choose(&[0, 0, 40_000]),
            unclear_share: *draws.choose(&[0, 0, 60_000]),
            watched,
            ..KafkaConfig::default()
        }))
    }

    /// How many blocks a ClickHouse table remembers: none, as plain tables do unless told,
    /// or as many as a replicated one, or a few.
    fn deduplication_window(&self, table: &Table) -> u64 {
        *Draws::new(self.seed, "deduplication window", &table.name).choose(&[0, 100, 3])
    }
}

/// The tables that a job writes.
pub(super) fn sink_tables(job: &anabranch_engine::plan::Plan) -> impl Iterator<Item = &Table> + '_ {
    job.nodes.iter().filter_map(|node| match &node.kind {
        anabranch_engine::plan::NodeKind::Sink(sink) => Some(job.table(sink.table)),
        _ => None,
    })
}

fn shard(sink: SinkId) -> SinkShard {
    SinkShard { sink, shard: 0 }
}

fn kafka_config(sink: SinkId, table: &Table) -> KafkaSinkConfig {
    let topic = table.options.get("topic").unwrap_or(&table.name);
    KafkaSinkConfig::new(JOB, shard(sink), topic)
}

/// How a ClickHouse table takes rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClickHouseMode {
    Append,
    Keyed,
    Strict,
}

fn clickhouse_mode(table: &Table) -> ClickHouseMode {
    match table.options.get("mode").map(String::as_str) {
        Some("strict") => ClickHouseMode::Strict,
        Some("append") => ClickHouseMode::Append,
        Some(_) => ClickHouseMode::Keyed,
        None if table.primary_key.is_some() => ClickHouseMode::Keyed,
        None => ClickHouseMode::Append,
    }
}

fn clickhouse_table(table: &Table) -> String {
    table.options.get("table-name").unwrap_or(&table.name).clone()
}

impl Hosting for Host {
    fn journal_service(&self) -> Box<dyn Service> {
        match self.stores.journal {
            StoreKind::Connector | StoreKind::Local => Box::new(DiskModel::new(self.seed)),
            StoreKind::Ideal => Box::new(IdealStore::new()),
            StoreKind::Object => self.object_store(),
            StoreKind::Topic => self.kafka(Vec::new()),
        }
    }

    fn journal(&self) -> Box<dyn JournalMachine> {
        match self.stores.journal {
            StoreKind::Connector | StoreKind::Local => Box::new(LocalJournal::new()),
            StoreKind::Ideal => Box::new(IdealJournal::new()),
            StoreKind::Object => Box::new(ObjectJournal::new(PREFIX)),
            StoreKind::Topic => {
                let config = TopicJournalConfig { topic: "journal".into(), patience_ms: 10_000 };
                Box::new(TopicJournal::new(config))
            }
        }
    }

    fn snapshots_service(&self) -> Box<dyn Service> {
        match self.stores.snapshots {
            StoreKind::Connector | StoreKind::Local => Box::new(DiskModel::new(self.seed)),
            StoreKind::Ideal | StoreKind::Topic => Box::new(IdealStore::new()),
            StoreKind::Object => self.object_store(),
        }
    }

    fn snapshots(&self) -> Box<dyn SnapshotMachine> {
        match self.stores.snapshots {
            StoreKind::Connector | StoreKind::Local => Box::new(LocalSnapshots::new()),
            StoreKind::Ideal | StoreKind::Topic => Box::new(IdealSnapshots::new()),
            StoreKind::Object => Box::new(ObjectSnapshots::new(PREFIX)),
        }
    }

    fn sink_service(&self, sink: SinkId, table: &Table) -> Box<dyn Service> {
        if self.stores.sink_kind(&table.name) == StoreKind::Ideal {
            return Box::new(IdealStore::new());
        }
        match table.connector.as_str() {
            "clickhouse" => {
                let engine = match clickhouse_mode(table) {
                    ClickHouseMode::Append => TableEngine::ReplacingEqual,
                    ClickHouseMode::Keyed => TableEngine::Replacing,
                    ClickHouseMode::Strict => TableEngine::MergeTree,
                };
                let mut model = ClickHouseModel::default();
                let definition = ClickHouseTable {
                    engine,
                    partition_by_key: true,
                    deduplication_window: self.deduplication_window(table),
                    ..ClickHouseTable::default()
                };
                model.create(&clickhouse_table(table), definition);
                Box::new(model)
            }
            "filesystem" => {
                let disk = DiskModel::new(self.seed);
                Box::new(SinkFolder { disk, machine: sink_lane(sink) as u32 })
            }
            "kafka" => self.kafka(vec![Watched::of(&kafka_config(sink, table))]),
            "redis" => Box::new(RedisModel::new(RedisModelConfig::default())),
            _ => Box::new(IdealStore::new()),
        }
    }

    fn sink(&self, sink: SinkId, table: &Table) -> Box<dyn SinkMachine> {
        if self.stores.sink_kind(&table.name) == StoreKind::Ideal {
            return Box::new(IdealSink::new(table.keeps_marker()));
        }
        match table.connector.as_str() {
            "clickhouse" => {
                let target = ClickHouseTarget {
                    shard: shard(sink),
                    table: clickhouse_table(table),
                    block_rows_max: 1_000,
                };
                match clickhouse_mode(table) {
                    ClickHouseMode::Append => Box::new(ClickHouseAppend::new(target)),
                    ClickHouseMode::Keyed => Box::new(ClickHouseKeyed::new(target)),
                    ClickHouseMode::Strict => Box::new(ClickHouseStrict::new(target)),
                }
            }
            "filesystem" => Box::new(FileSink::new(sink, ".jsonl")),
            "kafka" => Box::new(KafkaSink::new(kafka_config(sink, table))),
            "redis" => Box::new(RedisSink::new(RedisSinkConfig {
                target: shard(sink),
                marker_key: format!("anabranch:{JOB}:{}", table.name).into(),
                key_prefix: bytes::Bytes::new(),
                layout: if table.is_hash() { RedisLayout::Hash } else { RedisLayout::Text },
            })),
            // What is printed, or thrown away, keeps no marker.
            _ => Box::new(IdealSink::new(false)),
        }
    }

    fn is_lock_free(&self) -> bool {
        let locks = |kind| matches!(kind, StoreKind::Connector | StoreKind::Local);
        self.sinks_lock_free && !locks(self.stores.journal) && !locks(self.stores.snapshots)
    }
}
