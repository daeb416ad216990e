//! Models of the services: what answers the requests of the core's machines.
//!
//! A model is stricter than the real service, never kinder: whatever the service's
//! documentation allows may happen, also what it hardly ever does. What a model does is
//! held against the real service by the transcripts of `tests/conformance`.

pub mod clickhouse;
pub mod disk;
pub mod kafka;
pub mod object;
pub mod redis;

use crate::time::VirtualTime;
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::Marker;
use bytes::Bytes;

/// Who asks: one machine of one process. A process that comes back is another client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientId {
    /// The process, counted through the life of the world.
    pub process: u32,
    /// The machine within it.
    pub machine: u32,
}

/// A service in the world.
///
/// The four outcomes of a request are made by the world around it: *done* and *refused*
/// are answers of [`Service::execute`]; *lost before it took effect* is a request that is
/// never given to it, and *took effect but the answer is lost* one whose answer is thrown
/// away. A request may also be given to it twice, or long after its client has gone.
pub trait Service: std::fmt::Debug {
    /// Carries out one request at a moment that is not before that of any earlier call.
    fn execute(&mut self, now: VirtualTime, client: ClientId, request: &Request) -> Answer;

    /// Lets something happen inside of the service; gives what it was in words, or `None`
    /// if there was nothing that could happen so.
    fn disturb(&mut self, now: VirtualTime, disturbance: &Disturbance) -> Option<String>;

    /// What it has not kept so far.
    fn toll(&self) -> Toll {
        Toll::default()
    }

    /// A process has died: what the service kept for its connections is gone.
    fn client_died(&mut self, now: VirtualTime, process: u32);

    /// When the service next does something by itself, such as ending a transaction that
    /// took too long.
    fn next_event(&self) -> Option<VirtualTime>;

    /// Lets everything happen that is due.
    fn pass_time(&mut self, now: VirtualTime);

    /// The service once more, as a copy of all that it holds gives it: what is kept for a
    /// process or a connection, such as a lock, is not in the copy.
    fn copied(&self) -> Box<dyn Service>;

    /// What a reader sees who keeps to the service's rules (`read_committed`, `FINAL`,
    /// files with a final name).
    fn view(&self, now: VirtualTime) -> View;

    /// The same, told by how it differs from what a reader saw `before`; `glance` is what
    /// the service said then. Whatever a service leaves out of it because it knows that it
    /// did not change must be as [`Service::view`] says.
    fn look(&self, now: VirtualTime, before: &View, _glance: Option<Glance>) -> Change {
        Change::between(before, self.view(now))
    }
}

/// What a service has not kept, counted from its beginning. Only what was there is counted,
/// and went: that something happened to a service is no loss.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Toll {
    /// Things that it had acknowledged and that are gone: writes, rows, records, files.
    pub gone: u64,
    /// Bits that turned.
    pub rotten: u64,
    /// Files that are not as they were seen, since they were never synced.
    pub unsynced: u64,
    /// Requests that took effect in part, though they are taken whole.
    pub torn: u64,
}

impl Toll {
    /// What is not kept since an earlier count.
    #[must_use]
    pub fn since(self, before: Toll) -> Toll {
        Toll {
            gone: self.gone - before.gone,
            rotten: self.rotten - before.rotten,
            unsynced: self.unsynced - before.unsynced,
            torn: self.torn - before.torn,
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Toll) -> Toll {
        Toll {
            gone: self.gone + other.gone,
            rotten: self.rotten + other.rotten,
            unsynced: self.unsynced + other.unsynced,
            torn: self.torn + other.torn,
        }
    }

    /// Whether something is gone, or is not what it was, that had been acknowledged.
    #[must_use]
    pub fn breaks_promises(self) -> bool {
        self.gone + self.rotten > 0
    }
}

/// Up to where a reader has looked at a service, in words of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Glance {
    /// Another one whenever what was seen may have changed, and not only grown.
    pub history: u64,
    /// Up to where everything was seen.
    pub seen: u64,
}

