//! What goes wrong in a plan: triggers by content, actions by family.

use super::{Material, Profile};
use crate::model::Disturbance;
use crate::plan::{
    Action, Deviation, LinkFault, MessageFault, OUTAGE, Operation, Point, RecordName, RunPlan,
    StoreKind, Stores, Target, Trigger,
};
use crate::rng::Draws;
use crate::time::{Span, VirtualTime};
use anabranch_engine::plan::{NodeKind, Plan, Table};

/// Families of faults: each is there in about half of the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Answers,
    Brokers,
    Clocks,
    Consumers,
    Crashes,
    Databases,
    Days,
    Disks,
    Drift,
    Links,
    Messages,
    Outages,
    Partitions,
    Pauses,
    Services,
    Twins,
    Unclear,
}

const FAMILIES: &[(Family, &str, u32, u64)] = &[
    // The share of runs that have it, in a million, and about how many at most.
    (Family::Crashes, "crashes", 600_000, 4),
    (Family::Messages, "messages", 500_000, 5),
    (Family::Answers, "answers", 400_000, 3),
    (Family::Pauses, "pauses", 500_000, 3),
    (Family::Links, "links", 300_000, 2),
    (Family::Services, "services", 400_000, 3),
    (Family::Clocks, "clocks", 200_000, 2),
    (Family::Consumers, "consumers", 400_000, 3),
    (Family::Twins, "twins", 350_000, 1),
    (Family::Brokers, "brokers", 700_000, 3),
    (Family::Databases, "databases", 400_000, 3),
    (Family::Days, "days", 200_000, 1),
    (Family::Drift, "drift", 250_000, 1),
    (Family::Disks, "disks", 300_000, 3),
    (Family::Outages, "outages", 220_000, 1),
    (Family::Partitions, "partitions", 300_000, 2),
    (Family::Unclear, "unclear", 300_000, 3),
];

/// All deviations of a plan.
pub(super) fn deviations(
    seed: u64,
    job: &Plan,
    material: &Material,
    plan: &RunPlan,
) -> Vec<Deviation> {
    let sinks = sink_tables(job).map(|table| table.name.clone());
    let models = models(job, &material.stores);
    let folders = folders(job, &material.stores);
    let budgets = sink_tables(job).map(Table::lag_budget_ms);
    let lag_budget = Span::ms(budgets.max().unwrap_or(0));
    let maker = Maker { sinks: sinks.collect(), models, folders, plan, lag_budget };
    let mut deviations = Vec::new();
    for (family, name, share, most) in FAMILIES {
        let mut draws = Draws::new(seed, "family", name);
        let (is_there, count) = (draws.happens(*share), 1 + draws.below(*most));
        let count = match material.profile {
            Profile::Calm => 0,
            _ if *family == Family::Services && maker.models.is_empty() => 0,
            _ if *family == Family::Consumers && maker.folders.is_empty() => 0,
            _ if *family == Family::Brokers && maker.of(Model::Kafka).next().is_none() => 0,
            _ if *family == Family::Databases && maker.of(Model::ClickHouse).next().is_none() => 0,
            _ if *family == Family::Disks && maker.of(Model::Disk).next().is_none() => 0,
            Profile::Swarm if is_there => count,
            Profile::Swarm => 0,
            Profile::Storm => 2 * count,
        };
        for ordinal in 0..count {
            let draws = &mut Draws::new(seed, name, &ordinal.to_string());
            match family {
                Family::Days => deviations.extend(maker.days(draws)),
                family => deviations.push(maker.deviation(*family, draws)),
            }
        }
    }
    // Blocks that are moved into a table leave no tokens there, and what is written by key
    // needs none.
    deviations.retain(|deviation| match &deviation.action {
        Action::Disturb { service, disturbance: Disturbance::ForgetTokens } => {
            sink_tables(job).any(|table| table.name == *service && has_tokens(table))
        }
        _ => true,
    });
    deviations
}

/// Whether a ClickHouse table knows its blocks again by their tokens.
fn has_tokens(table: &Table) -> bool {
    let is_strict = table.options.get("mode").is_some_and(|mode| mode == "strict");
    !is_strict && table.primary_key.is_none()
}

/// The tables that a job writes.
pub(super) fn sink_tables(job: &Plan) -> impl Iterator<Item = &Table> + '_ {
    job.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(job.table(sink.table)),
        _ => None,
    })
}

