//! The codes of everything that can be wrong with a job's SQL text.
//!
//! A code keeps its meaning for ever; `docs/ERRORS.md` is made from this table.

/// A code with its title and what to know about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `SQL001` and so on.
    pub code: &'static str,
    /// A few words.
    pub title: &'static str,
    /// A paragraph for the documentation.
    pub explanation: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $title:literal, $explanation:literal;)*) => {
        $($(#[$doc])* pub const $name: &str = $code;)*

        /// Every code, in ascending order.
        pub const CODES: &[Code] =
            &[$(Code { code: $code, title: $title, explanation: $explanation },)*];
    };
}

codes! {
    /// The text does not follow the grammar.
    SYNTAX = "SQL001", "syntax error",
        "The statement does not follow the grammar at the marked place. The message names what was expected there. Statements end with a semicolon; a missing one shows as an unexpected word after a complete statement.";
    /// A token that does not end or does not exist.
    TOKEN = "SQL002", "broken token",
        "A text, a name in backticks or a comment is not closed, or a character belongs to no token. Texts stand in single quotes, and a quote inside a text is doubled. Statements after the place are not checked.";
    /// Double quotes.
    DOUBLE_QUOTES = "SQL003", "double quotes",
        "Double quotes mean a name in some dialects and a text in others, so they are refused. Texts stand in single quotes, names in backticks.";
    /// A statement that is not supported.
    STATEMENT = "SQL004", "statement not supported",
        "A job consists of CREATE TABLE, CREATE VIEW, INSERT INTO, EXECUTE STATEMENT SET, SET, RESET, SELECT, EXPLAIN, DESCRIBE and SHOW.";
    /// Too large or too deep.
    TOO_DEEP = "SQL005", "too large or nested too deeply",
        "Statements, expressions and types have limits on their size and depth, so that no text can exhaust the memory. Split the statement with views or sub-queries.";
    /// Something of the grammar that is not supported.
    UNSUPPORTED = "SQL006", "not supported",
        "The construct is understood but this version does not have it. It is refused rather than ignored, because a job that silently does something else is worse than one that does not start. The help says what to write instead.";
    /// A table that does not exist.
    UNKNOWN_TABLE = "SQL010", "unknown table",
        "No table or view of this name was created before the statement. Names are case-sensitive.";
    /// A column that does not exist.
    UNKNOWN_COLUMN = "SQL011", "unknown column",
        "The input of the expression has no column of this name. Names are case-sensitive. An alias given in the same SELECT cannot be used in its WHERE or GROUP BY.";
    /// A name that means several columns.
    AMBIGUOUS_COLUMN = "SQL012", "ambiguous column",
        "Several columns of the input have this name. Give them different names in the sub-query with AS.";
    /// A table of this name exists.
    TABLE_EXISTS = "SQL013", "name already taken",
        "A table or view of this name was created before. IF NOT EXISTS keeps the first one.";
    /// Two columns of one name.
    DUPLICATE_COLUMN = "SQL014", "duplicate column",
        "Two columns of a table, a view or an insert list have the same name.";
    /// A statement depends on one with an error.
    DEPENDS_ON_BROKEN = "SQL015", "depends on a broken statement",
        "The statement uses a table or view whose own statement has an error. It is checked once that is corrected.";
    /// A type that does not exist.
    UNKNOWN_TYPE = "SQL016", "unknown type",
        "The type does not exist, is not supported, or its length, precision or scale is out of range. Types are written as in Flink.";
    /// A function that does not exist.
    UNKNOWN_FUNCTION = "SQL020", "unknown function",
        "There is no function of this name; SHOW FUNCTIONS lists all. Names of functions are not case-sensitive.";
    /// Wrong arguments of a function or operator.
    WRONG_ARGUMENTS = "SQL021", "wrong arguments",
        "The function or operator does not take arguments of these types or this number. The message names the signatures that exist. A CAST converts an argument.";
    /// Types that do not fit together.
    TYPE_MISMATCH = "SQL022", "types do not fit",
        "The branches of a CASE, the rows of VALUES or the inputs of a UNION ALL have no common type, or a condition is not BOOLEAN. A CAST converts one of them.";
    /// A constant that cannot be read.
    BAD_LITERAL = "SQL023", "invalid constant",
        "A number, date, time, timestamp or interval cannot be read or is out of range.";
    /// A cast that is not defined.
    BAD_CAST = "SQL024", "cast not possible",
        "No conversion is defined between the two types. For numbers that stand for times use TO_TIMESTAMP_LTZ or FROM_UNIXTIME.";
    /// A connector that does not exist.
    UNKNOWN_CONNECTOR = "SQL030", "unknown connector",
        "The value of 'connector' names no connector of this version.";
    /// An option that does not exist.
    UNKNOWN_OPTION = "SQL031", "unknown option",
        "The table's connector and format do not know the option. Unknown options are refused because a slip of the pen in one would silently change nothing.";
    /// An option that is missing.
    MISSING_OPTION = "SQL032", "missing option",
        "The connector or format needs an option that the table does not have.";
    /// An option with a value that it does not take.
    BAD_OPTION = "SQL033", "invalid option value",
        "The option does not take this value. The help says which values it takes.";
    /// Reading a sink or writing a source.
    WRONG_ROLE = "SQL034", "wrong role",
        "The connector cannot be read from, or cannot be written to.";
    /// A metadata column that does not exist.
    UNKNOWN_METADATA = "SQL035", "unknown metadata",
        "The connector has no metadata of this key, or it has another type.";
    /// A watermark on a column that cannot be a rowtime.
    WATERMARK_COLUMN = "SQL040", "watermark column",
        "The rowtime must be a column of the table of type TIMESTAMP(3) or TIMESTAMP_LTZ(3), or of a smaller precision. TIMESTAMP alone means TIMESTAMP(6).";
    /// A watermark expression that cannot be one.
    WATERMARK_EXPRESSION = "SQL041", "watermark expression",
        "The watermark expression must give a timestamp from the columns of the row alone, usually the rowtime minus a constant interval.";
    /// A primary key that cannot be one.
    PRIMARY_KEY = "SQL042", "primary key",
        "The primary key must name physical columns, once per table, and be declared as NOT ENFORCED.";
    /// A window over rows without event time.
    NO_TIME_ATTRIBUTE = "SQL050", "no time attribute",
        "A window needs rows with event time: the column with the WATERMARK of a table, passed on unchanged, or window_time of another window. An expression over the column, a cast included, loses the property, because the engine can no longer know how far time has come.";
    /// Arguments of a window function.
    WINDOW_ARGUMENTS = "SQL051", "arguments of a window",
        "The arguments of TUMBLE, HOP, CUMULATE and SESSION are a table, a descriptor of the event time column and constant intervals. HOP takes the slide before the size, and the size must be a multiple of the slide; CUMULATE takes the step before the size, and the size must be a multiple of the step.";
    /// GROUP BY without the window's columns.
    GROUP_BY_WINDOW = "SQL052", "GROUP BY needs the window's columns",
        "An aggregation over a window table function groups by window_start and window_end. Without both the groups would never be complete.";
    /// An aggregate where none can be.
    MISPLACED_AGGREGATE = "SQL053", "misplaced aggregate",
        "Aggregates stand in the SELECT list and in HAVING of a query with GROUP BY, not in WHERE, in GROUP BY or inside another aggregate.";
    /// A column that is neither grouped nor aggregated.
    NOT_GROUPED = "SQL054", "column is not grouped",
        "A query with GROUP BY can only show its keys and aggregates. A group has many values of any other column.";
    /// The key of a session.
    SESSION_KEY = "SQL055", "key of a session",
        "Sessions are made for each key of PARTITION BY, so the keys of GROUP BY must be the same columns.";
    /// Window columns used where the plan cannot follow.
    WINDOW_COLUMNS = "SQL056", "use of window columns",
        "Between a window table function and its GROUP BY the columns window_start, window_end and window_time can be passed on and filtered, but not be mixed with other columns in one expression.";
    /// Wrong number of columns.
    COLUMN_COUNT = "SQL060", "wrong number of columns",
        "An INSERT takes its columns by position, so their numbers must agree. The same holds for the rows of VALUES, the inputs of UNION ALL, and lists of column names.";
    /// A column that cannot be stored.
    SINK_TYPE = "SQL061", "column does not fit",
        "The value cannot be stored in the column without a conversion that might lose something. Write the CAST that the help shows if that is meant.";
    /// A column of an insert list.
    SINK_COLUMN = "SQL062", "column cannot be written",
        "The list after INSERT INTO names a column that does not exist or is computed, or leaves out one that is NOT NULL.";
    /// ORDER BY, LIMIT and the like.
    ORDER_BY = "SQL070", "ORDER BY and LIMIT",
        "The rows of an unbounded table have no last one, so they cannot be sorted or counted off. Rows of windows leave in the order of their windows.";
    /// Joins.
    JOIN = "SQL071", "join",
        "Joins are not supported by this version.";
    /// OVER.
    OVER = "SQL072", "OVER",
        "OVER windows are not supported by this version. Many uses can be written with TUMBLE, HOP or SESSION.";
    /// MATCH_RECOGNIZE.
    MATCH_RECOGNIZE = "SQL073", "MATCH_RECOGNIZE",
        "Pattern matching is not supported by this version.";
    /// Aggregation without a window.
    UNWINDOWED = "SQL074", "aggregation without a window",
        "Without a window a result is never final: every row updates its group, the sinks of this version only append, and the state grows with the keys for ever. Aggregate over a window.";
    /// Hints.
    HINT = "SQL075", "hint",
        "Only /*+ OPTIONS('key' = 'value') */ behind a table's name is understood.";
    /// Sub-queries in expressions.
    SUBQUERY = "SQL076", "sub-query in an expression",
        "Sub-queries stand in FROM only. EXISTS, IN (SELECT …) and scalar sub-queries are joins.";
    /// Set operations other than UNION ALL.
    SET_OPERATION = "SQL077", "set operation",
        "UNION ALL is supported. UNION, INTERSECT and EXCEPT must remember every row for ever.";
    /// DISTINCT.
    DISTINCT = "SQL078", "SELECT DISTINCT",
        "SELECT DISTINCT must remember every row for ever. GROUP BY over a window gives each value once per window.";
    /// A regular expression with look-around.
    REGEX = "SQL079", "regular expression",
        "Regular expressions are matched in linear time, which look-around and back-references do not allow.";
    /// A setting that does not exist.
    UNKNOWN_SETTING = "SQL080", "unknown setting",
        "SET names a key that is neither known here nor one of Flink's that can be ignored without changing a result.";
    /// A setting with a value that it does not take.
    BAD_SETTING = "SQL081", "invalid setting",
        "The setting does not take this value, or comes too late: settings that can change a result stand before the first query.";
    /// Statement sets.
    STATEMENT_SET = "SQL082", "statement set",
        "Between EXECUTE STATEMENT SET BEGIN and END; stand INSERT statements only, and each set is closed.";
    /// An assert.
    ASSERT = "SQL083", "assert",
        "An assert is a query in a comment, `-- assert: SELECT …;`, over the tables that the job's INSERT statements fill. It must give no row, so one that gives a row whatever the tables hold is refused, as is everything that only a stream has: windows, watermarks and the clock.";
}

/// The constant for a code that came back from a text.
pub(crate) fn known(code: &str) -> Option<&'static str> {
    CODES.iter().map(|known| known.code).find(|known| *known == code)
}

#[cfg(test)]
mod tests {
    use super::CODES;

    #[test]
    fn codes_ascend_and_are_unique() {
        for pair in CODES.windows(2) {
            assert!(pair[0].code < pair[1].code, "{} {}", pair[0].code, pair[1].code);
        }
    }
}