/// What a reader sees, told by how it differs from what was seen before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// So many records at the beginning are as before.
    pub kept: usize,
    /// The records behind them.
    pub records: Vec<ViewRecord>,
    /// The marker.
    pub marker: Option<Marker>,
    /// What the service wants to be told when it is looked at next.
    pub glance: Option<Glance>,
}

impl Change {
    /// How a view differs from the one before it.
    #[must_use]
    pub fn between(before: &View, mut view: View) -> Change {
        let pairs = view.records.iter().zip(&before.records);
        let kept = pairs.take_while(|(now, then)| now.is_same(then)).count();
        let records = view.records.split_off(kept);
        Change { kept, records, marker: view.marker, glance: None }
    }
}

impl ViewRecord {
    /// Whether both are equal; the same bytes in memory are so without a look.
    fn is_same(&self, other: &ViewRecord) -> bool {
        let is_same =
            |a: &Bytes, b: &Bytes| (a.as_ptr() == b.as_ptr() && a.len() == b.len()) || a == b;
        self.part == other.part
            && is_same(&self.value, &other.value)
            && is_same(&self.key, &other.key)
    }
}

/// What a reader sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// The records, in the order in which a reader meets them; for keyed stores by key.
    pub records: Vec<ViewRecord>,
    /// The marker that stands with them, as far as a reader could see it.
    pub marker: Option<Marker>,
}

/// One record as a reader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ViewRecord {
    /// The part of the service, such as a partition; 0 where there are none.
    pub part: u32,
    /// The key; empty without one.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
}

impl Disturbance {
    /// Whether it takes away what was acknowledged, if there is any, so that a job may have
    /// to fail.
    #[must_use]
    pub fn is_loss(&self) -> bool {
        match self {
            Disturbance::LoseAcknowledged { .. }
            | Disturbance::LoseMarker
            | Disturbance::Retention { .. }
            | Disturbance::Rot { .. } => true,
            Disturbance::ExpireProducers
            | Disturbance::FailSync
            | Disturbance::Failover
            | Disturbance::Fill { .. }
            | Disturbance::ForgetTokens
            | Disturbance::MakeRoom
            | Disturbance::Merge
            | Disturbance::PowerFailure { .. }
            | Disturbance::StopInsert { .. }
            | Disturbance::TakeFiles => false,
        }
    }
}

/// Something that happens inside of a service, as a plan names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Disturbance {
    /// Redis, or a disk that lies: the last so many acknowledged writes are lost.
    LoseAcknowledged {
        /// How many.
        writes: u32,
    },
    /// A key or file of this kind is gone: evicted, expired, removed by hand.
    LoseMarker,
    /// Kafka: the coordinator, or a leader, moves to another broker. Redis: another server
    /// takes over, and clients of the old one do not know it yet.
    Failover,
    /// Kafka: what the broker knew of idle producers is forgotten.
    ExpireProducers,
    /// Kafka: the oldest records are removed by retention.
    Retention {
        /// How many records stay.
        keep: u32,
    },
    /// ClickHouse: merges happen now; others wait until they are told.
    Merge,
    /// ClickHouse: deduplication windows have passed.
    ForgetTokens,
    /// ClickHouse: the next insert is killed after so many of its parts.
    StopInsert {
        /// How many parts are written.
        parts: u32,
    },
    /// A disk, or the memory of Redis: so many bytes or writes more, then it is full.
    Fill {
        /// How many writes still go well.
        writes: u32,
    },
    /// A full disk or memory has room again. Kafka: replicas and coordinators keep up.
    MakeRoom,
    /// A disk: a consumer takes away the files of a sink that it sees.
    TakeFiles,
    /// A disk: the next sync fails, and what it should have kept may be lost.
    FailSync,
    /// A disk: one bit of a file changes. The file is chosen by the number.
    Rot {
        /// Chooses file, byte and bit.
        place: u64,
    },
    /// A disk: the power fails, and of what was not synced stays what the number chooses.
    /// Redis: the server is killed and starts again, with what its log holds.
    PowerFailure {
        /// Chooses one of the possible states.
        choice: u64,
    },
}
