//! Jobs, stores and faults in which a planted bug shows.

mod doubt;
mod jobs;
mod spice;
mod staged;
mod state;

use anabranch_engine::plan::Plan;
use anabranch_sim::generate::{Material, Profile, generate};
use anabranch_sim::plan::{RunPlan, StoreKind, Stores};
use std::sync::Arc;

/// What a bug is looked for with.
#[derive(Clone, Copy, Debug)]
pub struct Witness {
    /// A word for it.
    pub name: &'static str,
    job: fn() -> Plan,
    profile: Profile,
    /// The journal, the snapshots and the sinks.
    stores: [StoreKind; 3],
    records_max: u64,
    /// What is done to a plan beyond what the generator does to all.
    spice: Option<fn(&mut RunPlan)>,
}

const IDEAL: [StoreKind; 3] = [StoreKind::Ideal; 3];
const SINKS: [StoreKind; 3] = [StoreKind::Ideal, StoreKind::Ideal, StoreKind::Connector];
const OBJECT: [StoreKind; 3] = [StoreKind::Object, StoreKind::Object, StoreKind::Ideal];
const LOCAL: [StoreKind; 3] = [StoreKind::Local, StoreKind::Local, StoreKind::Ideal];
const TOPIC: [StoreKind; 3] = [StoreKind::Topic, StoreKind::Ideal, StoreKind::Ideal];

const fn witness(name: &'static str, job: fn() -> Plan, profile: Profile) -> Witness {
    Witness { name, job, profile, stores: IDEAL, records_max: 120, spice: None }
}

const fn stored(name: &'static str, job: fn() -> Plan, stores: [StoreKind; 3]) -> Witness {
    Witness { stores, ..witness(name, job, Profile::Storm) }
}

/// Aligned windows of all kinds, whose rows come late.
pub const ALIGNED: Witness = witness("aligned", jobs::aligned, Profile::Swarm);
/// The same, with values that are none of their column's.
pub const BAD_VALUES: Witness = Witness {
    spice: Some(spice::bad_values),
    ..witness("bad values", jobs::aligned, Profile::Swarm)
};
/// Sessions whose gaps are as long as the distance of records.
pub const SESSIONS: Witness = Witness {
    spice: Some(spice::coarse_times),
    ..witness("sessions", jobs::sessions, Profile::Swarm)
};
/// Windows over windows.
pub const NESTED: Witness = witness("nested", jobs::nested, Profile::Swarm);
/// A table that grows, with splits that come later and fall silent.
pub const GROWING: Witness = Witness {
    spice: Some(spice::silent_splits),
    ..witness("growing", jobs::growing, Profile::Swarm)
};
/// The same with nothing going wrong, so that how long things take can be judged.
pub const GROWING_CALM: Witness = Witness {
    spice: Some(spice::silent_splits),
    ..witness("growing, calm", jobs::growing, Profile::Calm)
};
/// Three sinks in memory, and much goes wrong.
pub const SINKS_IN_MEMORY: Witness = witness("three sinks", jobs::three_sinks, Profile::Storm);
/// Files, a local journal, local snapshots.
pub const FILES: Witness = stored("files", jobs::three_sinks, SINKS);
/// A Kafka sink.
pub const KAFKA: Witness = stored("kafka", jobs::kafka, SINKS);
/// A Redis sink.
pub const REDIS: Witness = stored("redis", jobs::redis, SINKS);
/// A Redis sink whose server loses what it had acknowledged.
pub const REDIS_LOSES: Witness =
    Witness { spice: Some(spice::lose_acknowledged), ..stored("redis, lossy", jobs::redis, SINKS) };
/// A ClickHouse table that rows are added to.
pub const CLICKHOUSE_APPEND: Witness = stored("clickhouse", jobs::clickhouse_append, SINKS);
/// A ClickHouse table with a key.
pub const CLICKHOUSE_KEYED: Witness = stored("clickhouse, keyed", jobs::clickhouse_keyed, SINKS);
/// A ClickHouse table that is written through a staging table.
pub const CLICKHOUSE_STRICT: Witness = stored("clickhouse, strict", jobs::clickhouse_strict, SINKS);
/// Journal and snapshots on a local disk.
pub const LOCAL_STORES: Witness = stored("local stores", jobs::three_sinks, LOCAL);
/// Journal and snapshots in an object store.
pub const OBJECT_STORES: Witness = stored("object store", jobs::three_sinks, OBJECT);
/// A journal in a topic.
pub const TOPIC_JOURNAL: Witness = stored("topic journal", jobs::three_sinks, TOPIC);
/// Journal and snapshots in an object store that lets objects rot.
pub const OBJECT_ROT: Witness = Witness {
    spice: Some(spice::rot_in_stores),
    ..stored("object store, rot", jobs::three_sinks, OBJECT)
};
/// Journal and snapshots on a disk that lets files rot.
pub const LOCAL_ROT: Witness = Witness {
    spice: Some(spice::rot_in_stores),
    ..stored("local stores, rot", jobs::three_sinks, LOCAL)
};

