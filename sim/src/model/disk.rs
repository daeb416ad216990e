//! Local disks: folders of files, one for each machine of a job.
//!
//! A request is carried out at once and by one process; a process that is dead asks for
//! nothing more. What a disk does to a request (its first half, a full disk, a sync that
//! fails) is done here; that an answer never comes is made by the world around it. An
//! operation of a local file system takes no effect after its process went on or died, so
//! a request to a disk must not be given twice, or late.

use super::{Change, ClientId, Disturbance, Service, Toll, View, ViewRecord};
use crate::disk::{Folder, ProcessId};
use crate::rng::Draws;
use crate::time::VirtualTime;
use anabranch_engine::ids::SinkId;
use anabranch_engine::service::fs::{FsAnswer, FsFailure, FsRequest};
use anabranch_engine::service::{Answer, Request};
use anabranch_engine::sink::files::{FileSink, MANIFEST};
use anabranch_engine::sink::{Marker, SinkMachine, SinkStep};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// What the files of a sink begin with that consumers look at.
const VISIBLE_START: &str = "part-";
/// Of a million renames on a full disk, so many find no room for the name.
const RENAME_FAILS: u32 = 500_000;

/// The folders of one host. The machine of a [`ClientId`] says which folder is meant:
/// processes that come one after the other, or at the same time, share it.
#[derive(Clone, Debug)]
pub struct DiskModel {
    seed: u64,
    folders: BTreeMap<u32, Folder>,
    /// What consumers have taken away from each folder, in the order of the names.
    taken: BTreeMap<u32, Vec<(String, Vec<u8>)>>,
    /// How many writes still find room; `None` if there is enough.
    room: Option<u32>,
    /// How many of the next syncs fail.
    failing_syncs: u32,
    /// How many decisions were drawn about each thing.
    drawn: BTreeMap<String, u64>,
    dead: BTreeSet<u32>,
    toll: Toll,
}

impl DiskModel {
    /// A host whose folders are empty.
    #[must_use]
    pub fn new(seed: u64) -> DiskModel {
        DiskModel {
            seed,
            folders: BTreeMap::new(),
            taken: BTreeMap::new(),
            room: None,
            failing_syncs: 0,
            drawn: BTreeMap::new(),
            dead: BTreeSet::new(),
            toll: Toll::default(),
        }
    }

    /// The folder of a machine.
    #[must_use]
    pub fn folder(&self, machine: u32) -> Option<&Folder> {
        self.folders.get(&machine)
    }

    /// Puts a folder in the place of a machine's.
    pub fn put_folder(&mut self, machine: u32, folder: Folder) {
        self.folders.insert(machine, folder);
    }

    /// The first half of a request, in the middle of which its process dies.
    pub fn execute_half(&mut self, client: ClientId, request: &Request) {
        let request = request_of(request);
        self.folder_mut(client.machine).execute_half(ProcessId(client.process), request);
    }

    /// Somebody copies a folder over another one, such as that of a cloned machine. Nobody
    /// holds a lock in the copy.
    pub fn clone_folder(&mut self, from: u32, to: u32) {
        let copy = self.folder_mut(from).copied();
        self.folders.insert(to, copy);
    }

    /// Everything in the folder is gone, the locks with it.
    pub fn wipe(&mut self, machine: u32) {
        self.folders.remove(&machine);
    }

    /// A consumer takes away all files that it sees; gives how many.
    pub fn consume(&mut self, machine: u32) -> usize {
        let folder = self.folders.entry(machine).or_default();
        let taken = self.taken.entry(machine).or_default();
        let before = taken.len();
        for (name, bytes) in folder.visible() {
            if name.starts_with(VISIBLE_START) {
                folder.take_away(&name);
                taken.push((name, bytes));
            }
        }
        taken.sort_by(|a, b| a.0.cmp(&b.0));
        taken.len() - before
    }

    /// Consumers take away all files of all sinks.
    fn take_files(&mut self) -> Option<String> {
        let machines: Vec<u32> = self.folders.keys().copied().collect();
        let count: usize = machines.into_iter().map(|machine| self.consume(machine)).sum();
        (count > 0).then(|| format!("a consumer takes {count} files away"))
    }

    /// What a reader of one sink's folder sees: the lines of all files that are there or
    /// were taken away, in the order of their names. The marker is that of the manifest.
    #[must_use]
    pub fn view_of(&self, machine: u32) -> View {
        let visible = self.folders.get(&machine).map(Folder::visible).unwrap_or_default();
        let mut files = self.taken.get(&machine).cloned().unwrap_or_default();
        files.extend(visible.into_iter().filter(|(name, _)| name.starts_with(VISIBLE_START)));
        files.sort_by(|a, b| a.0.cmp(&b.0));
        let lines =
            files.iter().flat_map(|(_, bytes)| bytes.split_inclusive(|byte| *byte == b'\n'));
        let records = lines.map(|line| record(machine, line)).collect();
        View { records, marker: self.marker_of(machine) }
    }

