//! What goes wrong, and when: a trigger that names content, and an action.

use crate::model::Disturbance;
use crate::time::{Span, VirtualTime};

/// A service that cannot be reached for as long as this is away, rather than hard to reach.
pub const OUTAGE: Span = Span::ms(60_000);

/// One deviation from a world in which nothing goes wrong. It happens once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deviation {
    /// When.
    pub trigger: Trigger,
    /// What.
    pub action: Action,
}

/// When a deviation happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// At a moment of virtual time.
    At(VirtualTime),
    /// When something is done.
    When {
        /// The how-manieth time that all of the rest holds, from 1.
        nth: u32,
        /// What is done, and which side of it.
        point: Point,
        /// Only if it concerns the epoch, or the fetch, that holds this record.
        holding: Option<RecordName>,
        /// Only in the process that was started after so many restarts.
        restarts: Option<u32>,
    },
}

/// A record by its split and its number in the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordName {
    /// The split, as `table/name` or only `name`.
    pub split: String,
    /// The record's number.
    pub number: u64,
}

/// A side of something that is done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// A pipeline asks for it; it is not begun.
    Before(Operation),
    /// It is done, and the pipeline has not been told.
    After(Operation),
    /// A request leaves for a service.
    Request(Target),
    /// A request took effect, and its answer leaves the service.
    Answer(Target),
}

/// Whose requests are meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Those of an operation.
    Of(Operation),
    /// Those to a service, by its name: `journal`, `snapshots`, or a sink's table.
    To(String),
}

/// What a pipeline asks of the world, in the order of its life. A table is that of a
/// sink or source; without one, any is meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operation {
    /// Any output at all.
    Output,
    /// The journal is read.
    ReadJournal,
    /// A sink is looked at.
    Inspect(Option<String>),
    /// A segment is opened.
    OpenJournal,
    /// A sink is opened.
    Open(Option<String>),
    /// Snapshots are listed.
    List,
    /// A snapshot is loaded.
    Load,
    /// Splits are listed.
    Discover(Option<String>),
    /// A split is read; it is named as in [`RecordName`].
    Fetch(Option<String>),
    /// An epoch's record is appended.
    Append,
    /// That the job is done is recorded.
    Finish,
    /// A chunk is applied.
    Apply(Option<String>),
    /// A snapshot is stored.
    Store,
    /// The journal or the store of snapshots is trimmed.
    Trim,
    /// The journal is asked who is the newest.
    Prove,
}

/// What happens.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// The process is killed, and started again after so long (or as the settings say).
    Crash {
        /// How long it is down.
        restart: Option<Span>,
    },
    /// The machine loses its power: the process is killed, and disks keep what the
    /// number chooses of what was not synced.
    PowerFailure {
        /// Chooses one of the possible states of every disk.
        choice: u64,
        /// How long it is down.
        restart: Option<Span>,
    },
    /// The process stands still for so long.
    Pause {
        /// How long.
        span: Span,
        /// Whether it is taken for dead, and another one started.
        successor: bool,
        /// It goes on sooner: once its successor has made so many outputs.
        until: Option<u32>,
    },
    /// Another process of the same job is started beside the first.
    DoubleStart,
    /// The wall clock of the process's machine jumps.
    ClockJump {
        /// By so much; it may be negative.
        by: Span,
    },
    /// From now on the wall clock of the process's machine is that much too fast, and so
    /// are all clocks of processes that start later.
    ClockDrift {
        /// In a million; it may be negative.
        ppm: i32,
    },
    /// The message at hand is lost, or delayed, or comes twice. At a point without a
    /// message it is the answer that the pipeline gets.
    Message(MessageFault),
    /// The link to a service, or to `sources`, fails for a while.
    Link {
        /// The service.
        service: String,
        /// How.
        fault: LinkFault,
        /// For how long.
        span: Span,
    },
    /// Something happens inside of a service.
    Disturb {
        /// The service.
        service: String,
        /// What.
        disturbance: Disturbance,
    },
    /// Something happens to the job's state: its journal and its snapshots.
    State(StateFault),
    /// From now on every process dies that computes an epoch for the first time in which
    /// this record is.
    Poison {
        /// The record.
        record: RecordName,
    },
    /// Something happens to a split.
    Source {
        /// The split, as in [`RecordName`].
        split: String,
        /// What.
        fault: SourceFault,
    },
}

