//! The options of WITH, checked against what the connector and the format declare.

use crate::bind::{Binder, Bound, Reported};
use crate::codes;
use crate::nearest::nearest;
use crate::parse::OptionSyntax;
use anabranch_engine::diagnostic::Span;
use anabranch_engine::plan::connector::{
    Bounded, CSV_OPTIONS, ConnectorSpec, FORMATS, JSON_OPTIONS, OptionSpec, TABLE_OPTIONS,
};
use anabranch_engine::plan::{
    ColumnKind, CsvOptions, FormatSpec, JsonOptions, OnError, Table, TimestampFormat,
};
use anabranch_engine::types::SqlType;
use std::collections::BTreeMap;

/// A value with the places of its key and of itself.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) value: String,
    pub(crate) key_span: Span,
    pub(crate) value_span: Span,
}

impl Given {
    /// A value that stands at one place with its key.
    pub(crate) fn at(value: &str, span: Span) -> Given {
        Given { value: value.to_owned(), key_span: span, value_span: span }
    }
}

/// An option of a hint, whose parts have no places of their own.
pub(crate) fn given(option: &OptionSyntax, span: Span) -> Given {
    Given::at(&option.value, span)
}

impl Binder<'_> {
    /// The declaration of the connector that the options name.
    pub(crate) fn connector(
        &mut self,
        options: &BTreeMap<String, Given>,
        span: Span,
    ) -> Bound<ConnectorSpec> {
        let users = self.catalog.connectors.iter().filter(|spec| !spec.internal);
        let names: Vec<&'static str> = users.map(|spec| spec.name).collect();
        let Some(given) = options.get("connector") else {
            let message = "the table has no 'connector'";
            let help = format!("add 'connector' = '{}'", names.join("' or '"));
            return Err(self.error_help(codes::MISSING_OPTION, span, message, help));
        };
        let wanted = given.value.as_str();
        let found =
            self.catalog.connectors.iter().find(|spec| !spec.internal && spec.name == wanted);
        if let Some(spec) = found {
            return Ok(*spec);
        }
        let message = format!("unknown connector '{wanted}'");
        let help = match nearest(wanted, names.iter().copied()) {
            Some(near) => format!("did you mean '{near}'?"),
            None => format!("the connectors are '{}'", names.join("', '")),
        };
        Err(self.error_help(codes::UNKNOWN_CONNECTOR, given.value_span, message, help))
    }

    /// The table with these options in place of its own.
    pub(crate) fn table_options(
        &mut self,
        table: &Table,
        options: &BTreeMap<String, Given>,
        span: Span,
    ) -> Bound<Table> {
        let mut options = options.clone();
        if !table.connector.is_empty() {
            let own = || Given::at(&table.connector, span);
            options.entry("connector".to_owned()).or_insert_with(own);
        }
        let spec = self.connector(&options, span)?;
        self.take_value_format(&spec, &mut options)?;
        let format = self.format(&spec, &options, span);
        let flat = self.check_flat(format.as_ref().ok(), &options, table);
        let known = self.check_known(&spec, &options, table);
        let required = self.check_required(&spec, &options, span);
        let format = format?;
        flat?;
        known?;
        required?;
        let bounded = match spec.bounded {
            Bounded::With { option, prefix, suffix } => {
                let family = |key: &String| key.starts_with(prefix) && key.ends_with(suffix);
                options.contains_key(option) || options.keys().any(family)
            }
            Bounded::If { option, value } => {
                options.get(option).is_some_and(|given| given.value == value)
            }
            Bounded::Without(option) => !options.contains_key(option),
            Bounded::Never => false,
        };
        let fail = options.get("on-error").is_some_and(|given| given.value == "fail");
        let connector = options.remove("connector");
        let spans: BTreeMap<String, Span> =
            options.iter().map(|(key, given)| (key.clone(), given.value_span)).collect();
        let table = Table {
            connector: spec.name.to_owned(),
            options: options.into_iter().map(|(key, given)| (key, given.value)).collect(),
            format,
            on_error: if fail { OnError::Fail } else { OnError::DeadLetter },
            bounded,
            ..table.clone()
        };
        let layout = table.record_layout();
        layout.map(|_| table).map_err(|error| {
            let connector = connector.map_or(span, |given| given.value_span);
            let span = spans.get(&error.option).copied().unwrap_or(connector);
            self.error(codes::BAD_OPTION, span, error.what)
        })
    }

    /// Takes 'value.format', and the format's options that begin with 'value.', for
    /// their plain names, where the connector knows both.
    fn take_value_format(
        &mut self,
        spec: &ConnectorSpec,
        options: &mut BTreeMap<String, Given>,
    ) -> Bound<()> {
        if !spec.options.iter().any(|option| option.name == "value.format") {
            return Ok(());
        }
        let Some(value) = options.remove("value.format") else { return Ok(()) };
        if options.contains_key("format") {
            let message = "'format' and 'value.format' are two names of one option";
            return Err(self.error(codes::BAD_OPTION, value.key_span, message));
        }
        for prefix in FORMATS.iter().map(|format| format!("value.{format}.")) {
            let long: Vec<String> =
                options.keys().filter(|key| key.starts_with(&prefix)).cloned().collect();
            for key in long {
                let given = options.remove(&key).expect("it was just found");
                options.insert(key["value.".len()..].to_owned(), given);
            }
        }
        options.insert("format".to_owned(), value);
        Ok(())
    }

    /// Refuses options that nobody knows, and values that they do not take.
    fn check_known(
        &mut self,
        spec: &ConnectorSpec,
        options: &BTreeMap<String, Given>,
        table: &Table,
    ) -> Bound<()> {
        let format = options.get("format").map(|given| given.value.as_str());
        let known: Vec<&OptionSpec> = spec
            .options
            .iter()
            .chain(TABLE_OPTIONS)
            .chain(format_options(format).iter().filter(|_| spec.format))
            .collect();
        let mut failed = false;
        for (key, given) in options {
            if key == "connector" || (key == "format" && spec.format) {
                continue;
            }
            let columns = table.columns.iter().map(|column| column.name.as_str());
            match known.iter().find(|option| option.matches(key, columns.clone())) {
                Some(option) => {
                    if let Some(wanted) = option.kind.objection(&given.value) {
                        let message = format!("'{key}' does not take '{}'", given.value);
                        let help = format!("it takes {wanted}");
                        self.error_help(codes::BAD_OPTION, given.value_span, message, help);
                        failed = true;
                    }
                }
                None => {
                    self.unknown_option(spec, key, given, &known);
                    failed = true;
                }
            }
        }
        if failed { Err(Reported) } else { Ok(()) }
    }

    fn unknown_option(
        &mut self,
        spec: &ConnectorSpec,
        key: &str,
        given: &Given,
        known: &[&OptionSpec],
    ) {
        let names = known.iter().map(|option| option.name).chain(["connector"]);
        let names = names.chain(Some("format").filter(|_| spec.format));
        let message = format!("the connector '{}' has no option '{key}'", spec.name);
        // `fields.price.kind` without a column `price`.
        let column = key.split('.').nth(1).unwrap_or("");
        let of_column = known.iter().any(|option| option.matches(key, [column]));
        let help = match nearest(key, names) {
            _ if of_column => format!("the table has no column `{column}`"),
            Some(near) => format!("did you mean '{near}'?"),
            None if key == "format" => {
                "leave it out: the connector makes columns itself".to_owned()
            }
            None => {
                let names: Vec<&str> = known.iter().map(|option| option.name).collect();
                format!("its options are '{}'", names.join("', '"))
            }
        };
        self.error_help(codes::UNKNOWN_OPTION, given.key_span, message, help);
    }

    fn check_required(
        &mut self,
        spec: &ConnectorSpec,
        options: &BTreeMap<String, Given>,
        span: Span,
    ) -> Bound<()> {
        let mut failed = false;
        for option in spec.options.iter().filter(|option| option.required) {
            if !options.contains_key(option.name) {
                let message = format!("the connector '{}' needs '{}'", spec.name, option.name);
                let help = format!("add '{}' = '…': {}", option.name, option.description);
                self.error_help(codes::MISSING_OPTION, span, message, help);
                failed = true;
            }
        }
        if failed { Err(Reported) } else { Ok(()) }
    }

    /// Refuses columns that a line of CSV cannot hold.
    fn check_flat(
        &mut self,
        format: Option<&FormatSpec>,
        options: &BTreeMap<String, Given>,
        table: &Table,
    ) -> Bound<()> {
        let (Some(FormatSpec::Csv(_)), Some(given)) = (format, options.get("format")) else {
            return Ok(());
        };
        let nested = table.columns.iter().find(|column| {
            column.kind == ColumnKind::Physical
                && matches!(column.ty.sql, SqlType::Row(_) | SqlType::Array(_))
        });
        let Some(column) = nested else { return Ok(()) };
        let message = format!("CSV cannot hold `{}`, which is {}", column.name, column.ty.sql);
        let help = "use 'format' = 'json', or a column for each part";
        Err(self.error_help(codes::BAD_OPTION, given.value_span, message, help))
    }

    /// The format with its options.
    fn format(
        &mut self,
        spec: &ConnectorSpec,
        options: &BTreeMap<String, Given>,
        span: Span,
    ) -> Bound<FormatSpec> {
        if !spec.format {
            return Ok(FormatSpec::None);
        }
        let Some(given) = options.get("format") else {
            let message = format!("the connector '{}' needs 'format'", spec.name);
            let help = format!("add 'format' = '{}'", FORMATS.join("' or '"));
            return Err(self.error_help(codes::MISSING_OPTION, span, message, help));
        };
        match given.value.as_str() {
            "json" => Ok(FormatSpec::Json(json(options))),
            "csv" => Ok(FormatSpec::Csv(csv(options))),
            other => {
                let message = format!("unknown format '{other}'");
                let help = match nearest(other, FORMATS.iter().copied()) {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => format!("the formats are '{}'", FORMATS.join("', '")),
                };
                Err(self.error_help(codes::BAD_OPTION, given.value_span, message, help))
            }
        }
    }
}

