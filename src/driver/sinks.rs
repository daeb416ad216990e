//! A thread for each sink.

use super::{Answers, Event};
use anabranch_connectors::in_phase;
use anabranch_connectors::sink::Sink;
use anabranch_engine::ids::{Generation, RequestId, SinkId};
use anabranch_engine::pipeline::Input;
use anabranch_engine::sink::{Chunk, FailKind, OpenOutcome};
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The pipeline gives a sink one thing at a time.
const COMMANDS_MAX: usize = 8;

/// What a sink's thread is asked.
#[derive(Debug)]
pub(super) enum Command {
    Inspect {
        request: RequestId,
    },
    Open {
        request: RequestId,
        generation: Generation,
    },
    Apply {
        request: RequestId,
        chunk: Chunk,
    },
    /// The job has ended: write out what was held back, and go.
    Finish,
}

/// A sink's thread.
pub(super) struct SinkThread {
    pub(super) commands: SyncSender<Command>,
    thread: JoinHandle<io::Result<()>>,
}

impl SinkThread {
    /// Starts the thread of a sink.
    pub(super) fn start(
        id: SinkId,
        sink: Box<dyn Sink>,
        answers: Answers,
    ) -> io::Result<SinkThread> {
        let (sender, receiver) = sync_channel(COMMANDS_MAX);
        let worker = Worker { id, sink, answers };
        let thread = std::thread::Builder::new().name(format!("sink-{id}"));
        let thread = thread.spawn(move || worker.run(&receiver))?;
        Ok(SinkThread { commands: sender, thread })
    }

    /// Lets the sink write out what it held back.
    pub(super) fn finish(self) -> io::Result<()> {
        let _ = self.commands.send(Command::Finish);
        self.thread.join().unwrap_or(Ok(()))
    }
}

struct Worker {
    id: SinkId,
    sink: Box<dyn Sink>,
    answers: Answers,
}

impl Worker {
    fn run(mut self, commands: &Receiver<Command>) -> io::Result<()> {
        for command in commands {
            let event = match command {
                Command::Inspect { request } => in_phase("inspect", || self.inspect(request)),
                Command::Open { request, generation } => {
                    in_phase("open-sink", || self.open(request, generation))
                }
                Command::Apply { request, chunk } => {
                    let (outcome, message) = in_phase("apply", || self.sink.apply(chunk));
                    Event::Input(Input::SinkApplied { request, sink: self.id, outcome, message })
                }
                Command::Finish => return self.sink.finish(),
            };
            self.answers.send(event);
        }
        Ok(())
    }

    fn inspect(&mut self, request: RequestId) -> Event {
        let sink = self.id;
        Event::Input(match self.sink.inspect() {
            Ok(found) => {
                let (generation, marker) = (found.generation, found.marker);
                Input::SinkInspected { request, sink, generation, marker }
            }
            Err(message) => {
                let outcome = OpenOutcome::Failed(FailKind::Transient);
                Input::SinkOpenFailed { request, sink, outcome, message }
            }
        })
    }

    fn open(&mut self, request: RequestId, generation: Generation) -> Event {
        let sink = self.id;
        let (outcome, message) = self.sink.open(generation);
        Event::Input(match outcome {
            OpenOutcome::Opened { marker } => Input::SinkOpened { request, sink, marker },
            outcome => Input::SinkOpenFailed { request, sink, outcome, message },
        })
    }
}
