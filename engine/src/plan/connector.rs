//! What each connector is: its options, its guarantee, its kind of split.
//!
//! Declared here, and implemented by `connectors` and `sim` alike, so that SQL is
//! checked against the same words in production and in simulation.

use crate::types::SqlType;

/// The kind of an option's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// `true` or `false`.
    Boolean,
    /// One character.
    Character,
    /// A time span such as `10 s`, `500 ms` or `1 h`.
    Duration,
    /// One of these words.
    Enum(&'static [&'static str]),
    /// A number that is not negative.
    Number,
    /// Any text.
    Text,
    /// A whole number that is not negative.
    Unsigned,
}

/// One option of a connector, of a format, or of every table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionSpec {
    /// The key; `<column>` stands for the name of any column of the table, and
    /// `<property>` for any text.
    pub name: &'static str,
    /// What values it takes.
    pub kind: OptionKind,
    /// Whether a table without it is refused.
    pub required: bool,
    /// What holds if it is not given; empty if that needs words.
    pub default: &'static str,
    /// What it does.
    pub description: &'static str,
}

/// A column that the connector knows besides the record's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataSpec {
    /// The key in `METADATA FROM 'key'`.
    pub key: &'static str,
    /// The type of its values.
    pub ty: SqlTypeName,
    /// What it is.
    pub description: &'static str,
}

/// The types that metadata columns have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqlTypeName {
    /// BIGINT.
    BigInt,
    /// INT.
    Int,
    /// STRING.
    String,
    /// TIMESTAMP_LTZ(3).
    TimestampLtz,
}

/// What a sink promises about a row that the job gives once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guarantee {
    /// It is visible once or more often.
    AtLeastOnce,
    /// It is visible exactly once.
    ExactlyOnce,
}

/// What a split of a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitKind {
    /// A file, or a folder of files in name order.
    File,
    /// A generator with a seed.
    Generator,
    /// The connector is no source.
    None,
    /// A partition of a topic; its name is the partition's number.
    Partition,
}

/// When a source table ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounded {
    /// If the table has this option, or one of the family that begins and ends so.
    With {
        /// The option.
        option: &'static str,
        /// How the options of the family begin.
        prefix: &'static str,
        /// How they end.
        suffix: &'static str,
    },
    /// If this option has this value.
    If {
        /// The option.
        option: &'static str,
        /// The value.
        value: &'static str,
    },
    /// If the table does not have this option.
    Without(&'static str),
    /// Never; or the connector is no source.
    Never,
}

/// What a chunk for a sink holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Encoded rows, one after the other.
    Bytes,
    /// Records, each with its key.
    Records,
}

/// When a sink's flush groups end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// With every epoch that has rows.
    EachEpoch,
    /// When the group is large or old enough, as the journal then says.
    // spec: J-5
    Grouped,
}

/// A connector as a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkSpec {
    /// Whether the marker is kept within the sink.
    // spec: K-2, K-6
    pub keeps_marker: bool,
    /// What a chunk holds.
    pub payload: Payload,
    /// When flush groups end.
    pub flush: Flush,
    /// A flush group is cut into chunks of at most so many rows.
    // spec: J-5
    pub chunk_rows_max: usize,
    /// A flush group is cut into chunks of at most so many bytes.
    // spec: J-5
    pub chunk_bytes_max: usize,
}

impl SinkSpec {
    /// A sink without a marker, which is shown every epoch.
    const SHOWN: SinkSpec = SinkSpec {
        keeps_marker: false,
        payload: Payload::Bytes,
        flush: Flush::EachEpoch,
        chunk_rows_max: usize::MAX,
        chunk_bytes_max: usize::MAX,
    };

    /// Files: one for each flush group.
    const FILES: SinkSpec =
        SinkSpec { keeps_marker: true, flush: Flush::Grouped, ..SinkSpec::SHOWN };
}