/// The options of a format.
fn format_options(format: Option<&str>) -> &'static [OptionSpec] {
    match format {
        Some("json") => JSON_OPTIONS,
        Some("csv") => CSV_OPTIONS,
        _ => &[],
    }
}

fn flag(options: &BTreeMap<String, Given>, key: &str) -> bool {
    options.get(key).is_some_and(|given| given.value.eq_ignore_ascii_case("true"))
}

fn json(options: &BTreeMap<String, Given>) -> JsonOptions {
    let iso = options.get("json.timestamp-format.standard").is_some_and(|g| g.value == "ISO-8601");
    JsonOptions {
        ignore_parse_errors: flag(options, "json.ignore-parse-errors"),
        fail_on_missing_field: flag(options, "json.fail-on-missing-field"),
        timestamp_format: if iso { TimestampFormat::Iso8601 } else { TimestampFormat::Sql },
    }
}

fn csv(options: &BTreeMap<String, Given>) -> CsvOptions {
    let character = |key: &str| match options.get(key).map(|given| given.value.as_str()) {
        Some("\\t") => Some('\t'),
        Some(value) => value.chars().next(),
        None => None,
    };
    let default = CsvOptions::default();
    let quote = character("csv.quote-character").or(default.quote_character);
    let quoted = !flag(options, "csv.disable-quote-character");
    CsvOptions {
        field_delimiter: character("csv.field-delimiter").unwrap_or(default.field_delimiter),
        quote_character: quote.filter(|_| quoted),
        escape_character: character("csv.escape-character"),
        null_literal: options.get("csv.null-literal").map(|given| given.value.clone()),
        allow_comments: flag(options, "csv.allow-comments"),
        ignore_parse_errors: flag(options, "csv.ignore-parse-errors"),
    }
}
