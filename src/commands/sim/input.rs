//! The job that is simulated, and what its sources hold.
//!
//! A table whose files are there is fed with a stretch of them, another one for each
//! seed; every other table with made-up records.

use super::args::{ProfileName, WorldArgs};
use super::recorded::Recorded;
use crate::errors::{self, JobError};
use crate::job::{JobText, sources};
use anabranch_connectors::source::{FetchRequest, FilesystemSource, Source, SourceError};
use anabranch_engine::format::frame;
use anabranch_engine::ids::Offset;
use anabranch_engine::pipeline::{FetchedData, LogEnd, Pipeline, PipelineConfig};
use anabranch_engine::plan::{Assert, FormatSpec, JsonOptions, NodeKind, Plan, Table};
use anabranch_sim::generate::{Assumption, Material, Profile, Sample, generate};
use anabranch_sim::plan::{RunPlan, SplitShape, StoreKind, Stores};
use anabranch_sim::rng::Draws;
use anabranch_sim::world::{Host, Hosting};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So much of a file is looked at: a seed takes only a stretch of that.
const BYTES_MAX: usize = 16 << 20;

/// A job under simulation.
#[derive(Debug)]
pub(super) struct Subject {
    /// What it is called, in file names.
    pub(super) name: String,
    /// Its SQL file, as the user named it.
    pub(super) file: String,
    /// Its plan.
    pub(super) job: Arc<Plan>,
    /// What must hold of its sinks.
    pub(super) asserts: Vec<Assert>,
    /// For each table that is read, what its records are.
    pub(super) inputs: Vec<String>,
    /// The records of a run that was, which are taken rather than any others.
    recorded: Option<Recorded>,
    /// The records of tables whose files are there, by table and split.
    samples: BTreeMap<String, Vec<Sample>>,
    records: usize,
    /// What does not go wrong.
    pub(super) assumed: BTreeSet<Assumption>,
}

impl Subject {
    /// The job of an SQL file.
    ///
    /// # Errors
    /// If it has errors, or its files cannot be read.
    pub(super) fn load(file: &Path, world: &WorldArgs) -> Result<Subject, JobError> {
        Subject::of(file, world.from_journal.as_deref(), world.records.max(1))
    }

    /// The same, with at most so many records in a run.
    ///
    /// # Errors
    /// If it has errors, or its files cannot be read.
    pub(super) fn of_files(file: &Path, records: usize) -> Result<Subject, JobError> {
        Subject::of(file, None, records)
    }

    fn of(file: &Path, journal: Option<&Path>, records: usize) -> Result<Subject, JobError> {
        let text = JobText::read(file)?;
        let compiled = text.compile()?;
        let plan = compiled.plan.ok_or_else(|| {
            let message = format!("{} has neither an INSERT nor a SELECT", text.origin);
            JobError::new(&errors::NOTHING, message)
        })?;
        let recorded = journal
            .map(|folder| Recorded::load(folder, &plan, &text.origin, &text.base))
            .transpose()?;
        let job = Arc::new(prepared(plan));
        let checked = Pipeline::new(job.clone(), PipelineConfig::default());
        checked.map_err(|error| JobError::new(&errors::OPTIONS, error.to_string()))?;
        let (mut samples, mut inputs) = (BTreeMap::new(), Vec::new());
        inputs.extend(recorded.as_ref().map(|recorded| recorded.words.clone()));
        for table in sources(&job).filter(|_| recorded.is_none()) {
            let name = &table.name;
            match sample_of(table, &text.base)? {
                Some((path, splits)) => {
                    let count: usize = splits.iter().map(|split| split.records.len()).sum();
                    let path = path.display();
                    inputs.push(format!("{name}: stretches of the {count} records in {path}"));
                    samples.insert(name.clone(), splits);
                }
                None => inputs.push(format!("{name}: records made up from its columns")),
            }
        }
        let (name, file, asserts) = (text.name, text.origin, compiled.asserts);
        let assumed = BTreeSet::new();
        Ok(Subject { name, file, job, asserts, inputs, recorded, samples, records, assumed })
    }

    /// Whether the records are those of a run that was.
    pub(super) fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    /// The records of a table whose files are there.
    pub(super) fn sample(&self, table: &str) -> Option<&[Sample]> {
        self.samples.get(table).map(Vec::as_slice)
    }

    /// The plan of a seed.
    pub(super) fn plan(&self, seed: u64, profile: ProfileName) -> RunPlan {
        let profile = match profile {
            ProfileName::Calm => Profile::Calm,
            ProfileName::Swarm => Profile::Swarm,
            ProfileName::Storm => Profile::Storm,
        };
        let samples = self.samples.iter();
        let samples = samples.map(|(table, splits)| (table.clone(), self.stretch(seed, splits)));
        let material = Material {
            job: self.file.clone(),
            profile,
            stores: stores(seed),
            samples: samples.collect(),
            recorded: self.recorded.as_ref().map(|it| it.stretch(seed, self.records, &self.job)),
            records_max: self.records as u64,
            assumed: self.assumed.clone(),
        };
        generate(seed, &self.job, &material)
    }