impl Action {
    /// A word for what happens, without its details.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Crash { .. } => "crash",
            Action::PowerFailure { .. } => "power-failure",
            Action::Pause { successor: false, .. } => "pause",
            Action::Pause { successor: true, .. } => "zombie",
            Action::DoubleStart => "double-start",
            Action::ClockJump { .. } => "clock-jump",
            Action::ClockDrift { .. } => "clock-drift",
            Action::Message(fault) => match fault {
                MessageFault::DropRequest => "drop-request",
                MessageFault::DropAnswer => "drop-answer",
                MessageFault::Refuse => "refuse",
                MessageFault::Delay(_) => "delay",
                MessageFault::Duplicate(_) => "duplicate",
                MessageFault::Late(_) => "late",
            },
            Action::Link { fault, span, .. } => match fault {
                LinkFault::Cut if *span >= OUTAGE => "outage",
                LinkFault::Cut => "cut",
                LinkFault::CutAnswers => "cut-answers",
                LinkFault::CutRequests => "cut-requests",
                LinkFault::Slow(_) => "slow",
            },
            Action::Disturb { disturbance, .. } => match disturbance {
                Disturbance::LoseAcknowledged { .. } => "lose-acknowledged",
                Disturbance::LoseMarker => "lose-marker",
                Disturbance::Failover => "failover",
                Disturbance::ExpireProducers => "expire-producers",
                Disturbance::Retention { .. } => "retention",
                Disturbance::Merge => "merge",
                Disturbance::ForgetTokens => "forget-tokens",
                Disturbance::StopInsert { .. } => "stop-insert",
                Disturbance::Fill { .. } => "fill",
                Disturbance::MakeRoom => "make-room",
                Disturbance::FailSync => "fail-sync",
                Disturbance::TakeFiles => "take-files",
                Disturbance::Rot { .. } => "rot",
                Disturbance::PowerFailure { .. } => "disk-power-failure",
            },
            Action::State(fault) => match fault {
                StateFault::Copy => "copy-state",
                StateFault::PutBack => "put-back-state",
                StateFault::StartCopy => "start-copy",
            },
            Action::Poison { .. } => "poison",
            Action::Source { fault, .. } => match fault {
                SourceFault::Retain { .. } => "source-retain",
                SourceFault::Truncate { .. } => "source-truncate",
                SourceFault::Recreate => "source-recreate",
                SourceFault::Rewind => "source-rewind",
                SourceFault::Compact { .. } => "source-compact",
            },
        }
    }
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageFault {
    /// The request is lost before it takes effect.
    DropRequest,
    /// The request takes effect, and its answer is lost.
    DropAnswer,
    /// No connection can be made: the request takes no effect, and that is known.
    Refuse,
    /// The message takes so much longer.
    Delay(Span),
    /// The message comes once more, so much later.
    Duplicate(Span),
    /// The request takes effect so long after its client stopped waiting for it.
    Late(Span),
}

/// How a link fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkFault {
    /// Nothing gets through.
    Cut,
    /// Requests get through, and answers do not.
    CutAnswers,
    /// Requests do not get through, and what is on its way back does.
    CutRequests,
    /// Everything takes so much longer.
    Slow(Span),
}

/// What happens to the state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateFault {
    /// A copy of it is kept, as a backup or the picture of a machine does.
    Copy,
    /// The copy is put in its place: what was journaled since is gone.
    PutBack,
    /// Another process of the job is started on the copy, and nobody watches it.
    StartCopy,
}

/// What happens to a split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceFault {
    /// Only so many of the newest records stay.
    Retain {
        /// How many.
        keep: u64,
    },
    /// Its newest records are gone, and what comes later takes their offsets.
    Truncate {
        /// How many.
        records: u64,
    },
    /// It is another one of the same name, and empty.
    Recreate,
    /// Its reader's position is reset: the next read of a log is answered from where the
    /// log begins, whatever was asked for.
    Rewind,
    /// The record is not there any more, but its offset is.
    Compact {
        /// The record's number.
        number: u64,
    },
}
