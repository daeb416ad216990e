//! How rows become records of a service: which columns are the key, the partition and
//! the value. A function of the table alone, so that a replay makes the same records.
// spec: J-5

use super::catalog::Table;
use super::connector::{Payload, SinkSpec};

/// How the rows of a sink's table become records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordLayout {
    /// What the key is made of.
    pub key: KeyLayout,
    /// The column whose value decides the partition, if one does.
    pub partition: Option<usize>,
    /// What the value is made of.
    pub value: ValueLayout,
}

/// What a record's value is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueLayout {
    /// A field for each of these columns that is not NULL: their places, in the order of
    /// their names.
    Fields(Vec<usize>),
    /// The row in the table's format.
    Row,
}

/// What a record's key is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLayout {
    /// There is none.
    None,
    /// These columns, in this order, as one JSON object.
    Json(Vec<usize>),
    /// These pieces, one after the other.
    Template(Vec<KeyPiece>),
}

/// A piece of a key that a template makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPiece {
    /// This text.
    Text(String),
    /// The value of a column. What is in `escaped` is written as `%` and its code, so
    /// that two keys never become one text.
    Column {
        /// The column.
        column: usize,
        /// The characters that stand between columns.
        escaped: String,
    },
}

impl Table {
    /// How the rows become records, if the table is a sink that takes records.
    ///
    /// # Errors
    /// What the options ask for and the columns do not give, for a person, with the
    /// option that asks for it.
    pub fn record_layout(&self) -> Result<Option<RecordLayout>, LayoutError> {
        let Some(SinkSpec { payload: Payload::Records, .. }) = self.sink_spec() else {
            return Ok(None);
        };
        let key = match self.connector.as_str() {
            "redis" => self.redis_key()?,
            "kafka" => self.kafka_key()?,
            _ => self.primary_key.clone().map_or(KeyLayout::None, KeyLayout::Json),
        };
        let partition = match self.options.get("partition-by") {
            Some(name) => Some(self.partition_column(name)?),
            None => None,
        };
        if self.connector == "clickhouse" && self.is_keyed() && self.primary_key.is_none() {
            return Err(LayoutError::new("mode", "'mode' = 'keyed' needs a PRIMARY KEY"));
        }
        Ok(Some(RecordLayout { key, partition, value: self.value_layout() }))
    }

    /// Whether a row becomes a hash with a field for each column.
    #[must_use]
    pub fn is_hash(&self) -> bool {
        self.connector == "redis" && self.options.get("value.type").is_some_and(|it| it == "hash")
    }

    fn value_layout(&self) -> ValueLayout {
        if !self.is_hash() {
            return ValueLayout::Row;
        }
        // The places among the columns that are stored, as in a row that is written.
        let names: Vec<&String> = self.stored_columns().map(|column| &column.name).collect();
        let mut places: Vec<usize> = (0..names.len()).collect();
        places.sort_by_key(|place| names[*place]);
        ValueLayout::Fields(places)
    }