/// Snapshots rot in an object store.
pub const OBJECT_SNAPSHOTS_ROT: Witness = Witness {
    spice: Some(staged::rot_in_snapshots),
    ..stored("object snapshots, rot", jobs::aligned, OBJECT)
};
/// Snapshots rot on a disk.
pub const LOCAL_SNAPSHOTS_ROT: Witness = Witness {
    spice: Some(staged::rot_in_snapshots),
    ..stored("local snapshots, rot", jobs::aligned, LOCAL)
};
/// A split's newest records are replaced by others.
pub const REPLACED: Witness = Witness {
    spice: Some(spice::replaced_records),
    ..witness("replaced records", jobs::three_sinks, Profile::Swarm)
};

/// Files whose writing is in doubt.
pub const FILES_IN_DOUBT: Witness =
    Witness { spice: Some(doubt::in_doubt), ..stored("files in doubt", jobs::three_sinks, SINKS) };
/// Files that consumers take away.
pub const FILES_TAKEN: Witness =
    Witness { spice: Some(doubt::taken_files), ..stored("files taken", jobs::three_sinks, SINKS) };
/// A Kafka sink whose transactions are in doubt.
pub const KAFKA_IN_DOUBT: Witness =
    Witness { spice: Some(doubt::in_doubt), ..stored("kafka in doubt", jobs::kafka, SINKS) };
/// A Kafka sink whose marker is removed.
pub const KAFKA_LOSES_MARKER: Witness = Witness {
    spice: Some(doubt::lost_marker),
    ..stored("kafka, lossy marker", jobs::kafka, SINKS)
};
/// A Kafka sink to which replaced processes still write.
pub const KAFKA_ZOMBIES: Witness =
    Witness { spice: Some(doubt::zombies), ..stored("kafka, zombies", jobs::kafka, SINKS) };
/// A Kafka sink of a job whose state was cloned.
pub const KAFKA_CLONED: Witness =
    Witness { spice: Some(state::cloned), ..stored("kafka, cloned", jobs::kafka, SINKS) };
/// A Kafka sink of a job whose state was put back.
pub const KAFKA_PUT_BACK: Witness = Witness {
    spice: Some(state::other_history),
    ..stored("kafka, put back", jobs::kafka_whole, SINKS)
};
/// A Redis sink of a job whose state was cloned.
pub const REDIS_CLONED: Witness =
    Witness { spice: Some(state::cloned), ..stored("redis, cloned", jobs::redis, SINKS) };
/// A Redis sink of a job whose state was put back.
pub const REDIS_PUT_BACK: Witness = Witness {
    spice: Some(state::other_history),
    ..stored("redis, put back", jobs::redis_whole, SINKS)
};
/// A ClickHouse table with a key, of a job whose state was cloned.
pub const CLICKHOUSE_CLONED: Witness = Witness {
    spice: Some(state::cloned),
    ..stored("clickhouse, cloned", jobs::clickhouse_keyed, SINKS)
};
/// A ClickHouse table that is written through a staging table, in doubt.
pub const STRICT_IN_DOUBT: Witness = Witness {
    spice: Some(doubt::in_doubt),
    ..stored("strict in doubt", jobs::clickhouse_strict, SINKS)
};
/// The same, to which a process writes that was replaced.
pub const STRICT_OVERTAKEN: Witness = Witness {
    spice: Some(doubt::overtaken),
    ..stored("strict, overtaken", jobs::clickhouse_strict, SINKS)
};
/// Sources that answer twice.
pub const ANSWERED_TWICE: Witness = Witness {
    spice: Some(doubt::answered_twice),
    ..witness("answered twice", jobs::three_sinks, Profile::Calm)
};
/// A record that kills whoever computes it.
pub const POISON: Witness =
    Witness { spice: Some(state::poison), ..witness("poison", jobs::three_sinks, Profile::Calm) };
