//! The journal: the durable list of what the outside decided about every epoch.
//!
//! Everything here is a function from values to bytes and back; who writes the
//! bytes, and what is done when that fails, is not known here. A journal is a chain
//! of [segments](SegmentName); a segment is a sequence of
//! [frames](crate::codec::frame), each with one [`JournalEntry`], the first being
//! the [`SegmentHeader`].

mod decode;
pub mod encode;
pub mod hash;
mod history;
pub mod local;
mod machine;
mod object;
mod record;
mod scan;
mod segment;
mod slice;
pub mod topic;

pub use decode::{Decoder, decode_header};
pub use encode::Encoder;
pub use hash::{ChainHash, EpochHasher};
pub use history::{Cut, Damage, Journal, Placed, SegmentBytes, SegmentInfo};
pub use machine::{JournalMachine, JournalStep};
pub use object::ObjectJournal;
pub use record::{
    Acknowledged, ChunkLimits, Control, ControlRecord, EpochRecord, ExtraInput, FlushEnd,
    OutputHash, Skip, SliceRecord,
};
pub use scan::scan;
pub use segment::{
    AttemptRecord, Carried, EPOCH_MAX, FinishedRecord, FoundMarker, JOURNAL_VERSION, JournalEntry,
    LineageParent, PoisonRecord, Predecessor, SeamReason, SeamRecord, SegmentHeader, SegmentName,
    SourceIdentity, StoppedRecord,
};
pub use slice::{SliceDigest, SliceMismatch};

#[cfg(test)]
mod tests;
