//! The `filesystem` source: a file, or a folder whose files are splits.

use super::folder::{Folder, list, read_at};
use super::{FetchRequest, Fetched, Source, SourceError, path_of, rate};
use anabranch_engine::ids::Offset;
use anabranch_engine::pipeline::{FetchedData, FoundSplit, LogEnd};
use anabranch_engine::plan::Table;
use anabranch_engine::plan::connector::parse_duration_ms;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often a file that is followed is looked at, at least.
const POLL_MS_MAX: i64 = 250;

/// Files as a source.
#[derive(Debug)]
pub struct FilesystemSource {
    path: PathBuf,
    /// The folder as one split, if its files are read in name order.
    folder: Option<Folder>,
    bounded: bool,
    rate: Option<f64>,
    poll: Duration,
    /// The identity of each file when it was first seen. Between two lists another file
    /// can take the name, and no row of it may be taken for one of the first.
    // spec: J-7
    seen: Mutex<BTreeMap<String, String>>,
}

impl FilesystemSource {
    /// The source of a table.
    ///
    /// # Errors
    /// If an option makes no sense.
    pub fn of(table: &Table, base: &Path) -> Result<FilesystemSource, SourceError> {
        let path = path_of(table, base)?;
        let by_name = table.options.get("scan.order").is_some_and(|order| order == "name");
        let interval = table.options.get("source.monitor-interval");
        let interval_ms = interval.and_then(|text| parse_duration_ms(text)).unwrap_or(1_000);
        let bounded = interval.is_none();
        Ok(FilesystemSource {
            folder: by_name.then(|| Folder::new(path.clone(), bounded)),
            path,
            bounded,
            rate: rate(table, "scan.rate")?,
            poll: Duration::from_millis(interval_ms.clamp(1, POLL_MS_MAX) as u64),
            seen: Mutex::default(),
        })
    }

    fn io(&self, error: io::Error) -> SourceError {
        SourceError::Io { path: self.path.clone(), error }
    }

    /// The file of a split.
    fn file_of(&self, split: &str) -> Result<PathBuf, SourceError> {
        let is_folder = fs::metadata(&self.path).map_err(|error| self.io(error))?.is_dir();
        Ok(if is_folder { self.path.join(split) } else { self.path.clone() })
    }

    /// Refuses a file that is not the one which had the name when it was first seen.
    // spec: J-7
    fn check_identity(&self, split: &str, metadata: &fs::Metadata) -> Result<(), SourceError> {
        let found = identity(metadata);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.entry(split.to_owned()).or_insert_with(|| found.clone());
        if *first == found {
            return Ok(());
        }
        Err(SourceError::Changed(format!("{split} was {first} and is now {found}")))
    }

    fn fetch_file(&self, request: &FetchRequest) -> Result<Fetched, SourceError> {
        let path = self.file_of(&request.split)?;
        let failed = |error| SourceError::Io { path: path.clone(), error };
        let file = fs::File::open(&path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        self.check_identity(&request.split, &metadata)?;
        let size = metadata.len();
        if size < request.from.0 {
            return Err(SourceError::Changed(format!(
                "{} has {size} bytes, of which {} were read",
                path.display(),
                request.from
            )));
        }
        let bytes = read_at(&file, request.from.0, wanted(request, size)).map_err(failed)?;
        Ok(fetched(request, bytes, size, self.bounded))
    }
}

/// How many bytes to read of a log that has `size` at present.
pub(super) fn wanted(request: &FetchRequest, size: u64) -> usize {
    let limit = request.until.map_or(size, |until: Offset| until.0.min(size));
    let there = limit.saturating_sub(request.from.0);
    match request.until {
        // A range that is read again is given whole.
        Some(_) => there as usize,
        None => there.min(request.bytes_max as u64) as usize,
    }
}

/// The answer for these bytes, cut behind the rows that may be given at once.
pub(super) fn fetched(
    request: &FetchRequest,
    mut bytes: Bytes,
    size: u64,
    bounded: bool,
) -> Fetched {
    let mut rows = 0;
    let mut cut = bytes.len();
    for (place, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        rows += 1;
        if request.rows_max == Some(rows) {
            cut = place + 1;
            break;
        }
    }
    bytes.truncate(cut);
    let end = match request.from.0 + bytes.len() as u64 >= size {
        true if bounded => LogEnd::Ended,
        true => LogEnd::AtEnd,
        false => LogEnd::More,
    };
    Fetched { rows, bytes: bytes.len() as u64, data: FetchedData::Bytes(bytes), end }
}

/// What tells a file from another one that takes its name later: its number in its
/// file system. It does not change when the file grows, and survives a restart of the
/// machine; the device's number need not. That no byte changed is proved elsewhere,
/// by the checksums in the journal.
// spec: J-7
fn identity(metadata: &fs::Metadata) -> String {
    format!("inode {}", metadata.ino())
}

impl Source for FilesystemSource {
    fn splits(&self) -> Result<Vec<FoundSplit>, SourceError> {
        let metadata = fs::metadata(&self.path).map_err(|error| self.io(error))?;
        let split = |name: String, metadata: &fs::Metadata| FoundSplit {
            name,
            start: Offset(0),
            identity: identity(metadata),
        };
        if self.folder.is_some() && metadata.is_dir() {
            return Ok(vec![split(Folder::SPLIT.to_owned(), &metadata)]);
        }
        if !metadata.is_dir() && !metadata.is_file() {
            // A pipe or a terminal cannot be read again, and has no size to read up to.
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file");
            return Err(self.io(error));
        }
        if !metadata.is_dir() {
            let name = self.path.file_name().unwrap_or(self.path.as_os_str());
            return Ok(vec![split(name.to_string_lossy().into_owned(), &metadata)]);
        }
        let files = list(&self.path)?;
        Ok(files.iter().map(|file| split(file.name.clone(), &file.metadata)).collect())
    }