/// The declaration of a connector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectorSpec {
    /// The value of `'connector'`.
    pub name: &'static str,
    /// Whether tables of it can be read.
    pub source: bool,
    /// What it is as a sink, if tables of it can be written.
    pub sink: Option<SinkSpec>,
    /// Whether users may name it, or only the engine does.
    pub internal: bool,
    /// Whether it needs a `'format'`.
    pub format: bool,
    /// The options besides [`TABLE_OPTIONS`] and those of the format.
    pub options: &'static [OptionSpec],
    /// The metadata columns of a source.
    pub metadata: &'static [MetadataSpec],
    /// What the sink promises.
    pub guarantee: Guarantee,
    /// Why the guarantee is what it is.
    pub guarantee_note: &'static str,
    /// What a split of the source is.
    pub split: SplitKind,
    /// When the source ends.
    pub bounded: Bounded,
}

const fn option(
    name: &'static str,
    kind: OptionKind,
    default: &'static str,
    description: &'static str,
) -> OptionSpec {
    OptionSpec { name, kind, required: false, default, description }
}

/// The options that every table takes besides `'connector'` and `'format'`.
pub const TABLE_OPTIONS: &[OptionSpec] = &[
    option(
        "on-error",
        OptionKind::Enum(&["dead-letter", "fail"]),
        "dead-letter",
        "What happens to a record that cannot be read.",
    ),
    option(
        "scan.watermark.idle-timeout",
        OptionKind::Duration,
        "5 s",
        "How long a split must stand at its end before it counts as idle; 0 s means never.",
    ),
    option(
        "sink.lag-budget",
        OptionKind::Duration,
        "10 min",
        "For how long the table may fail, as a sink, while the others go on.",
    ),
    option(
        "sink.on-lag",
        OptionKind::Enum(&["hold", "give-up"]),
        "hold",
        "What happens then: all wait for the sink, or it is served no longer.",
    ),
];

/// The options of `'format' = 'csv'`.
pub const CSV_OPTIONS: &[OptionSpec] = &[
    option(
        "csv.allow-comments",
        OptionKind::Boolean,
        "false",
        "Lines that start with # are no records.",
    ),
    option("csv.disable-quote-character", OptionKind::Boolean, "false", "Fields are never quoted."),
    option("csv.escape-character", OptionKind::Character, "", "Takes the next character as it is."),
    option("csv.field-delimiter", OptionKind::Character, ",", "What stands between fields."),
    option(
        "csv.ignore-parse-errors",
        OptionKind::Boolean,
        "false",
        "A field that cannot be read is NULL.",
    ),
    option("csv.null-literal", OptionKind::Text, "", "The text that stands for NULL."),
    option("csv.quote-character", OptionKind::Character, "\"", "Encloses a field."),
];

/// The options of `'format' = 'json'`.
pub const JSON_OPTIONS: &[OptionSpec] = &[
    option(
        "json.fail-on-missing-field",
        OptionKind::Boolean,
        "false",
        "A missing field makes the row bad, rather than NULL.",
    ),
    option(
        "json.ignore-parse-errors",
        OptionKind::Boolean,
        "false",
        "A field that cannot be read is NULL.",
    ),
    option(
        "json.timestamp-format.standard",
        OptionKind::Enum(&["SQL", "ISO-8601"]),
        "SQL",
        "How timestamps are written.",
    ),
];

/// The values of `'format'`.
pub const FORMATS: &[&str] = &["csv", "json"];

const FILESYSTEM: ConnectorSpec = ConnectorSpec {
    name: "filesystem",
    source: true,
    sink: Some(SinkSpec::FILES),
    internal: false,
    format: true,
    options: &[
        OptionSpec {
            name: "path",
            kind: OptionKind::Text,
            required: true,
            default: "",
            description: "A file or a folder; relative to the folder of the SQL file.",
        },
        option(
            "scan.order",
            OptionKind::Enum(&["file", "name"]),
            "file",
            "Each file of the folder is a split, or the folder is one split in name order.",
        ),
        option("scan.rate", OptionKind::Number, "", "At most so many rows per second."),
        option(
            "source.monitor-interval",
            OptionKind::Duration,
            "",
            "Follows the folder: looks for new files and more lines at this interval. Without it the table is bounded.",
        ),
    ],
    metadata: &[
        MetadataSpec {
            key: "file.path",
            ty: SqlTypeName::String,
            description: "The file's path below the table's folder.",
        },
        MetadataSpec {
            key: "offset",
            ty: SqlTypeName::BigInt,
            description: "Where the record starts in its split.",
        },
        MetadataSpec {
            key: "split",
            ty: SqlTypeName::String,
            description: "The name of the record's split.",
        },
    ],
    guarantee: Guarantee::ExactlyOnce,
    guarantee_note: "files appear by rename, and a manifest keeps the last epoch",
    split: SplitKind::File,
    bounded: Bounded::Without("source.monitor-interval"),
};