struct Maker<'a> {
    sinks: Vec<String>,
    /// For how long a sink may fail.
    lag_budget: Span,
    models: Vec<(String, Model)>,
    /// The sinks that are folders of files.
    folders: Vec<String>,
    plan: &'a RunPlan,
}

impl Maker<'_> {
    fn deviation(&self, family: Family, draws: &mut Draws) -> Deviation {
        match family {
            Family::Crashes => self.crash(draws),
            Family::Messages => self.message(draws),
            Family::Answers => self.answer(draws),
            Family::Pauses => {
                let span = Span::ms(1 + draws.below(6_000) as i64);
                let action = Action::Pause { span, successor: draws.below(4) > 0, until: None };
                Deviation { trigger: self.when(draws), action }
            }
            Family::Links => {
                let service = self.service(draws);
                let span = Span::ms(1 + draws.below(4_000) as i64);
                let by = Span::ms(1 + draws.below(300) as i64);
                let faults = [LinkFault::Cut, LinkFault::CutAnswers, LinkFault::Slow(by)];
                let fault = *draws.choose(&faults);
                let action = Action::Link { service, fault, span };
                Deviation { trigger: self.when(draws), action }
            }
            Family::Services => {
                let (service, model) = draws.choose(&self.models).clone();
                let disturbance = model.disturbance(draws);
                let action = Action::Disturb { service, disturbance };
                Deviation { trigger: self.when(draws), action }
            }
            Family::Clocks => {
                let by = *draws.choose(&[-86_400_000, -3_000, -1, 2, 5_000, 90_000_000]);
                let action = Action::ClockJump { by: Span::ms(by) };
                Deviation { trigger: self.when(draws), action }
            }
            Family::Consumers => {
                let (service, disturbance) =
                    (draws.choose(&self.folders).clone(), Disturbance::TakeFiles);
                // Mostly where there are files.
                let point = Point::After(Operation::Apply(Some(service.clone())));
                let (nth, early) = (1 + draws.below(4) as u32, draws.below(3) == 0);
                let soon = Trigger::When { nth, point, holding: None, restarts: None };
                let trigger = if early { self.when(draws) } else { soon };
                let action = Action::Disturb { service, disturbance };
                Deviation { trigger, action }
            }
            Family::Twins => Deviation { trigger: self.when(draws), action: Action::DoubleStart },
            Family::Brokers => self.broker(draws),
            Family::Databases => self.database(draws),
            Family::Days => unreachable!("days are made of several deviations"),
            Family::Disks => self.disk(draws),
            Family::Drift => {
                let ppm = *draws.choose(&[-20_000, -200, 50, 1_000, 50_000]);
                Deviation { trigger: self.when(draws), action: Action::ClockDrift { ppm } }
            }
            Family::Outages => self.outage(draws),
            Family::Partitions => self.partition(draws),
            Family::Unclear => self.unclear(draws),
        }
    }

    /// A broker stalls, fails over, or forgets its producers.
    fn broker(&self, draws: &mut Draws) -> Deviation {
        let brokers: Vec<&String> = self.of(Model::Kafka).collect();
        let service = (*draws.choose(&brokers)).clone();
        let (by, span) = (1 + draws.below(4_000) as i64, 1 + draws.below(9_000) as i64);
        let disturb = |disturbance| Action::Disturb { service: service.clone(), disturbance };
        let action = match draws.below(4) {
            0 | 1 => disturb(Disturbance::Failover),
            2 => disturb(Disturbance::ExpireProducers),
            _ => {
                Action::Link { service, fault: LinkFault::Slow(Span::ms(by)), span: Span::ms(span) }
            }
        };
        Deviation { trigger: self.when(draws), action }
    }

    /// A table's parts are merged, its tokens forgotten, an insert is stopped.
    fn database(&self, draws: &mut Draws) -> Deviation {
        let tables: Vec<&String> = self.of(Model::ClickHouse).collect();
        let service = (*draws.choose(&tables)).clone();
        let disturbance = match draws.below(4) {
            0 => Disturbance::StopInsert { parts: draws.below(3) as u32 },
            1 => Disturbance::ForgetTokens,
            _ => Disturbance::Merge,
        };
        // Where there are parts already.
        let point = Point::After(Operation::Apply(Some(service.clone())));
        let nth = 1 + draws.below(4) as u32;
        let trigger = Trigger::When { nth, point, holding: None, restarts: None };
        Deviation { trigger, action: Action::Disturb { service, disturbance } }
    }

    /// A disk fails to sync, or gets full.
    fn disk(&self, draws: &mut Draws) -> Deviation {
        let disks: Vec<&String> = self.of(Model::Disk).collect();
        let service = (*draws.choose(&disks)).clone();
        let fill = Disturbance::Fill { writes: draws.below(20) as u32 };
        let disturbance = if draws.below(4) > 0 { Disturbance::FailSync } else { fill };
        let action = Action::Disturb { service, disturbance };
        Deviation { trigger: self.when(draws), action }
    }

    /// A sink is away for longer than it may fail.
    fn outage(&self, draws: &mut Draws) -> Deviation {
        let (budget, more) = (self.lag_budget.0, 1 + draws.below(60_000) as i64);
        let span = OUTAGE.max(Span(budget + Span::ms(more).0));
        let service = self.sink(draws);
        let action = Action::Link { service, fault: LinkFault::Cut, span };
        Deviation { trigger: self.when(draws), action }
    }

    /// A link lets nothing through in one direction, or in both.
    fn partition(&self, draws: &mut Draws) -> Deviation {
        let service = self.service(draws);
        let span = Span::ms(1 + draws.below(8_000) as i64);
        let fault = match draws.below(4) {
            0 => LinkFault::Cut,
            1 => LinkFault::CutAnswers,
            _ => LinkFault::CutRequests,
        };
        let action = Action::Link { service, fault, span };
        Deviation { trigger: self.when(draws), action }
    }

    /// One of the requests that an operation is made of takes effect, and nobody is told;
    /// or it does so long after.
    fn unclear(&self, draws: &mut Draws) -> Deviation {
        let service = self.sink(draws);
        let late = Span::ms(1 + draws.below(20_000) as i64);
        let faults = [
            MessageFault::DropAnswer,
            MessageFault::Late(late),
            MessageFault::Duplicate(late),
            MessageFault::DropRequest,
        ];
        let action = Action::Message(*draws.choose(&faults));
        let point = Point::Request(Target::To(service));
        let nth = 1 + draws.below(40) as u32;
        Deviation { trigger: Trigger::When { nth, point, holding: None, restarts: None }, action }
    }

    /// The job is down for days: clocks say so, and brokers have forgotten what they do not
    /// keep for ever.
    fn days(&self, draws: &mut Draws) -> Vec<Deviation> {
        let days = *draws.choose(&[1, 8, 40]);
        let trigger = self.when(draws);
        let restart = Some(Span::ms(draws.below(800) as i64));
        let jump = Action::ClockJump { by: Span::ms(days * 86_400_000) };
        let forget = self.of(Model::Kafka).map(|service| Action::Disturb {
            service: service.clone(),
            disturbance: Disturbance::ExpireProducers,
        });
        let actions = std::iter::once(jump).chain(forget).chain([Action::Crash { restart }]);
        actions.map(|action| Deviation { trigger: trigger.clone(), action }).collect()
    }

    /// The services that such a model is behind.
    fn of(&self, model: Model) -> impl Iterator<Item = &String> {
        self.models.iter().filter(move |(_, of)| *of == model).map(|(name, _)| name)
    }

    /// A crash, mostly where something is durable and not applied yet.
    fn crash(&self, draws: &mut Draws) -> Deviation {
        let restart = match draws.below(4) {
            0 => None,
            _ => Some(Span::ms(draws.below(800) as i64)),
        };
        let power = draws.below(4) == 0;
        let choice = draws.number();
        let action = match power {
            true => Action::PowerFailure { choice, restart },
            false => Action::Crash { restart },
        };
        let sink = Some(self.sink(draws));
        let point = match draws.below(10) {
            0..=2 => Point::Before(Operation::Apply(None)),
            3 => Point::Before(Operation::Apply(sink)),
            4 => Point::After(Operation::Append),
            5 => Point::Request(Target::Of(Operation::Apply(sink))),
            6 => Point::Answer(Target::Of(Operation::Apply(sink))),
            _ => return Deviation { trigger: self.when(draws), action },
        };
        let holding = self.record(draws);
        let nth = if holding.is_some() { 1 } else { 1 + draws.below(8) as u32 };
        Deviation { trigger: Trigger::When { nth, point, holding, restarts: None }, action }
    }

    /// A message that is lost, late, or comes twice.
    fn message(&self, draws: &mut Draws) -> Deviation {
        let span = Span::ms(1 + draws.below(3_000) as i64);
        let short = Span::us(1 + draws.below(50_000) as i64);
        let fault = *draws.choose(&[
            MessageFault::DropRequest,
            MessageFault::DropAnswer,
            MessageFault::DropAnswer,
            MessageFault::Late(span),
            MessageFault::Late(short),
            MessageFault::Duplicate(span),
            MessageFault::Delay(span),
            MessageFault::Delay(short),
            MessageFault::Refuse,
        ]);
        let sink = Some(self.sink(draws));
        let operation = match draws.below(16) {
            0..=3 => Operation::Apply(sink),
            4..=6 => Operation::Append,
            7 => Operation::Open(sink),
            8 => Operation::Inspect(sink),
            9 => Operation::ReadJournal,
            10 => Operation::OpenJournal,
            11 => Operation::List,
            12 => Operation::Load,
            13 => Operation::Store,
            14 => Operation::Trim,
            _ => Operation::Finish,
        };
        let by_content = matches!(operation, Operation::Apply(_) | Operation::Append);
        let holding = if by_content { self.record(draws) } else { None };
        let nth = 1 + draws.below(if holding.is_some() { 2 } else { 5 }) as u32;
        let point = Point::Request(Target::Of(operation));
        let trigger = Trigger::When { nth, point, holding, restarts: None };
        Deviation { trigger, action: Action::Message(fault) }
    }

    /// An answer that reaches the pipeline late or twice, or a read that fails.
    fn answer(&self, draws: &mut Draws) -> Deviation {
        let span = Span::ms(1 + draws.below(2_000) as i64);
        let sink = Some(self.sink(draws));
        let (operation, is_read) = match draws.below(10) {
            0..=3 => (Operation::Fetch(None), true),
            4 => (Operation::Discover(None), true),
            5 => (Operation::Apply(sink), false),
            6 => (Operation::Append, false),
            7 => (Operation::Open(sink), false),
            8 => (Operation::Store, false),
            _ => (Operation::List, false),
        };
        let choice = draws.below(5);
        let (point, fault) = match (is_read, choice) {
            (true, 0) => (Point::Before(operation), MessageFault::DropRequest),
            (true, 1) => (Point::Before(operation), MessageFault::Refuse),
            (true, 2) => (Point::Before(operation), MessageFault::Duplicate(span)),
            (true, 3) => (Point::Answer(Target::Of(operation)), MessageFault::DropAnswer),
            (true, _) => (Point::Answer(Target::Of(operation)), MessageFault::Delay(span)),
            (false, 0..=2) => (Point::After(operation), MessageFault::Duplicate(span)),
            (false, _) => (Point::After(operation), MessageFault::Delay(span)),
        };
        let nth = 1 + draws.below(8) as u32;
        // A request that comes twice, or an answer that does: the second one is old news.
        let is_answer = is_read && choice == 2 && draws.below(2) == 0;
        let point = match point {
            Point::Before(operation) if is_answer => Point::Answer(Target::Of(operation)),
            point => point,
        };
        let trigger = Trigger::When { nth, point, holding: None, restarts: None };
        Deviation { trigger, action: Action::Message(fault) }
    }

    /// Some trigger: by content mostly, else by what is done, or by time.
    fn when(&self, draws: &mut Draws) -> Trigger {
        let sink = Some(self.sink(draws));
        let heal = self.plan.settings.timing.heal.0;
        let at = VirtualTime(draws.below(heal.max(1) as u64) as i64);
        let restarts = match draws.below(6) {
            0 => Some(1),
            1 => Some(2),
            _ => None,
        };
        let holding = self.record(draws);
        let (point, holding, nth) = match draws.below(12) {
            0 => return Trigger::At(at),
            1 => (Point::Before(Operation::Append), holding, 1),
            2 => (Point::After(Operation::Append), holding, 1),
            3 => (Point::Request(Target::Of(Operation::Append)), holding, 1),
            4 => (Point::Answer(Target::Of(Operation::Append)), holding, 1),
            5 => (Point::Before(Operation::Apply(sink)), holding, 1),
            6 => (Point::After(Operation::Apply(sink)), holding, 1),
            7 => (Point::Before(Operation::Store), None, 1 + draws.below(3) as u32),
            8 => (Point::Request(Target::Of(Operation::Store)), None, 1 + draws.below(6) as u32),
            9 => (Point::Request(Target::Of(Operation::Open(sink))), None, 1),
            _ => {
                let nth = 1 + draws.below(80) as u32;
                let (operation, other) = (Operation::Output, draws.below(2) == 0);
                let point = if other { Point::After(operation) } else { Point::Before(operation) };
                return Trigger::When { nth, point, holding: None, restarts };
            }
        };
        Trigger::When { nth, point, holding, restarts: None }
    }

    fn sink(&self, draws: &mut Draws) -> String {
        let choice = draws.number();
        let place = choice as usize % self.sinks.len().max(1);
        self.sinks.get(place).cloned().unwrap_or_default()
    }

    fn service(&self, draws: &mut Draws) -> String {
        let mut names: Vec<String> = ["journal", "snapshots", "sources"].map(str::to_owned).into();
        names.extend(self.sinks.iter().cloned());
        draws.choose(&names).clone()
    }

    /// A record of the input, if there is one.
    fn record(&self, draws: &mut Draws) -> Option<RecordName> {
        let (which, offset) = (draws.number(), draws.number());
        let splits: Vec<_> =
            self.plan.splits.iter().filter(|split| !split.records.is_empty()).collect();
        let split = splits.get(which as usize % splits.len().max(1))?;
        let record = &split.records[offset as usize % split.records.len()];
        Some(RecordName { split: format!("{}/{}", split.table, split.name), number: record.number })
    }
}

