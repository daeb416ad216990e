//! Transcripts on models, in virtual time.

use super::{Executor, Phrase};
use crate::model::{ClientId, Service};
use crate::time::{Span, VirtualTime};
use anabranch_engine::service::{Answer, Request};

/// A model to which transcripts can do what they do to the real service from outside.
pub trait Staged: Service {
    /// Carries out an act.
    ///
    /// # Errors
    /// If there is no such act, or it did not go well.
    fn act(&mut self, now: VirtualTime, act: &Phrase) -> Result<Phrase, String>;
}

/// A model that executes transcripts. Each request takes a millisecond.
#[derive(Debug)]
pub struct OnModel<S> {
    service: S,
    now: VirtualTime,
    /// The clients by the order in which they were named first: each is a process.
    clients: Vec<String>,
}

impl<S: Staged> OnModel<S> {
    /// A model at the start of its life.
    #[must_use]
    pub fn new(service: S) -> OnModel<S> {
        OnModel { service, now: VirtualTime::default(), clients: Vec::new() }
    }

    fn pass(&mut self, span: Span) {
        let until = self.now + span;
        while let Some(due) = self.service.next_event().filter(|due| *due <= until) {
            self.now = self.now.max(due);
            self.service.pass_time(self.now);
        }
        self.now = until;
        self.service.pass_time(until);
    }
}

impl<S: Staged> Executor for OnModel<S> {
    fn execute(&mut self, client: &str, request: &Request) -> Answer {
        self.pass(Span::ms(1));
        let known = self.clients.iter().position(|it| it == client);
        let process = known.unwrap_or_else(|| {
            self.clients.push(client.into());
            self.clients.len() - 1
        });
        let client = ClientId { process: process as u32, machine: 0 };
        self.service.execute(self.now, client, request)
    }

    fn act(&mut self, act: &Phrase) -> Result<Phrase, String> {
        self.pass(Span::ms(1));
        self.service.act(self.now, act)
    }

    fn sleep(&mut self, ms: u64) {
        self.pass(Span::ms(i64::try_from(ms).unwrap_or(i64::MAX / 1_000_000)));
    }
}