const DATAGEN: ConnectorSpec = ConnectorSpec {
    name: "datagen",
    source: true,
    sink: None,
    internal: false,
    format: false,
    options: &[
        option("fields.<column>.end", OptionKind::Number, "", "The last value of a sequence."),
        option(
            "fields.<column>.kind",
            OptionKind::Enum(&["random", "sequence"]),
            "random",
            "How values are made.",
        ),
        option("fields.<column>.length", OptionKind::Unsigned, "100", "The length of a text."),
        option("fields.<column>.max", OptionKind::Text, "", "The largest random value."),
        option(
            "fields.<column>.max-past",
            OptionKind::Duration,
            "0",
            "How far a random timestamp may lie back.",
        ),
        option("fields.<column>.min", OptionKind::Text, "", "The smallest random value."),
        option("fields.<column>.null-rate", OptionKind::Number, "0", "The share of NULLs."),
        option("fields.<column>.start", OptionKind::Number, "", "The first value of a sequence."),
        option(
            "number-of-rows",
            OptionKind::Unsigned,
            "",
            "After so many rows the table ends; without it, never.",
        ),
        option(
            "rows-per-second",
            OptionKind::Unsigned,
            "10000",
            "At most so many rows per second.",
        ),
        option("seed", OptionKind::Unsigned, "0", "What the random values start from."),
    ],
    metadata: &[
        MetadataSpec {
            key: "offset",
            ty: SqlTypeName::BigInt,
            description: "The number of the row in its split.",
        },
        MetadataSpec {
            key: "split",
            ty: SqlTypeName::String,
            description: "The name of the row's split.",
        },
    ],
    guarantee: Guarantee::ExactlyOnce,
    guarantee_note: "every row is a function of the seed and its number",
    split: SplitKind::Generator,
    // A sequence that ends ends the table.
    bounded: Bounded::With { option: "number-of-rows", prefix: "fields.", suffix: ".end" },
};

const PRINT: ConnectorSpec = ConnectorSpec {
    name: "print",
    source: false,
    sink: Some(SinkSpec::SHOWN),
    internal: false,
    format: false,
    options: &[option("print-identifier", OptionKind::Text, "", "Stands in front of every row.")],
    metadata: &[],
    guarantee: Guarantee::AtLeastOnce,
    guarantee_note: "a terminal keeps no marker, so a restart prints rows again",
    split: SplitKind::None,
    bounded: Bounded::Never,
};

const PRINT_TABLE: ConnectorSpec =
    ConnectorSpec { name: "print-table", internal: true, options: &[], ..PRINT };

const BLACKHOLE: ConnectorSpec = ConnectorSpec {
    name: "blackhole",
    options: &[],
    guarantee: Guarantee::ExactlyOnce,
    guarantee_note: "nothing is kept",
    ..PRINT
};

const fn required(name: &'static str, kind: OptionKind, description: &'static str) -> OptionSpec {
    OptionSpec { name, kind, required: true, default: "", description }
}

/// How the rows of one flush group are cut, for sinks that are services.
const CHUNK_ROWS: &str = "sink.chunk-rows";
const CHUNK_ROWS_WORDS: &str = "At most so many rows are sent as one.";