/// A model, by what can happen in it without anybody being to blame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    ClickHouse,
    Disk,
    Kafka,
    Object,
    Redis,
}

impl Model {
    /// Something that the service may do at any time.
    fn disturbance(self, draws: &mut Draws) -> Disturbance {
        let number = draws.number();
        let fill = Disturbance::Fill { writes: (number % 20) as u32 };
        let all = match self {
            Model::ClickHouse => vec![
                Disturbance::ForgetTokens,
                Disturbance::Merge,
                Disturbance::StopInsert { parts: (number % 3) as u32 },
                fill,
            ],
            Model::Disk => vec![Disturbance::FailSync, fill],
            Model::Kafka => vec![Disturbance::ExpireProducers, Disturbance::Failover],
            Model::Object => vec![fill],
            Model::Redis => {
                let failure = Disturbance::PowerFailure { choice: number };
                vec![failure.clone(), failure, fill]
            }
        };
        draws.choose(&all).clone()
    }
}

/// The sinks whose files a consumer can take.
fn folders(job: &Plan, stores: &Stores) -> Vec<String> {
    let sinks = job.nodes.iter().filter_map(|node| match &node.kind {
        NodeKind::Sink(sink) => Some(job.table(sink.table)),
        _ => None,
    });
    let is_folder = |table: &&Table| {
        table.connector == "filesystem" && stores.sink_kind(&table.name) != StoreKind::Ideal
    };
    sinks.filter(is_folder).map(|table| table.name.clone()).collect()
}

/// Every service in which something can happen.
pub(super) fn models(job: &Plan, stores: &Stores) -> Vec<(String, Model)> {
    let of_store = |kind| match kind {
        StoreKind::Connector | StoreKind::Local => Some(Model::Disk),
        StoreKind::Topic => Some(Model::Kafka),
        StoreKind::Object => Some(Model::Object),
        StoreKind::Ideal => None,
    };
    let of_sink = |table: &Table| match (stores.sink_kind(&table.name), table.connector.as_str()) {
        (StoreKind::Ideal, _) => None,
        (_, "clickhouse") => Some(Model::ClickHouse),
        (_, "filesystem") => Some(Model::Disk),
        (_, "kafka") => Some(Model::Kafka),
        (_, "redis") => Some(Model::Redis),
        _ => None,
    };
    let journal = [("journal".to_owned(), of_store(stores.journal))];
    let snapshots = [("snapshots".to_owned(), of_store(stores.snapshots))];
    let sinks = sink_tables(job).map(|table| (table.name.clone(), of_sink(table)));
    let all = journal.into_iter().chain(snapshots).chain(sinks);
    all.filter_map(|(name, model)| Some((name, model?))).collect()
}