    /// Whether a later row of a key replaces an earlier one.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        match (self.connector.as_str(), self.options.get("mode")) {
            ("clickhouse", Some(mode)) => mode == "keyed",
            _ => self.primary_key.is_some(),
        }
    }

    fn column_named(&self, option: &str, name: &str) -> Result<usize, LayoutError> {
        let found = self.columns.iter().position(|column| column.name == name);
        found.ok_or_else(|| LayoutError::new(option, format!("the table has no column `{name}`")))
    }

    fn partition_column(&self, name: &str) -> Result<usize, LayoutError> {
        let column = self.column_named("partition-by", name)?;
        // A row of the same key in another partition would never be replaced.
        let in_key = self.primary_key.as_ref().is_some_and(|key| key.contains(&column));
        if self.is_keyed() && !in_key {
            let what =
                format!("`{name}` is no part of the primary key, which decides the partition");
            return Err(LayoutError::new("partition-by", what));
        }
        Ok(column)
    }

    fn kafka_key(&self) -> Result<KeyLayout, LayoutError> {
        let Some(fields) = self.options.get("key.fields") else {
            return Ok(match (&self.primary_key, self.options.get("key.format")) {
                (Some(key), _) => KeyLayout::Json(key.clone()),
                (None, None) => KeyLayout::None,
                (None, Some(_)) => {
                    return Err(LayoutError::new("key.format", "'key.format' needs 'key.fields'"));
                }
            });
        };
        if !self.options.contains_key("key.format") {
            return Err(LayoutError::new("key.fields", "'key.fields' needs 'key.format'"));
        }
        let names = fields.split(';').map(str::trim);
        let columns = names.map(|name| self.column_named("key.fields", name));
        Ok(KeyLayout::Json(columns.collect::<Result<_, _>>()?))
    }

    fn redis_key(&self) -> Result<KeyLayout, LayoutError> {
        let Some(key) = &self.primary_key else {
            return Err(LayoutError::new("connector", "a redis table needs a PRIMARY KEY"));
        };
        let pieces = match self.options.get("key.template") {
            Some(template) => self.template(template)?,
            None => {
                let mut pieces = vec![KeyPiece::Text(format!("{}:", self.name))];
                for (index, column) in key.iter().enumerate() {
                    if index > 0 {
                        pieces.push(KeyPiece::Text(":".to_owned()));
                    }
                    pieces.push(KeyPiece::Column { column: *column, escaped: String::new() });
                }
                pieces
            }
        };
        let used = |column: &usize| {
            pieces
                .iter()
                .any(|piece| matches!(piece, KeyPiece::Column { column: c, .. } if c == column))
        };
        if let Some(missing) = key.iter().find(|column| !used(column)) {
            let name = &self.columns[*missing].name;
            let what = format!("it lacks `{{{name}}}`: rows of different keys would share one");
            return Err(LayoutError::new("key.template", what));
        }
        Ok(KeyLayout::Template(escape_between(pieces)?))
    }

    /// The pieces of a template such as `user:{id}`.
    fn template(&self, template: &str) -> Result<Vec<KeyPiece>, LayoutError> {
        let error = |what: String| LayoutError::new("key.template", what);
        let key = self.primary_key.as_deref().unwrap_or_default();
        let (mut pieces, mut rest) = (Vec::new(), template);
        while let Some((text, more)) = rest.split_once('{') {
            if !text.is_empty() {
                pieces.push(KeyPiece::Text(text.to_owned()));
            }
            let Some((name, more)) = more.split_once('}') else {
                return Err(error("a { without its }".to_owned()));
            };
            let column = self.column_named("key.template", name)?;
            if !key.contains(&column) {
                let what = format!("`{name}` is no part of the primary key: one row had many keys");
                return Err(error(what));
            }
            pieces.push(KeyPiece::Column { column, escaped: String::new() });
            rest = more;
        }
        if !rest.is_empty() {
            pieces.push(KeyPiece::Text(rest.to_owned()));
        }
        Ok(pieces)
    }
}

/// Gives each column of a template with several the characters that it must not hold as
/// they are: those of the texts between columns, and `%` itself.
fn escape_between(mut pieces: Vec<KeyPiece>) -> Result<Vec<KeyPiece>, LayoutError> {
    let is_column = |piece: &KeyPiece| matches!(piece, KeyPiece::Column { .. });
    if pieces.windows(2).any(|pair| pair.iter().all(is_column)) {
        let what = "two columns stand side by side: put something between them";
        return Err(LayoutError::new("key.template", what));
    }
    let first = pieces.iter().position(is_column);
    let last = pieces.iter().rposition(is_column);
    let (Some(first), Some(last)) = (first, last) else { return Ok(pieces) };
    if first == last {
        return Ok(pieces);
    }
    let mut between: Vec<char> = pieces[first..last]
        .iter()
        .flat_map(|piece| match piece {
            KeyPiece::Text(text) => text.chars().collect(),
            KeyPiece::Column { .. } => Vec::new(),
        })
        .chain(['%'])
        .collect();
    between.sort_unstable();
    between.dedup();
    for piece in &mut pieces {
        if let KeyPiece::Column { escaped, .. } = piece {
            *escaped = between.iter().collect();
        }
    }
    Ok(pieces)
}

/// Why rows of a table cannot become records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{option}': {what}")]
pub struct LayoutError {
    /// The option that asks for what cannot be.
    pub option: String,
    /// Why not.
    pub what: String,
}