const KAFKA: ConnectorSpec = ConnectorSpec {
    name: "kafka",
    source: true,
    // A transaction for each chunk. The broker takes a megabyte a batch unless it is told
    // otherwise, and the sink cuts a chunk into batches.
    sink: Some(SinkSpec {
        payload: Payload::Records,
        flush: Flush::EachEpoch,
        chunk_rows_max: 10_000,
        chunk_bytes_max: 4 << 20,
        ..SinkSpec::FILES
    }),
    internal: false,
    format: true,
    options: &[
        option(
            "key.fields",
            OptionKind::Text,
            "",
            "The columns of a written key, with ; between them; without it the primary key.",
        ),
        option(
            "key.format",
            OptionKind::Enum(&["json"]),
            "",
            "How a written key is encoded; needs 'key.fields'.",
        ),
        required("properties.bootstrap.servers", OptionKind::Text, "The brokers to begin with."),
        option("properties.<property>", OptionKind::Text, "", "A property of the Kafka client."),
        option(
            "scan.bounded.mode",
            OptionKind::Enum(&["latest-offset", "unbounded"]),
            "unbounded",
            "Whether the table ends with the records that are there at the start.",
        ),
        option(
            "scan.startup.mode",
            OptionKind::Enum(&["earliest-offset"]),
            "earliest-offset",
            "Where reading begins.",
        ),
        option(CHUNK_ROWS, OptionKind::Unsigned, "10000", CHUNK_ROWS_WORDS),
        required("topic", OptionKind::Text, "The topic."),
        option(
            "value.format",
            OptionKind::Enum(FORMATS),
            "",
            "Another name of 'format'; the format's options then begin with 'value.'.",
        ),
    ],
    metadata: &[
        MetadataSpec {
            key: "offset",
            ty: SqlTypeName::BigInt,
            description: "The record's offset in its partition.",
        },
        MetadataSpec {
            key: "partition",
            ty: SqlTypeName::Int,
            description: "The number of the record's partition.",
        },
        MetadataSpec {
            key: "timestamp",
            ty: SqlTypeName::TimestampLtz,
            description: "The record's own timestamp.",
        },
    ],
    guarantee: Guarantee::ExactlyOnce,
    guarantee_note: "rows and marker are one transaction; readers use read_committed",
    split: SplitKind::Partition,
    bounded: Bounded::If { option: "scan.bounded.mode", value: "latest-offset" },
};

const REDIS: ConnectorSpec = ConnectorSpec {
    name: "redis",
    source: false,
    // A script blocks the server for some 12 µs a key.
    sink: Some(SinkSpec {
        payload: Payload::Records,
        flush: Flush::EachEpoch,
        chunk_rows_max: 1_000,
        chunk_bytes_max: 1 << 20,
        ..SinkSpec::FILES
    }),
    internal: false,
    format: false,
    options: &[
        option(
            "key.template",
            OptionKind::Text,
            "",
            "What a key looks like, such as user:{user_id}; every column of the primary key stands in it. Without it: the table's name and the key's columns with : between them.",
        ),
        option(CHUNK_ROWS, OptionKind::Unsigned, "1000", CHUNK_ROWS_WORDS),
        required("url", OptionKind::Text, "The server, such as redis://localhost:6379/0."),
        option(
            "value.type",
            OptionKind::Enum(&["string", "hash"]),
            "string",
            "Whether a row is one JSON text or a hash with a field for each column.",
        ),
    ],
    metadata: &[],
    guarantee: Guarantee::ExactlyOnce,
    guarantee_note: "one script writes rows and marker; a server that loses acknowledged writes is noticed",
    split: SplitKind::None,
    bounded: Bounded::Never,
};

const CLICKHOUSE: ConnectorSpec = ConnectorSpec {
    name: "clickhouse",
    source: false,
    // The server makes blocks of about a million rows of one insert at most, and a chunk
    // has to stay one block.
    sink: Some(SinkSpec {
        payload: Payload::Records,
        chunk_rows_max: 100_000,
        chunk_bytes_max: 16 << 20,
        ..SinkSpec::FILES
    }),
    internal: false,
    format: false,
    options: &[
        option("database-name", OptionKind::Text, "default", "The database."),
        option(
            "mode",
            OptionKind::Enum(&["keyed", "append", "strict"]),
            "",
            "Whether rows replace those of their key, stand beside each other, or go through a staging table. Without it: keyed if there is a primary key, else append.",
        ),
        option(
            "partition-by",
            OptionKind::Text,
            "",
            "The column whose value decides a row's partition; of a keyed table one of the primary key.",
        ),
        option(CHUNK_ROWS, OptionKind::Unsigned, "100000", CHUNK_ROWS_WORDS),
        required("table-name", OptionKind::Text, "The table."),
        required("url", OptionKind::Text, "The server, such as http://localhost:8123."),
    ],
    metadata: &[],
    guarantee: Guarantee::ExactlyOnce,
    guarantee_note: "a row that comes twice replaces itself; readers use FINAL",
    split: SplitKind::None,
    bounded: Bounded::Never,
};