    /// The same, told by how it differs from what was seen before.
    #[must_use]
    pub fn look_at(&self, machine: u32, before: &View) -> Change {
        let folder = self.folders.get(&machine);
        let (Some(folder), None) = (folder, self.taken.get(&machine)) else {
            return Change::between(before, self.view_of(machine));
        };
        let names = folder.names().filter(|name| name.starts_with(VISIBLE_START));
        let files = names.map(|name| folder.bytes(name).expect("what has a name has bytes"));
        let mut lines = files.flat_map(|bytes| bytes.split_inclusive(|byte| *byte == b'\n'));
        let (mut kept, mut records) = (0, Vec::new());
        for line in lines.by_ref() {
            match before.records.get(kept).filter(|it| it.part == machine && it.value == line) {
                Some(_) => kept += 1,
                None => {
                    records.push(record(machine, line));
                    break;
                }
            }
        }
        records.extend(lines.map(|line| record(machine, line)));
        Change { kept, records, marker: self.marker_of(machine), glance: None }
    }

    fn marker_of(&self, machine: u32) -> Option<Marker> {
        let manifest = Bytes::copy_from_slice(self.folders.get(&machine)?.bytes(MANIFEST)?);
        let mut sink = FileSink::new(SinkId(0), "");
        sink.inspect();
        match sink.answer(Answer::Fs(FsAnswer::Data(manifest))) {
            SinkStep::Inspected(Ok(found)) => found.marker,
            // A damaged manifest shows no marker.
            SinkStep::Inspected(Err(_)) => None,
            step => panic!("looking at a manifest gave {step:?}"),
        }
    }

    fn folder_mut(&mut self, machine: u32) -> &mut Folder {
        self.folders.entry(machine).or_default()
    }

    /// Draws for the next decision about a file, which does not depend on those about
    /// others.
    fn draws(&mut self, concern: &str, machine: u32, name: &str) -> Draws {
        let entity = format!("{machine}/{name}");
        let ordinal = self.drawn.entry(format!("{concern} {entity}")).or_default();
        *ordinal += 1;
        Draws::new(self.seed, concern, &format!("{entity}#{ordinal}"))
    }

    /// Whether a request finds no room, and what it leaves then.
    fn finds_full(&mut self, client: ClientId, request: &FsRequest) -> bool {
        let Some(room) = self.room else { return false };
        match request {
            FsRequest::Append { .. }
            | FsRequest::Create { .. }
            | FsRequest::Lock { .. }
            | FsRequest::Write { .. } => {
                self.room = Some(room.saturating_sub(1));
                room == 0
            }
            FsRequest::Rename { to, .. } => {
                let mut draws = self.draws("full-rename", client.machine, to);
                room == 0 && draws.happens(RENAME_FAILS)
            }
            FsRequest::List
            | FsRequest::ProveLock { .. }
            | FsRequest::Read { .. }
            | FsRequest::Remove { .. }
            | FsRequest::SyncDir
            | FsRequest::SyncFile { .. }
            | FsRequest::Truncate { .. } => false,
        }
    }

    fn answer(&mut self, client: ClientId, request: &FsRequest) -> FsAnswer {
        let process = ProcessId(client.process);
        if self.finds_full(client, request) {
            // A name that is there already, or a file of another length, is seen first.
            let mut tried = self.folder_mut(client.machine).clone();
            let refused = tried.execute(process, request);
            if matches!(refused, FsAnswer::Failed { .. }) {
                return refused;
            }
            self.folder_mut(client.machine).execute_half(process, request);
            let what = format!("the disk is full: {request:?}");
            return FsAnswer::Failed { kind: FsFailure::NoSpace, what };
        }
        let synced = match request {
            FsRequest::SyncFile { name } => Some(name.as_str()),
            FsRequest::SyncDir => Some(""),
            FsRequest::Append { .. }
            | FsRequest::Create { .. }
            | FsRequest::List
            | FsRequest::Lock { .. }
            | FsRequest::ProveLock { .. }
            | FsRequest::Read { .. }
            | FsRequest::Remove { .. }
            | FsRequest::Rename { .. }
            | FsRequest::Truncate { .. }
            | FsRequest::Write { .. } => None,
        };
        if let Some(name) = synced.filter(|_| self.failing_syncs > 0) {
            let mut draws = self.draws("failed-sync", client.machine, name);
            if let Some(answer) = self.folder_mut(client.machine).fail_sync(request, &mut draws) {
                self.failing_syncs -= 1;
                return answer;
            }
        }
        self.folder_mut(client.machine).execute(process, request)
    }

