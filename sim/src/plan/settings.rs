//! The world without its faults: stores, links, clocks, costs.

use crate::time::{Span, VirtualTime};
use std::collections::BTreeMap;

/// How the world is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Which stores and sinks.
    pub stores: Stores,
    /// How long messages take.
    pub links: Links,
    /// What a turn costs.
    pub cpu: Cpu,
    /// How processes come back.
    pub restarts: Restarts,
    /// When phases begin and waits end.
    pub timing: Timing,
    /// How many pieces the executor of a process claims to work on at once.
    pub pieces: usize,
    /// In which order those things happen that happen at one moment; without it, in the
    /// order in which they were planned.
    pub ties: Option<Ties>,
}

/// Another order among the things of one moment, for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ties {
    /// What the order depends on.
    pub seed: u64,
    /// From here on.
    pub from: VirtualTime,
    /// Up to here, exclusively; always, without it.
    pub until: Option<VirtualTime>,
}

/// Which protocol a journal, a store of snapshots or a sink speaks, and so which model
/// answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stores {
    /// The journal.
    pub journal: StoreKind,
    /// The snapshots.
    pub snapshots: StoreKind,
    /// All sinks but those below: ideal, or as their connector says.
    pub sinks: StoreKind,
    /// Single sinks, by table.
    pub sink: BTreeMap<String, StoreKind>,
}

/// A kind of store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StoreKind {
    /// What the table's connector is; of a journal or snapshots: local.
    Connector,
    /// One without any mistake of its own, which exists only here.
    Ideal,
    /// A folder on the disk of the machine.
    Local,
    /// An object store with conditional writes.
    Object,
    /// A Kafka topic; only a journal.
    Topic,
}

impl StoreKind {
    /// All kinds with their names.
    pub const ALL: &[(&str, StoreKind)] = &[
        ("connector", StoreKind::Connector),
        ("ideal", StoreKind::Ideal),
        ("local", StoreKind::Local),
        ("object", StoreKind::Object),
        ("topic", StoreKind::Topic),
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        let found = StoreKind::ALL.iter().find(|(_, kind)| *kind == self);
        found.expect("every kind has a name").0
    }
}

impl Stores {
    /// How a sink is served.
    #[must_use]
    pub fn sink_kind(&self, table: &str) -> StoreKind {
        self.sink.get(table).copied().unwrap_or(self.sinks)
    }

    /// As a job on one machine has them: a local folder, and sinks as they are.
    #[must_use]
    pub fn local() -> Stores {
        Stores {
            journal: StoreKind::Local,
            snapshots: StoreKind::Local,
            sinks: StoreKind::Connector,
            sink: BTreeMap::new(),
        }
    }
}

impl Default for Stores {
    /// All ideal.
    fn default() -> Stores {
        Stores {
            journal: StoreKind::Ideal,
            snapshots: StoreKind::Ideal,
            sinks: StoreKind::Ideal,
            sink: BTreeMap::new(),
        }
    }
}

/// How long a message takes, one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// At least so long.
    pub base: Span,
    /// And up to so much more.
    pub jitter: Span,
}

/// The links between a process and everything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Links {
    /// To the journal.
    pub journal: Latency,
    /// To the store of snapshots.
    pub snapshots: Latency,
    /// To the sinks.
    pub sinks: Latency,
    /// To the sources.
    pub sources: Latency,
}

impl Default for Links {
    fn default() -> Links {
        let latency = |us| Latency { base: Span::us(us), jitter: Span(0) };
        Links {
            journal: latency(250),
            snapshots: latency(1_000),
            sinks: latency(500),
            sources: latency(500),
        }
    }
}

/// What a turn costs the one processor of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Every turn.
    pub turn: Span,
    /// Every 1024 bytes that come in or go out.
    pub kibibyte: Span,
}

impl Default for Cpu {
    fn default() -> Cpu {
        Cpu { turn: Span::us(20), kibibyte: Span::us(5) }
    }
}

/// How processes come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restarts {
    /// How long after a crash.
    pub delay: Span,
    /// The first wait after an end that a restart may mend; it doubles up to a
    /// hundredfold.
    pub backoff: Span,
    /// More starts than this are a restart loop.
    pub starts_max: u32,
}

impl Default for Restarts {
    fn default() -> Restarts {
        Restarts { delay: Span::ms(500), backoff: Span::ms(100), starts_max: 60 }
    }
}

/// When phases begin and waits end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// A request without an answer counts as lost after so long.
    pub request_limit: Span,
    /// A source holds an answer back for so long while nothing is new.
    pub hold: Span,
    /// From here on nothing goes wrong any more.
    pub heal: VirtualTime,
    /// Within so long after that, and after the last arrival, all must be done.
    pub budget: Span,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            request_limit: Span::ms(2_000),
            hold: Span::ms(1_000),
            heal: VirtualTime(60_000_000_000),
            budget: Span::ms(600_000),
        }
    }
}