/// The connectors of this version, by name.
pub const CONNECTORS: &[ConnectorSpec] =
    &[BLACKHOLE, CLICKHOUSE, DATAGEN, FILESYSTEM, KAFKA, PRINT, PRINT_TABLE, REDIS];

/// The connectors that nothing but the simulator carries out in this version.
pub const SIMULATED_ONLY: &[&str] = &["clickhouse", "kafka", "redis"];

impl SqlTypeName {
    /// The type that is meant.
    #[must_use]
    pub fn sql_type(self) -> SqlType {
        match self {
            SqlTypeName::BigInt => SqlType::BigInt,
            SqlTypeName::Int => SqlType::Int,
            SqlTypeName::TimestampLtz => SqlType::TimestampLtz(3),
            SqlTypeName::String => SqlType::STRING,
        }
    }
}

impl OptionSpec {
    /// Whether `key` is this option; `<column>` matches one of `columns`.
    pub fn matches<'a>(&self, key: &str, columns: impl IntoIterator<Item = &'a str>) -> bool {
        if let Some(before) = self.name.strip_suffix("<property>") {
            return key.strip_prefix(before).is_some_and(|property| !property.is_empty());
        }
        match self.name.split_once("<column>") {
            None => self.name == key,
            Some((before, after)) => key
                .strip_prefix(before)
                .and_then(|rest| rest.strip_suffix(after))
                .is_some_and(|column| columns.into_iter().any(|name| name == column)),
        }
    }
}

impl OptionKind {
    /// What a value has to be, for a person; `None` if this one is fine.
    #[must_use]
    pub fn objection(self, value: &str) -> Option<String> {
        match self {
            OptionKind::Boolean => {
                let fine =
                    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
                (!fine).then(|| "true or false".to_owned())
            }
            OptionKind::Character => {
                let fine = value == "\\t" || value.chars().count() == 1;
                (!fine).then(|| "one character".to_owned())
            }
            OptionKind::Duration => parse_duration_ms(value)
                .is_none()
                .then(|| "a time span such as '10 s', '500 ms' or '1 h'".to_owned()),
            OptionKind::Enum(words) => {
                (!words.contains(&value)).then(|| format!("one of '{}'", words.join("', '")))
            }
            OptionKind::Number => {
                let fine = value.parse::<f64>().is_ok_and(|n| n.is_finite() && n >= 0.0);
                (!fine).then(|| "a number that is not negative".to_owned())
            }
            OptionKind::Text => None,
            OptionKind::Unsigned => value
                .parse::<u64>()
                .is_err()
                .then(|| "a whole number that is not negative".to_owned()),
        }
    }
}

/// Reads a time span as Flink's options write it: a whole number and a unit, in ms;
/// a bare number is in ms.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: i64 = text[..digits].parse().ok()?;
    let unit = text[digits..].trim().to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_flink_writes_them() {
        assert_eq!(parse_duration_ms("10 s"), Some(10_000));
        assert_eq!(parse_duration_ms("5min"), Some(300_000));
        assert_eq!(parse_duration_ms("500"), Some(500));
        assert_eq!(parse_duration_ms("1 d"), Some(86_400_000));
        assert_eq!(parse_duration_ms("s"), None);
        assert_eq!(parse_duration_ms("1 month"), None);
        assert_eq!(parse_duration_ms("-1 s"), None);
        assert_eq!(parse_duration_ms("9223372036854775807 d"), None);
    }

    #[test]
    fn the_options_of_a_column_match_its_name_only() {
        let kind =
            DATAGEN.options.iter().find(|o| o.name == "fields.<column>.kind").expect("declared");
        assert!(kind.matches("fields.id.kind", ["id"]));
        assert!(!kind.matches("fields.other.kind", ["id"]));
        assert!(!kind.matches("fields.id.min", ["id"]));
    }
}
