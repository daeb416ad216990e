//! Reads the end of a partition. Kafka reads forwards only; so a window before the end is
//! read first, and a larger one before it as long as what is sought was not found.

use crate::service::Request;
use crate::service::kafka::{KafkaRequest, PartitionState, TopicPartition};

/// How many offsets the first window has.
const WINDOW_FIRST: i64 = 64;
/// How much larger each further window is.
const WINDOW_GROWTH: i64 = 8;
/// How many bytes are asked for at once.
const FETCH_BYTES: u32 = 1 << 20;

/// Reads windows of a partition, the last one first, as a committed reader sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TailScan {
    pub(super) partition: TopicPartition,
    /// The first offset of the partition.
    log_start: i64,
    /// The first offset of the present window.
    start: i64,
    /// The next offset to read.
    at: i64,
    /// The offset after the present window; `None`: the last stable offset, wherever it
    /// stands by then.
    end: Option<i64>,
    window: i64,
    /// The offset after all that was read.
    reached: i64,
}

impl TailScan {
    /// A scan of a partition that was seen in this state. What it holds by now beyond
    /// that belongs to the first window.
    pub(super) fn new(partition: TopicPartition, seen: &PartitionState) -> TailScan {
        let start = (seen.high_watermark - WINDOW_FIRST).max(seen.log_start);
        TailScan {
            partition,
            log_start: seen.log_start,
            start,
            at: start,
            end: None,
            window: WINDOW_FIRST,
            reached: start,
        }
    }

    /// Reads on behind what was read.
    pub(super) fn read_on(&mut self) {
        (self.at, self.end) = (self.reached, None);
    }

    pub(super) fn request(&self) -> Request {
        Request::Kafka(KafkaRequest::Fetch {
            from: self.partition.clone(),
            offset: self.at,
            bytes_max: FETCH_BYTES,
            committed: true,
        })
    }

    /// Whether a record at this offset belongs to the present window.
    pub(super) fn holds(&self, offset: i64) -> bool {
        offset >= self.at && self.end.is_none_or(|end| offset < end)
    }

    /// Goes on to `next_offset`; gives whether the window has been read up to its end.
    pub(super) fn advance(&mut self, next_offset: i64, last_stable_offset: i64) -> bool {
        self.at = self.at.max(next_offset);
        if self.end.is_none() {
            self.reached = self.at;
        }
        self.at >= self.end.unwrap_or(last_stable_offset)
    }

    /// The offset after all that was read.
    pub(super) fn reached(&self) -> i64 {
        self.reached
    }

    /// The next offset that is asked for.
    pub(super) fn request_offset(&self) -> i64 {
        self.at
    }

    /// The first offset of the present window.
    pub(super) fn window_start(&self) -> i64 {
        self.start
    }

    /// Turns to the next window, before the present one; gives whether there is one.
    pub(super) fn widen(&mut self) -> bool {
        if self.start <= self.log_start {
            return false;
        }
        self.window *= WINDOW_GROWTH;
        self.end = Some(self.start);
        self.start = (self.start - self.window).max(self.log_start);
        self.at = self.start;
        true
    }
}
