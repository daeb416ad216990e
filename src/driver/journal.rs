//! The journal's thread: reads, opens, and appends with group commit.

use super::{Answers, Event};
use anabranch_connectors::in_phase;
use anabranch_connectors::store::{LocalJournalStore, StoreError};
use anabranch_engine::ids::{Epoch, Generation, RequestId};
use anabranch_engine::journal::{SegmentBytes, SegmentName};
use anabranch_engine::pipeline::Input;
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// How many commands may wait: more than epochs may be in flight.
const COMMANDS_MAX: usize = 1_024;

/// Where the journal is kept.
#[derive(Debug)]
pub(crate) enum JournalStore {
    /// In a folder.
    Local(LocalJournalStore),
    /// Nowhere: the job keeps no state.
    Memory,
}

/// What the journal's thread is asked.
#[derive(Debug)]
pub(super) enum Command {
    Read { request: RequestId },
    Open { segment: SegmentName, bytes: Bytes },
    Append { epoch: Epoch, bytes: Bytes },
    Note { request: RequestId, bytes: Bytes },
    Prove { request: RequestId, generation: Generation },
    Finish { bytes: Bytes },
    Remove { request: RequestId, segments: Vec<SegmentName> },
}

struct Journal {
    store: JournalStore,
    answers: Answers,
}

/// Starts the thread.
pub(super) fn start(store: JournalStore, answers: Answers) -> std::io::Result<SyncSender<Command>> {
    let (sender, receiver) = sync_channel(COMMANDS_MAX);
    let journal = Journal { store, answers };
    std::thread::Builder::new().name("journal".into()).spawn(move || journal.run(&receiver))?;
    Ok(sender)
}

impl Journal {
    fn run(mut self, commands: &Receiver<Command>) {
        let mut waiting: VecDeque<Command> = VecDeque::new();
        loop {
            if waiting.is_empty() {
                match commands.recv() {
                    Ok(command) => waiting.push_back(command),
                    Err(_) => return,
                }
            }
            waiting.extend(commands.try_iter());
            let Some(command) = waiting.pop_front() else { continue };
            if let Err(event) = self.carry_out(command, &mut waiting) {
                // Nothing may be written behind what is not known to be durable, or into what
                // belongs to somebody else.
                // spec: J-3, J-6
                self.answers.send(event);
                return;
            }
        }
    }

    /// Does one command, and those behind it that become durable with it. An error is the
    /// thread's last answer.
    fn carry_out(
        &mut self,
        command: Command,
        waiting: &mut VecDeque<Command>,
    ) -> Result<(), Event> {
        match command {
            Command::Read { request } => {
                let read = in_phase("read-journal", || self.read());
                self.answer(match read {
                    Ok(segments) => Input::JournalRead { request, segments },
                    Err(error) => {
                        let (transient, message) = (error.is_transient(), error.to_string());
                        Input::JournalUnreadable { request, transient, message }
                    }
                });
            }
            Command::Open { segment, bytes } => {
                let opened = in_phase("open-journal", || self.open(segment, bytes))?;
                self.answer(opened);
            }
            Command::Append { epoch, bytes } => {
                // Group commit: what waits behind it becomes durable with it.
                let (mut last, mut group) = (epoch, bytes);
                while let Some(Command::Append { .. }) = waiting.front() {
                    if let Some(Command::Append { epoch, bytes }) = waiting.pop_front() {
                        last = epoch;
                        group = [group, bytes].concat().into();
                    }
                }
                in_phase("append", || self.append(group))?;
                self.answer(Input::JournalAppended { epoch: last });
            }
            Command::Note { request, bytes } => {
                in_phase("note", || self.append(bytes))?;
                self.answer(Input::NoteAppended { request });
            }
            Command::Prove { request, generation } => {
                let proved = in_phase("prove", || self.prove(request, generation))?;
                self.answer(proved);
            }
            Command::Finish { bytes } => {
                in_phase("finish", || self.append(bytes))?;
                self.answer(Input::FinishRecorded);
            }
            Command::Remove { request, segments } => {
                let removed = match &mut self.store {
                    JournalStore::Local(store) => {
                        in_phase("trim-journal", || store.remove(segments))
                    }
                    JournalStore::Memory => Ok(()),
                };
                let removed = removed.map_err(|error| error.to_string());
                self.answers.send(Event::Removed(request, removed));
            }
        }
        Ok(())
    }

    fn answer(&self, input: Input) {
        self.answers.send(Event::Input(input));
    }

    fn read(&mut self) -> Result<Vec<SegmentBytes>, StoreError> {
        match &mut self.store {
            JournalStore::Memory => Ok(Vec::new()),
            JournalStore::Local(store) => store.read_all(),
        }
    }

    fn open(&mut self, segment: SegmentName, bytes: Bytes) -> Result<Input, Event> {
        if let JournalStore::Local(store) = &mut self.store {
            store.create(segment, bytes).map_err(failed)?;
        }
        Ok(Input::JournalOpened)
    }

    fn prove(&mut self, request: RequestId, generation: Generation) -> Result<Input, Event> {
        let is_newest = match &mut self.store {
            JournalStore::Memory => Ok(true),
            JournalStore::Local(store) => store.prove(generation),
        };
        match is_newest.map_err(failed)? {
            true => Ok(Input::JournalProved { request }),
            false => Ok(Input::JournalNotProved { request }),
        }
    }

    fn append(&mut self, bytes: Bytes) -> Result<(), Event> {
        match &mut self.store {
            JournalStore::Memory => Ok(()),
            JournalStore::Local(store) => store.append(bytes).map_err(failed),
        }
    }
}

fn failed(error: StoreError) -> Event {
    Event::Input(match error {
        StoreError::Fenced { by } => Input::JournalFenced { by },
        error => Input::JournalFailed { message: error.to_string() },
    })
}
