//! The settings: limits, threads and the log. None of them can change a result; what
//! can stands in the SQL file.
//!
//! A flag wins over the environment, that over `anabranch.toml`, and that over the
//! default.

use crate::cli::LimitArgs;
use crate::errors::{self, JobError};
use anabranch_engine::pipeline::PipelineConfig;
use anabranch_engine::plan::connector::parse_duration_ms;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// The file that is read if no other is named.
const FILE: &str = "anabranch.toml";
/// What the names of environment variables begin with.
const ENVIRONMENT: &str = "ANABRANCH_";

/// A year. In nanoseconds and a hundredfold it is still a number of 64 bits.
const MS_MAX: i64 = 365 * 86_400_000;
/// The journal's thread takes twice as many commands before it writes.
const EPOCHS_MAX: usize = 512;
/// A record that does not fit is asked for with twice as much.
const FETCH_BYTES_MAX: u32 = 1 << 30;

/// All settings.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The limits of the pipeline.
    pub pipeline: PipelineConfig,
    /// How many threads compute; 0 for one for each core.
    pub threads: usize,
    /// How messages are written.
    pub log: LogFormat,
    /// Which messages are written.
    pub log_level: tracing::Level,
    /// How often a JSON log says where the job is; 0 for never.
    pub progress_interval: Interval,
}

/// How messages are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl FromStr for LogFormat {
    type Err = ();

    fn from_str(text: &str) -> Result<LogFormat, ()> {
        match text {
            "json" => Ok(LogFormat::Json),
            "text" => Ok(LogFormat::Text),
            _ => Err(()),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LogFormat::Json => "json",
            LogFormat::Text => "text",
        })
    }
}

/// A time span, written as Flink's options write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Interval(pub Duration);

impl FromStr for Interval {
    type Err = ();

    fn from_str(text: &str) -> Result<Interval, ()> {
        let ms = parse_duration_ms(text).filter(|ms| *ms <= MS_MAX).ok_or(())?;
        Ok(Interval(Duration::from_millis(u64::try_from(ms).map_err(drop)?)))
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0.as_millis())
    }
}

impl Default for Config {
    fn default() -> Config {
        Config {
            pipeline: PipelineConfig::default(),
            threads: 0,
            log: LogFormat::Text,
            log_level: tracing::Level::INFO,
            progress_interval: Interval(Duration::from_secs(10)),
        }
    }
}

/// One setting.
struct Setting {
    key: &'static str,
    help: &'static str,
    show: fn(&Config) -> String,
    /// Takes a value, or says what it should have been.
    set: fn(&mut Config, &str) -> Result<(), &'static str>,
}

macro_rules! settings {
    ($($key:literal, $($field:ident).+ $(in $range:expr)?, $takes:literal, $help:literal;)*) => {
        const SETTINGS: &[Setting] = &[$(Setting {
            key: $key,
            help: $help,
            show: |config| config.$($field).+.to_string().to_lowercase(),
            set: |config, text| match text.trim().parse() {
                Ok(value) $(if $range.contains(&value))? => {
                    config.$($field).+ = value;
                    Ok(())
                }
                _ => Err($takes),
            },
        },)*];
    };
}

