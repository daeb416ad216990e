//! The watermarks of splits and of one operator over all of them, by the text of rule
//! T-3: records, ends and marks go in, first watermarks and advances come out.
// spec: T-3

/// No watermark yet.
pub const NEVER: i64 = i64::MIN;
/// Nothing will come any more.
pub const END: i64 = i64::MAX;

/// What is known of a split.
#[derive(Clone, Copy, Debug)]
pub struct SplitClock {
    pub watermark: i64,
    pub idle: bool,
    pub ended: bool,
}

/// One operator with the splits that feed it.
#[derive(Clone, Debug)]
pub struct Clock {
    pub splits: Vec<SplitClock>,
    /// The operator's watermark.
    pub operator: i64,
    /// Whether all tables that feed it are bounded.
    pub bounded: bool,
}

impl Clock {
    pub fn new(bounded: bool) -> Clock {
        Clock { splits: Vec::new(), operator: NEVER, bounded }
    }

    /// A new split starts at the operator's watermark.
    pub fn add(&mut self) -> i64 {
        self.splits.push(SplitClock { watermark: self.operator, idle: false, ended: false });
        self.operator
    }

    /// A record came, with this value of the watermark expression.
    pub fn record(&mut self, split: usize, value: Option<i64>) {
        let split = &mut self.splits[split];
        split.idle = false;
        split.watermark = split.watermark.max(value.unwrap_or(NEVER));
    }

    /// Ends the epoch: gives the idle splits that move and where to, and moves the
    /// operator.
    pub fn end_epoch(&mut self) -> Vec<(usize, i64)> {
        let before = self.splits.clone();
        let mut advances = Vec::new();
        for (index, split) in self.splits.iter_mut().enumerate() {
            let others = before
                .iter()
                .enumerate()
                .filter(|(other, it)| *other != index && !it.idle && !it.ended);
            let lowest = others.map(|(_, it)| it.watermark).min();
            if split.idle && !split.ended && lowest.is_some_and(|it| it > split.watermark) {
                split.watermark = lowest.unwrap();
                advances.push((index, split.watermark));
            }
        }
        let open = self.splits.iter().filter(|split| !split.ended);
        let highest = self.splits.iter().map(|split| split.watermark).max().unwrap_or(NEVER);
        // With all splits ended, what they come to if they end lowest first.
        let all_ended = if self.bounded { END } else { highest };
        let reached = open.map(|split| split.watermark).min().unwrap_or(all_ended);
        self.operator = self.operator.max(reached);
        advances
    }
}
