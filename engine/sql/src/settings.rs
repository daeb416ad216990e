//! SET and RESET.

use crate::codes;
use crate::nearest::nearest;
use anabranch_engine::diagnostic::{Diagnostic, Span};
use anabranch_engine::plan::JobOptions;
use anabranch_engine::plan::connector::parse_duration_ms;
use std::collections::BTreeMap;

/// A setting that means something here.
struct Setting {
    key: &'static str,
    /// Whether it can change a result, and so must stand before the first query.
    result: bool,
    /// What it takes.
    takes: &'static str,
}

/// The settings that mean something.
const SETTINGS: &[Setting] = &[
    Setting {
        key: "anabranch.watermark.max-drift",
        result: true,
        takes: "a time span such as '1 min'",
    },
    Setting { key: "pipeline.name", result: false, takes: "a name" },
    Setting { key: "pipeline.seed", result: true, takes: "a whole number that is not negative" },
    Setting {
        key: "table.local-time-zone",
        result: true,
        takes: "a time zone's name such as 'UTC' or 'Europe/Vienna'",
    },
];

/// Flink's settings that cannot change a result here and are left alone, so that one
/// file runs on both.
const IGNORED: &[&str] = &[
    "classloader.",
    "execution.attached",
    "execution.checkpointing.",
    "high-availability.",
    "jobmanager.",
    "metrics.",
    "parallelism.",
    "pipeline.auto-",
    "pipeline.max-parallelism",
    "pipeline.object-reuse",
    "pipeline.operator-chaining",
    "rest.",
    "restart-strategy",
    "sql-client.",
    "state.backend",
    "state.checkpoints",
    "state.savepoints",
    "table.optimizer.",
    "table.exec.mini-batch.",
    "table.exec.resource.",
    "taskmanager.",
    "web.",
];

/// The keys that mean something, with what they take.
pub(crate) fn known_settings() -> Vec<(&'static str, &'static str)> {
    SETTINGS.iter().map(|setting| (setting.key, setting.takes)).collect()
}

/// What the statements set so far.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) options: JobOptions,
    pub(crate) values: BTreeMap<String, String>,
}

impl Settings {
    /// `SET 'key' = 'value'`.
    pub(crate) fn set(
        &mut self,
        (key, key_span): (&str, Span),
        (value, value_span): (&str, Span),
        queries_came: bool,
    ) -> Result<(), Diagnostic> {
        let known = known(key, value, key_span, value_span)?;
        if known.is_some_and(|setting| setting.result) && queries_came {
            let message = format!("'{key}' is set after a statement that it concerns");
            return Err(Diagnostic::new(codes::BAD_SETTING, key_span, message)
                .with_help("put SET before the first table"));
        }
        let bad = |takes: &str| {
            let message = format!("'{key}' does not take '{value}'");
            Diagnostic::new(codes::BAD_SETTING, value_span, message)
                .with_help(format!("it takes {takes}"))
        };
        match known {
            Some(Setting { key: "table.local-time-zone", takes, .. }) => {
                if !anabranch_engine::time::is_zone(value) {
                    return Err(bad(takes));
                }
                self.options.local_time_zone = value.to_owned();
            }
            Some(Setting { key: "pipeline.seed", takes, .. }) => {
                self.options.seed = value.parse().map_err(|_| bad(takes))?;
            }
            Some(Setting { key: "anabranch.watermark.max-drift", takes, .. }) => {
                let drift = parse_duration_ms(value).ok_or_else(|| bad(takes))?;
                self.options.max_drift_ms = Some(drift);
            }
            Some(_) | None => {}
        }
        self.values.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// `RESET ['key']`.
    pub(crate) fn reset(
        &mut self,
        key: Option<(&str, Span)>,
        queries_came: bool,
    ) -> Result<(), Diagnostic> {
        let default = JobOptions::default();
        let Some((key, span)) = key else {
            if queries_came && self.options != default {
                let message = "RESET after a statement that the settings concern";
                return Err(Diagnostic::new(codes::BAD_SETTING, Span::default(), message)
                    .with_help("put RESET before the first table"));
            }
            *self = Settings::default();
            return Ok(());
        };
        let setting = known(key, "", span, span)?;
        if setting.is_some_and(|setting| setting.result) && queries_came {
            let message = format!("'{key}' is reset after a statement that it concerns");
            return Err(Diagnostic::new(codes::BAD_SETTING, span, message)
                .with_help("put RESET before the first table"));
        }
        match key {
            "table.local-time-zone" => self.options.local_time_zone = default.local_time_zone,
            "pipeline.seed" => self.options.seed = default.seed,
            "anabranch.watermark.max-drift" => self.options.max_drift_ms = default.max_drift_ms,
            _ => {}
        }
        self.values.remove(key);
        Ok(())
    }
}

/// The setting of this key; `None` if it is one of Flink's that is left alone.
fn known(
    key: &str,
    value: &str,
    span: Span,
    value_span: Span,
) -> Result<Option<&'static Setting>, Diagnostic> {
    if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key) {
        return Ok(Some(setting));
    }
    if key == "execution.runtime-mode" {
        if value.is_empty() || value.eq_ignore_ascii_case("streaming") {
            return Ok(None);
        }
        let message = format!("'{key}' does not take '{value}'");
        return Err(Diagnostic::new(codes::BAD_SETTING, value_span, message)
            .with_help("jobs run as streams; bounded tables end by themselves"));
    }
    if IGNORED.iter().any(|prefix| key.starts_with(prefix)) {
        return Ok(None);
    }
    let help = match key {
        "table.exec.source.idle-timeout" => {
            "write 'scan.watermark.idle-timeout' in WITH of the table".to_owned()
        }
        _ => match nearest(key, SETTINGS.iter().map(|setting| setting.key)) {
            Some(near) => format!("did you mean '{near}'?"),
            None => {
                let keys: Vec<&str> = SETTINGS.iter().map(|setting| setting.key).collect();
                format!("the settings are '{}'", keys.join("', '"))
            }
        },
    };
    let message = format!("unknown setting '{key}'");
    Err(Diagnostic::new(codes::UNKNOWN_SETTING, span, message).with_help(help))
}