settings! {
    "attempts-max", pipeline.attempts_max, "a number",
        "attempts in a row after which a source or a store is given up";
    "buffer-bytes-max", pipeline.buffer_bytes_max in 1.., "a number of bytes from 1 on",
        "bytes that are read ahead of all splits together";
    "discover-ms", pipeline.discover_ms in 1..=MS_MAX, "milliseconds from 1 on",
        "how often a table that grows is asked for new splits";
    "epoch-bytes-max", pipeline.epoch_bytes_max in 1.., "a number of bytes from 1 on",
        "bytes of records that an epoch takes at most";
    "epochs-inflight-max", pipeline.epochs_inflight_max in 1..=EPOCHS_MAX, "a number from 1 to 512",
        "epochs that may wait for the journal at once";
    "fetch-bytes", pipeline.fetch_bytes in 1..=FETCH_BYTES_MAX, "a number of bytes from 1 to 1073741824",
        "bytes that a fetch asks for";
    "flush-age-ms", pipeline.flush_age_ms in 0..=MS_MAX, "milliseconds",
        "age at which a sink's group of epochs is written out";
    "flush-bytes", pipeline.flush_bytes, "a number of bytes",
        "size at which a sink's group of epochs is written out";
    "heal-horizon-ms", pipeline.heal_horizon_ms in 0..=MS_MAX, "milliseconds",
        "for how long what was given to sinks can be computed again";
    "log", log, "text or json", "how messages are written";
    "log-level", log_level, "error, warn, info, debug or trace", "which messages are written";
    "poison-starts", pipeline.poison_starts in 1.., "a number from 1 on",
        "starts that died while they computed one epoch, after which a job is poisoned";
    "progress-interval", progress_interval, "a time span such as 10 s, 0 for none",
        "how often a JSON log says where the job is";
    "prove-ms", pipeline.prove_ms in 1..=MS_MAX, "milliseconds from 1 on",
        "time without an append after which the journal is asked whether it is still ours";
    "retry-ms", pipeline.retry_ms in 0..=MS_MAX, "milliseconds",
        "the first wait before what failed is tried again";
    "samples-max", pipeline.samples_max, "a number",
        "late and dead rows that are reported one by one";
    "sink-lag-bytes-max", pipeline.sink_lag_bytes_max in 1.., "a number of bytes from 1 on",
        "bytes that may wait for one sink before the others wait, too";
    "sink-wait-ms", pipeline.sink_wait_ms in 1..=MS_MAX, "milliseconds from 1 on",
        "time after which a sink that does not answer counts as one that fails";
    "snapshot-bytes", pipeline.snapshot_bytes, "a number of bytes",
        "bytes of records between snapshots; 0 takes none";
    "split-buffer-bytes-max", pipeline.split_buffer_bytes_max in 1.., "a number of bytes from 1 on",
        "bytes that are read ahead of each split";
    "stop-wait-ms", pipeline.stop_wait_ms in 0..=MS_MAX, "milliseconds",
        "for how long a stop waits for sinks that fail";
    "threads", threads, "a number", "threads that compute; 0 for one for each core";
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The program.
    Default,
    /// An environment variable.
    Environment(String),
    /// A file.
    File(PathBuf),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Environment(name) => write!(f, "environment {name}"),
            Origin::File(path) => write!(f, "{}", path.display()),
            Origin::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// The settings with the origin of each.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    /// The settings.
    pub config: Config,
    origins: BTreeMap<&'static str, Origin>,
}