impl LayoutError {
    fn new(option: &str, what: impl Into<String>) -> LayoutError {
        LayoutError { option: option.to_owned(), what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::builder::PlanBuilder;
    use crate::types::SqlType;

    fn table(connector: &str, key: Option<&[usize]>, options: &[(&str, &str)]) -> Table {
        let mut plan = PlanBuilder::default();
        let columns = [("a", SqlType::STRING), ("b", SqlType::STRING), ("v", SqlType::BigInt)];
        let id = plan.table("t", connector, &columns, None, true);
        let table = plan.table_mut(id);
        table.primary_key = key.map(<[usize]>::to_vec);
        let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        table.options = options.iter().map(option).collect();
        table.clone()
    }

    fn key(connector: &str, key: Option<&[usize]>, options: &[(&str, &str)]) -> KeyLayout {
        let layout = table(connector, key, options).record_layout().expect("it is allowed");
        layout.expect("it takes records").key
    }

    fn refusal(connector: &str, key: Option<&[usize]>, options: &[(&str, &str)]) -> String {
        table(connector, key, options).record_layout().expect_err("it is refused").to_string()
    }

    #[test]
    fn a_key_is_made_of_the_declared_columns_in_their_order() {
        assert_eq!(key("kafka", None, &[]), KeyLayout::None);
        assert_eq!(key("kafka", Some(&[1, 0]), &[]), KeyLayout::Json(vec![1, 0]));
        let options = [("key.format", "json"), ("key.fields", "v;a")];
        assert_eq!(key("kafka", Some(&[1]), &options), KeyLayout::Json(vec![2, 0]));
        assert_eq!(key("clickhouse", Some(&[0]), &[]), KeyLayout::Json(vec![0]));
        assert_eq!(table("filesystem", None, &[]).record_layout(), Ok(None));
    }

    #[test]
    fn what_separates_the_columns_of_a_template_is_escaped_within_them() {
        let column = |column, escaped: &str| KeyPiece::Column { column, escaped: escaped.into() };
        let text = |text: &str| KeyPiece::Text(text.into());
        let template = |pieces| KeyLayout::Template(pieces);
        let one = [("key.template", "user:{a}!")];
        assert_eq!(
            key("redis", Some(&[0]), &one),
            template(vec![text("user:"), column(0, ""), text("!")])
        );
        assert_eq!(
            key("redis", Some(&[0, 1]), &[]),
            template(vec![text("t:"), column(0, "%:"), text(":"), column(1, "%:")])
        );
    }

    #[test]
    fn keys_that_would_not_tell_rows_apart_are_refused() {
        let of = |template| refusal("redis", Some(&[0, 1]), &[("key.template", template)]);
        assert!(of("{a}").contains("it lacks `{b}`"));
        assert!(of("{a}{b}").contains("side by side"));
        assert!(of("{a}:{b}:{v}").contains("no part of the primary key"));
        assert!(of("{a}:{c}").contains("no column `c`"));
        assert!(of("{a").contains("without its }"));
        assert!(refusal("redis", None, &[]).contains("PRIMARY KEY"));
        assert!(refusal("kafka", None, &[("key.fields", "a")]).contains("needs 'key.format'"));
        assert!(refusal("kafka", None, &[("key.format", "json")]).contains("needs 'key.fields'"));
    }

    #[test]
    fn a_hash_has_its_columns_by_name() {
        let layout = |options: &[(&str, &str)]| {
            let layout = table("redis", Some(&[1]), options).record_layout();
            layout.expect("it is allowed").expect("it takes records").value
        };
        assert_eq!(layout(&[("value.type", "string")]), ValueLayout::Row);
        assert_eq!(layout(&[("value.type", "hash")]), ValueLayout::Fields(vec![0, 1, 2]));
    }

    #[test]
    fn a_keyed_table_is_partitioned_by_its_key_only() {
        let by = [("partition-by", "v")];
        assert!(refusal("clickhouse", Some(&[0]), &by).contains("no part of the primary key"));
        assert!(refusal("clickhouse", None, &[("mode", "keyed")]).contains("PRIMARY KEY"));
        let append = [("mode", "append"), ("partition-by", "v")];
        let layout = table("clickhouse", Some(&[0]), &append).record_layout();
        assert_eq!(layout.map(|layout| layout.and_then(|l| l.partition)), Ok(Some(2)));
    }
}