    fn fetch(&self, request: &FetchRequest) -> Result<Fetched, SourceError> {
        match &self.folder {
            Some(folder) if request.split == Folder::SPLIT => folder.fetch(request),
            _ => self.fetch_file(request),
        }
    }

    fn remember(&self, file: &Path) -> Result<(), SourceError> {
        self.folder.as_ref().map_or(Ok(()), |folder| folder.remember(file))
    }

    fn rows_per_second(&self) -> Option<f64> {
        self.rate
    }

    fn poll_interval(&self) -> Duration {
        self.poll
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anabranch_engine::ids::TableId;
    use anabranch_engine::plan::{FormatSpec, JsonOptions, OnError};
    use std::collections::BTreeMap;

    fn table(options: &[(&str, &str)]) -> Table {
        let options: BTreeMap<String, String> =
            options.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Table {
            id: TableId(0),
            name: "t".into(),
            columns: Vec::new(),
            primary_key: None,
            watermark: None,
            connector: "filesystem".into(),
            bounded: !options.contains_key("source.monitor-interval"),
            options,
            format: FormatSpec::Json(JsonOptions::default()),
            on_error: OnError::DeadLetter,
        }
    }

    fn request(split: &str, from: u64, rows_max: Option<u64>) -> FetchRequest {
        let split = split.to_owned();
        FetchRequest { split, from: Offset(from), until: None, bytes_max: 100, rows_max }
    }

    fn text(fetched: &Fetched) -> String {
        match &fetched.data {
            FetchedData::Bytes(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
            FetchedData::Records(_) => panic!("a file gives bytes"),
        }
    }

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    #[test]
    fn each_file_of_a_folder_is_a_split() {
        let data = folder(&[("b", "1\n2\n"), ("a/x", "3\n"), (".hidden", ""), ("_part/y", "")]);
        let source =
            FilesystemSource::of(&table(&[("path", "")]), data.path()).expect("options are fine");
        let names: Vec<String> =
            source.splits().unwrap().into_iter().map(|split| split.name).collect();
        assert_eq!(names, ["a/x", "b"]);
        let all = source.fetch(&request("b", 0, None)).unwrap();
        assert_eq!((text(&all).as_str(), all.end, all.rows), ("1\n2\n", LogEnd::Ended, 2));
        let first = source.fetch(&request("b", 0, Some(1))).unwrap();
        assert_eq!((text(&first).as_str(), first.end, first.rows), ("1\n", LogEnd::More, 1));
    }

    #[test]
    fn a_file_that_is_followed_stands_at_its_end() {
        let data = folder(&[("log", "1\n")]);
        let options = [("path", "log"), ("source.monitor-interval", "1 s")];
        let source = FilesystemSource::of(&table(&options), data.path()).unwrap();
        let before = source.splits().unwrap();
        assert_eq!(source.fetch(&request("log", 0, None)).unwrap().end, LogEnd::AtEnd);
        fs::write(data.path().join("log"), "1\n2\n").unwrap();
        assert_eq!(text(&source.fetch(&request("log", 2, None)).unwrap()), "2\n");
        assert_eq!(source.splits().unwrap(), before, "growing changes no identity");
        fs::write(data.path().join("log"), "1").unwrap();
        let error = source.fetch(&request("log", 2, None)).unwrap_err();
        assert!(!error.is_transient(), "{error}");
    }

    #[test]
    fn a_file_that_took_the_name_of_another_is_not_read() {
        // spec: J-7
        let data = folder(&[("log", "1\n"), ("new", "7\n8\n9\n")]);
        let options = [("path", ""), ("source.monitor-interval", "1 s")];
        let source = FilesystemSource::of(&table(&options), data.path()).unwrap();
        source.splits().unwrap();
        source.fetch(&request("log", 0, None)).unwrap();
        fs::rename(data.path().join("new"), data.path().join("log")).unwrap();
        let error = source.fetch(&request("log", 2, None)).unwrap_err();
        assert!(error.to_string().contains("is now inode"), "{error}");
        assert!(!error.is_transient());
    }

    #[test]
    fn a_pipe_and_a_rate_of_nothing_are_refused() {
        let (reader, _writer) = io::pipe().unwrap();
        let path = format!("/dev/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
        let source = FilesystemSource::of(&table(&[("path", &path)]), Path::new("")).unwrap();
        assert!(source.splits().unwrap_err().to_string().contains("no regular file"));
        for rate in ["0", "nan", "-1"] {
            let table = table(&[("path", "x"), ("scan.rate", rate)]);
            let error = FilesystemSource::of(&table, Path::new("")).unwrap_err();
            assert!(error.to_string().contains("above 0"), "{error}");
        }
    }

    #[test]
    fn half_a_line_at_the_end_of_a_folder_is_read_once_it_is_whole() {
        let data = folder(&[("a", "1\n2")]);
        let options = [("path", ""), ("scan.order", "name"), ("source.monitor-interval", "100 ms")];
        let source = FilesystemSource::of(&table(&options), data.path()).unwrap();
        assert_eq!(text(&source.fetch(&request(Folder::SPLIT, 0, None)).unwrap()), "1\n2");
        assert_eq!(text(&source.fetch(&request(Folder::SPLIT, 2, None)).unwrap()), "2");
        fs::write(data.path().join("a"), "1\n22\n").unwrap();
        assert_eq!(text(&source.fetch(&request(Folder::SPLIT, 2, None)).unwrap()), "22\n");
        fs::write(data.path().join("a"), "1\n").unwrap();
        let error = source.fetch(&request(Folder::SPLIT, 5, None)).unwrap_err();
        assert!(!error.is_transient(), "{error}");
    }

    #[test]
    fn a_folder_in_name_order_is_one_log() {
        let data = folder(&[("a", "1\n"), ("b", "22\n")]);
        let source =
            FilesystemSource::of(&table(&[("path", ""), ("scan.order", "name")]), data.path())
                .unwrap();
        assert_eq!(source.splits().unwrap().len(), 1);
        let first = source.fetch(&request(Folder::SPLIT, 0, None)).unwrap();
        assert_eq!((text(&first).as_str(), first.end), ("1\n", LogEnd::More));
        let second = source.fetch(&request(Folder::SPLIT, 2, None)).unwrap();
        assert_eq!((text(&second).as_str(), second.end), ("22\n", LogEnd::Ended));
        let again = FetchRequest { until: Some(Offset(4)), ..request(Folder::SPLIT, 0, None) };
        assert_eq!(text(&source.fetch(&again).unwrap()), "1\n22");
    }

    #[test]
    fn a_name_below_the_current_one_stops_the_job() {
        let data = folder(&[("b", "1\n")]);
        let options = [("path", ""), ("scan.order", "name"), ("source.monitor-interval", "100 ms")];
        let source = FilesystemSource::of(&table(&options), data.path()).unwrap();
        assert_eq!(source.fetch(&request(Folder::SPLIT, 0, None)).unwrap().end, LogEnd::AtEnd);
        fs::write(data.path().join("c"), "2\n").unwrap();
        assert_eq!(text(&source.fetch(&request(Folder::SPLIT, 2, None)).unwrap()), "2\n");
        fs::write(data.path().join("a"), "0\n").unwrap();
        let error = source.fetch(&request(Folder::SPLIT, 4, None)).unwrap_err();
        assert!(error.to_string().contains("below"), "{error}");
        assert!(!error.is_transient());
    }
}