    fn fail_power(&mut self, choice: u64) {
        for (machine, folder) in &mut self.folders {
            let left = folder.after_power_failure(choice, &machine.to_string());
            self.toll.unsynced += folder.differences(&left);
            *folder = left;
        }
    }

    /// The files in which a bit may change: not those that consumers have to check.
    fn may_rot(&self) -> Vec<(u32, String, usize)> {
        let mut files = Vec::new();
        for (machine, folder) in &self.folders {
            for name in folder.names().filter(|name| !name.starts_with(VISIBLE_START)) {
                let length = folder.bytes(name).map_or(0, <[u8]>::len);
                if length > 0 {
                    files.push((*machine, name.to_owned(), length));
                }
            }
        }
        files
    }

    fn rot(&mut self, place: u64) -> Option<String> {
        let files = self.may_rot();
        let count = u64::try_from(files.len()).ok().filter(|count| *count > 0)?;
        let (machine, name, length) = &files[(place % count) as usize];
        let bit = place / count % (*length as u64 * 8);
        let (byte, bit) = ((bit / 8) as usize, (bit % 8) as u8);
        self.folder_mut(*machine).rot(name, byte, bit);
        self.toll.rotten += 1;
        Some(format!("bit {bit} of byte {byte} of {machine}/{name} changes"))
    }

    /// The first manifest of a sink is removed.
    fn lose_marker(&mut self) -> Option<String> {
        let mut folders = self.folders.iter_mut();
        let (machine, folder) = folders.find(|(_, folder)| folder.bytes(MANIFEST).is_some())?;
        folder.lose(MANIFEST);
        self.toll.gone += 1;
        Some(format!("{machine}/{MANIFEST} is removed"))
    }
}

impl Service for DiskModel {
    fn execute(&mut self, _: VirtualTime, client: ClientId, request: &Request) -> Answer {
        let request = request_of(request);
        if self.dead.contains(&client.process) {
            return Answer::Unreachable;
        }
        Answer::Fs(self.answer(client, request))
    }

    fn disturb(&mut self, _: VirtualTime, disturbance: &Disturbance) -> Option<String> {
        match disturbance {
            Disturbance::Fill { writes } => {
                self.room = Some(*writes);
                Some(format!("the disk has room for {writes} writes"))
            }
            Disturbance::MakeRoom => {
                self.room.take().map(|_| String::from("the disk has room again"))
            }
            Disturbance::FailSync => {
                self.failing_syncs += 1;
                Some("the next sync fails".into())
            }
            Disturbance::Rot { place } => self.rot(*place),
            Disturbance::PowerFailure { choice } => {
                self.fail_power(*choice);
                Some(format!("the power fails, and leaves what {choice} chooses"))
            }
            Disturbance::LoseMarker => self.lose_marker(),
            Disturbance::TakeFiles => self.take_files(),
            Disturbance::LoseAcknowledged { .. }
            | Disturbance::Failover
            | Disturbance::ExpireProducers
            | Disturbance::Retention { .. }
            | Disturbance::StopInsert { .. }
            | Disturbance::Merge
            | Disturbance::ForgetTokens => None,
        }
    }

    fn toll(&self) -> Toll {
        self.toll
    }

    fn client_died(&mut self, _: VirtualTime, process: u32) {
        self.dead.insert(process);
        for folder in self.folders.values_mut() {
            self.toll.unsynced += folder.process_dies(ProcessId(process));
        }
    }

    fn next_event(&self) -> Option<VirtualTime> {
        None
    }

    fn pass_time(&mut self, _: VirtualTime) {}

    fn copied(&self) -> Box<dyn Service> {
        let folders = self.folders.iter().map(|(machine, folder)| (*machine, folder.copied()));
        Box::new(DiskModel { folders: folders.collect(), dead: BTreeSet::new(), ..self.clone() })
    }

    /// The records of all sinks' folders, each with its machine as the part. The marker is
    /// told only by [`DiskModel::view_of`], since each folder has one.
    fn view(&self, _: VirtualTime) -> View {
        let machines: BTreeSet<u32> =
            self.folders.keys().chain(self.taken.keys()).copied().collect();
        let records = machines.into_iter().flat_map(|machine| self.view_of(machine).records);
        View { records: records.collect(), marker: None }
    }
}

fn record(machine: u32, line: &[u8]) -> ViewRecord {
    ViewRecord { part: machine, key: Bytes::new(), value: Bytes::copy_from_slice(line) }
}

fn request_of(request: &Request) -> &FsRequest {
    let Request::Fs(request) = request else { panic!("{request:?} is not of a folder") };
    request
}