    /// A stretch of every split, from about the same place in each.
    fn stretch(&self, seed: u64, splits: &[Sample]) -> Vec<Sample> {
        let each = (self.records / splits.len().max(1)).max(1);
        let place = Draws::new(seed, "stretch", "sample").below(1 << 16) as usize;
        let stretch = |split: &Sample| {
            let room = split.records.len().saturating_sub(each);
            let from = (room * place) >> 16;
            let to = (from + each).min(split.records.len());
            Sample { records: split.records[from..to].to_vec(), ..split.clone() }
        };
        splits.iter().map(stretch).collect()
    }

    /// Whether a window computes what a sink gets, by sink.
    pub(super) fn windowed_sinks(&self) -> Vec<bool> {
        let sinks = self.job.nodes.iter().filter(|node| matches!(node.kind, NodeKind::Sink(_)));
        sinks.map(|node| is_windowed(&self.job, node.id)).collect()
    }
}

/// The stores of a plan.
pub(super) fn host(plan: &RunPlan, job: &Plan) -> Box<dyn Hosting> {
    Box::new(Host::of(plan, job))
}

/// The stores of a seed: mostly a folder on one machine, as `anabranch run` has it; else
/// stores without a lock, under which a process can be replaced while it stands still.
fn stores(seed: u64) -> Stores {
    let mut draws = Draws::new(seed, "stores", "job");
    let free = |journal, snapshots| Stores {
        journal,
        snapshots,
        sinks: StoreKind::Connector,
        sink: BTreeMap::new(),
    };
    let (which, sinks_are_free) = (draws.below(10), draws.below(2) == 0);
    let mut stores = match which {
        0..=4 => return Stores::local(),
        5..=6 => free(StoreKind::Object, StoreKind::Object),
        7..=8 => free(StoreKind::Topic, StoreKind::Object),
        _ => free(StoreKind::Ideal, StoreKind::Ideal),
    };
    if sinks_are_free {
        stores.sinks = StoreKind::Ideal;
    }
    stores
}

fn is_windowed(job: &Plan, id: anabranch_engine::ids::NodeId) -> bool {
    let node = job.node(id);
    matches!(node.kind, NodeKind::WindowAggregate(_))
        || node.inputs.iter().any(|input| is_windowed(job, *input))
}

/// The job with tables that a simulated world can hold: what a generator or a terminal
/// takes as it is, stands in the world as JSON.
fn prepared(mut plan: Plan) -> Plan {
    for table in &mut plan.tables {
        if table.format == FormatSpec::None {
            table.format = FormatSpec::Json(JsonOptions::default());
        }
        match table.connector.as_str() {
            "datagen" => table.connector = "filesystem".to_owned(),
            // What is printed keeps no marker, whatever it looks like.
            "blackhole" | "print" => table.connector = "print-table".to_owned(),
            _ => {}
        }
    }
    plan
}

/// The records of a table's files, if they are there.
fn sample_of(table: &Table, base: &Path) -> Result<Option<(PathBuf, Vec<Sample>)>, JobError> {
    let path = match table.connector.as_str() {
        "filesystem" => crate::job::path_of(table, base),
        _ => None,
    };
    let Some(path) = path.filter(|path| path.exists()) else { return Ok(None) };
    let failed = |error: SourceError| {
        JobError::new(&errors::NO_FILE, format!("table {}: {error}", table.name))
    };
    let mut read = table.clone();
    read.options.remove("source.monitor-interval");
    read.options.remove("scan.rate");
    let source = FilesystemSource::of(&read, base).map_err(failed)?;
    let mut samples = Vec::new();
    for found in source.splits().map_err(failed)? {
        let (data, is_whole) = beginning(&source, &found.name).map_err(failed)?;
        let block = frame(&table.format, data, Offset(0), is_whole).block;
        let records = block.records.iter();
        let records: Vec<Bytes> =
            records.map(|r| block.data.slice(r.start as usize..r.end as usize)).collect();
        samples.push(Sample { name: found.name, shape: SplitShape::File, records });
    }
    // A folder without a record says nothing of the job.
    let is_empty = samples.iter().all(|split| split.records.is_empty());
    Ok((!is_empty).then_some((path, samples)))
}

/// The first bytes of a split, and whether they are all.
fn beginning(source: &FilesystemSource, split: &str) -> Result<(Bytes, bool), SourceError> {
    let mut data = Vec::new();
    loop {
        let request = FetchRequest {
            split: split.to_owned(),
            from: Offset(data.len() as u64),
            until: None,
            bytes_max: 1 << 20,
            rows_max: None,
        };
        let fetched = source.fetch(&request)?;
        match fetched.data {
            FetchedData::Bytes(bytes) => data.extend_from_slice(&bytes),
            FetchedData::Records(_) => return Ok((data.into(), true)),
        }
        match fetched.end {
            LogEnd::Ended => return Ok((data.into(), true)),
            LogEnd::AtEnd => return Ok((data.into(), false)),
            LogEnd::More if data.len() >= BYTES_MAX => return Ok((data.into(), false)),
            LogEnd::More => {}
        }
    }
}