/// A table that grows, whose records wait for a slow journal.
pub const BACKLOG: Witness =
    Witness { spice: Some(staged::backlog), ..witness("backlog", jobs::growing, Profile::Calm) };
/// A job whose rows tell what the clock read.
pub const TICKS: Witness =
    Witness { spice: Some(spice::silent_splits), ..witness("ticks", jobs::ticks, Profile::Swarm) };
/// The same, and the clock is set back.
pub const TICKS_SET_BACK: Witness = Witness {
    spice: Some(staged::clock_is_set_back),
    ..witness("ticks, set back", jobs::ticks, Profile::Swarm)
};
/// Sums of doubles that overflow on their way.
pub const HUGE: Witness = Witness {
    spice: Some(staged::huge_doubles),
    ..witness("huge doubles", jobs::aligned, Profile::Swarm)
};
/// Three sinks over logs.
pub const LOGS: Witness = witness("logs", jobs::three_sinks_of_logs, Profile::Storm);
/// Records of a log go before they were read, or are given twice.
pub const LOGS_LOSE: Witness = Witness {
    spice: Some(staged::unread_records_go),
    ..witness("logs, lossy", jobs::three_sinks_of_logs, Profile::Swarm)
};
/// A sink is away while the journal grows by two generations.
pub const SINK_AWAY: Witness = Witness {
    spice: Some(staged::sink_is_away),
    ..witness("sink away", jobs::three_sinks, Profile::Calm)
};
/// A sink is away over two restarts.
pub const SINK_AWAY_TWICE: Witness = Witness {
    spice: Some(staged::sink_is_away_twice),
    ..witness("sink away twice", jobs::three_sinks, Profile::Calm)
};
/// The process dies when old snapshots were just removed from a disk.
pub const LOCAL_TRIMMED: Witness = Witness {
    spice: Some(staged::dies_after_trim),
    ..stored("local stores, trimmed", jobs::three_sinks, LOCAL)
};
/// The process dies when old snapshots were just removed from an object store.
pub const OBJECT_TRIMMED: Witness = Witness {
    spice: Some(staged::dies_after_trim),
    ..stored("object store, trimmed", jobs::three_sinks, OBJECT)
};
/// The process dies while it stores a snapshot on a disk.
pub const LOCAL_HALF_STORED: Witness = Witness {
    spice: Some(staged::dies_while_storing),
    ..stored("local stores, half stored", jobs::three_sinks, LOCAL)
};
/// The process dies while it stores a snapshot in an object store.
pub const OBJECT_HALF_STORED: Witness = Witness {
    spice: Some(staged::dies_while_storing),
    ..stored("object store, half stored", jobs::three_sinks, OBJECT)
};
/// The process is replaced while it stores a snapshot in an object store.
pub const OBJECT_TWO_RUNS: Witness = Witness {
    spice: Some(staged::replaced_while_storing),
    ..stored("object store, two runs", jobs::three_sinks, OBJECT)
};
/// The power fails while the journal is written to a disk.
pub const LOCAL_TORN: Witness = Witness {
    spice: Some(staged::torn_tails),
    ..stored("local stores, torn", jobs::three_sinks, LOCAL)
};
/// A bit of a journal on a disk turns while no sink can tell how far it went.
pub const LOCAL_ROT_ALONE: Witness = Witness {
    spice: Some(staged::rot_while_sinks_are_away),
    ..stored("local stores, rot, sinks away", jobs::three_sinks, LOCAL)
};

impl Witness {
    /// Its job.
    #[must_use]
    pub fn job(&self) -> Arc<Plan> {
        Arc::new((self.job)())
    }

    /// The plan of a seed.
    #[must_use]
    pub fn plan(&self, seed: u64, job: &Plan) -> RunPlan {
        let [journal, snapshots, sinks] = self.stores;
        let stores = Stores { journal, snapshots, sinks, ..Stores::default() };
        let records_max = self.records_max;
        let material = Material { stores, records_max, ..Material::new(self.name, self.profile) };
        let mut plan = generate(seed, job, &material);
        if let Some(spice) = self.spice {
            spice(&mut plan);
        }
        plan
    }
}