impl Resolved {
    /// Puts all layers together. `environment` are the process's variables.
    ///
    /// # Errors
    /// If a layer names a setting that does not exist, or gives it a value that it
    /// does not take.
    pub(crate) fn new(
        flags: &LimitArgs,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Resolved, JobError> {
        let mut resolved = Resolved { config: Config::default(), origins: BTreeMap::new() };
        let file = match &flags.config {
            Some(path) => Some(path.clone()),
            None => Some(PathBuf::from(FILE)).filter(|path| path.exists()),
        };
        if let Some(path) = file {
            resolved.take_file(&path)?;
        }
        let variables: BTreeMap<String, String> = environment.collect();
        for setting in SETTINGS {
            let name = format!("{ENVIRONMENT}{}", setting.key.to_uppercase().replace('-', "_"));
            if let Some(value) = variables.get(&name) {
                resolved.set(setting.key, value, Origin::Environment(name))?;
            }
        }
        let known = [
            ("threads", &flags.threads),
            ("log", &flags.log),
            ("log-level", &flags.log_level),
            ("progress-interval", &flags.progress_interval),
        ];
        for (key, value) in known {
            if let Some(value) = value {
                resolved.set(key, value, Origin::Flag(format!("--{key}")))?;
            }
        }
        for pair in &flags.set {
            let Some((key, value)) = pair.split_once('=') else {
                let message = format!("--set {pair}: write --set KEY=VALUE");
                return Err(JobError::new(&errors::CONFIG, message));
            };
            resolved.set(key.trim(), value, Origin::Flag("--set".to_owned()))?;
        }
        Ok(resolved)
    }

    fn take_file(&mut self, path: &Path) -> Result<(), JobError> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            let message = format!("cannot read {}: {error}", path.display());
            JobError::new(&errors::NO_FILE, message)
        })?;
        let table: toml::Table = text.parse().map_err(|error| {
            JobError::new(&errors::CONFIG, format!("{}: {error}", path.display()))
        })?;
        for (key, value) in &table {
            let value = match value {
                toml::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            self.set(key, &value, Origin::File(path.to_owned()))?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str, origin: Origin) -> Result<(), JobError> {
        let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) else {
            let message = format!("{origin}: there is no setting {key}");
            return Err(JobError::new(&errors::CONFIG, message)
                .with_help("`anabranch config show` lists all; what can change a result is set in the SQL file"));
        };
        (setting.set)(&mut self.config, value).map_err(|takes| {
            let message = format!("{origin}: {key} is {value}, and takes {takes}");
            JobError::new(&errors::CONFIG, message)
        })?;
        self.origins.insert(setting.key, origin);
        Ok(())
    }

    /// One line for each setting: key, value, origin, and what it is.
    pub(crate) fn lines(&self) -> impl Iterator<Item = [String; 4]> + '_ {
        SETTINGS.iter().map(|setting| {
            let origin = self.origins.get(setting.key).unwrap_or(&Origin::Default);
            let value = (setting.show)(&self.config);
            [setting.key.to_owned(), value, origin.to_string(), setting.help.to_owned()]
        })
    }

    /// How many threads compute.
    #[must_use]
    pub(crate) fn threads(&self) -> usize {
        match self.config.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flags: &LimitArgs, environment: &[(&str, &str)]) -> Result<Resolved, JobError> {
        let variables = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        Resolved::new(flags, variables)
    }

    fn origin_of(resolved: &Resolved, key: &str) -> (String, String) {
        let line = resolved.lines().find(|line| line[0] == key).unwrap();
        (line[1].clone(), line[2].clone())
    }

    #[test]
    fn the_nearest_layer_wins() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("limits.toml");
        std::fs::write(&path, "threads = 3\nflush-bytes = 10\nlog = \"json\"\n").unwrap();
        let flags = LimitArgs {
            config: Some(path.clone()),
            threads: Some("7".into()),
            ..LimitArgs::default()
        };
        let environment = [("ANABRANCH_THREADS", "5"), ("ANABRANCH_FLUSH_BYTES", "20")];
        let resolved = resolve(&flags, &environment).unwrap();
        assert_eq!(origin_of(&resolved, "threads"), ("7".into(), "flag --threads".into()));
        let from = "environment ANABRANCH_FLUSH_BYTES".to_owned();
        assert_eq!(origin_of(&resolved, "flush-bytes"), ("20".into(), from));
        assert_eq!(origin_of(&resolved, "log"), ("json".into(), path.display().to_string()));
        assert_eq!(origin_of(&resolved, "retry-ms"), ("50".into(), "default".into()));
    }

    #[test]
    fn settings_that_do_not_exist_are_refused() {
        let flags = LimitArgs { set: vec!["speed=9".into()], ..LimitArgs::default() };
        assert!(resolve(&flags, &[]).unwrap_err().message.contains("speed"));
        let flags = LimitArgs { set: vec!["threads=many".into()], ..LimitArgs::default() };
        assert!(resolve(&flags, &[]).unwrap_err().message.contains("takes a number"));
    }

    #[test]
    fn a_limit_that_would_let_nothing_through_is_refused() {
        // spec: F-4
        let pairs = [
            "discover-ms=0",
            "epoch-bytes-max=0",
            "epochs-inflight-max=0",
            "epochs-inflight-max=100000",
            "fetch-bytes=0",
            "fetch-bytes=4294967295",
            "flush-age-ms=-1",
            "flush-age-ms=9223372036854775807",
            "poison-starts=0",
            "retry-ms=-1",
            "sink-lag-bytes-max=0",
            "split-buffer-bytes-max=0",
        ];
        for pair in pairs {
            let flags = LimitArgs { set: vec![pair.into()], ..LimitArgs::default() };
            assert!(resolve(&flags, &[]).is_err(), "{pair}");
        }
    }
}
