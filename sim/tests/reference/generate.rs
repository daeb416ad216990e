//! Random jobs and random records, each a function of a seed.

use anabranch_engine::diagnostic::Span;
use anabranch_engine::expr::{CastMode, ContextValue, Expr, ExprKind};
use anabranch_engine::ids::{NodeId, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{AggregateCall, CsvOptions, FormatSpec, Plan, SideKind, Window};
use anabranch_engine::types::{DataType, SqlType, Value};
use anabranch_sim::rng::Draws;
use std::fmt::Write as _;

use crate::hand::call;

/// The columns of a source.
const K: usize = 0;
const V: usize = 1;
const D: usize = 2;
const N: usize = 3;
const F: usize = 4;
const TS: usize = 5;

const DECIMAL: SqlType = SqlType::Decimal { precision: 8, scale: 2 };

fn columns() -> [(&'static str, SqlType); 6] {
    [
        ("k", SqlType::STRING),
        ("v", SqlType::Int),
        ("d", SqlType::Double),
        ("n", DECIMAL),
        ("f", SqlType::Boolean),
        ("ts", SqlType::Timestamp(3)),
    ]
}

/// A random job.
pub(crate) struct Job {
    pub(crate) plan: Plan,
    /// How many source tables it has; they come first.
    pub(crate) sources: u32,
}

pub(crate) struct Maker {
    draws: Draws,
    plan: PlanBuilder,
    reads: Vec<NodeId>,
    sinks: usize,
}

fn of(kind: ExprKind, ty: DataType) -> Expr {
    Expr { kind, ty, span: Span::default() }
}

fn column(index: usize) -> Expr {
    Expr::column(index, columns()[index].1.clone().nullable())
}

fn int(value: i64) -> Expr {
    Expr::literal(Value::Int(value), SqlType::Int.not_null())
}

fn boolean(name: &str, args: Vec<Expr>) -> Expr {
    Expr::call(name, args, SqlType::Boolean.nullable())
}

/// Makes the job of a seed.
pub(crate) fn job(seed: u64) -> Job {
    let mut maker = Maker {
        draws: Draws::new(seed, "job", ""),
        plan: PlanBuilder::default(),
        reads: Vec::new(),
        sinks: 0,
    };
    let bounded = maker.draws.happens(500_000);
    let sources = 1 + maker.draws.below(2) as u32;
    for index in 0..sources {
        let delay = *maker.draws.choose(&[0, 3, 20]);
        let name = format!("t{index}");
        let table = maker.plan.table(&name, "filesystem", &columns(), Some((TS, delay)), bounded);
        let timeout = ("scan.watermark.idle-timeout".to_owned(), "40 ms".to_owned());
        maker.plan.table_mut(table).options.extend([timeout]);
        if index == 1 && maker.draws.happens(500_000) {
            let options =
                CsvOptions { null_literal: Some("nil".to_owned()), ..CsvOptions::default() };
            maker.plan.table_mut(table).format = FormatSpec::Csv(options);
        }
        if maker.draws.happens(200_000) && index == 1 {
            maker.plan.table_mut(table).bounded = true;
        }
    }
    if maker.draws.happens(300_000) {
        maker.plan.options().max_drift_ms = Some(maker.draws.below(60) as i64);
    }
    for index in 0..sources {
        let all: Vec<usize> = (0..columns().len()).collect();
        let read = maker.plan.read(TableId(index), &all);
        maker.reads.push(read);
    }
    for _ in 0..2 + maker.draws.below(3) {
        maker.statement();
    }
    for index in 0..sources {
        if maker.draws.happens(700_000) {
            let late = maker.plan.side(TableId(index), SideKind::Late);
            maker.sink(late);
        }
        if maker.draws.happens(700_000) {
            let dead = maker.plan.side(TableId(index), SideKind::Dead);
            maker.sink(dead);
        }
    }
    Job { plan: maker.plan.build(), sources }
}

impl Maker {
    fn source(&mut self) -> NodeId {
        let index = self.draws.below(self.reads.len() as u64) as usize;
        self.reads[index]
    }

    /// A scan through a calc that passes all columns on, some rows filtered out.
    fn rows(&mut self) -> NodeId {
        let read = self.source();
        let filter = self.draws.happens(400_000).then(|| self.condition(2));
        self.plan.project(read, filter, &[K, V, D, N, F, TS])
    }

    fn sink(&mut self, input: NodeId) {
        self.sinks += 1;
        let name = format!("s{}", self.sinks);
        let sink = self.plan.sink(&name, "filesystem", input);
        let table = self.plan.table_of_sink(sink);
        if self.draws.happens(200_000) {
            self.plan.table_mut(table).format = FormatSpec::Csv(CsvOptions::default());
        }
        if self.draws.happens(200_000) {
            self.plan.table_mut(table).columns[0].ty.nullable = false;
            if self.draws.happens(500_000) {
                let dead = self.plan.side(table, SideKind::Dead);
                self.sinks += 1;
                let name = format!("s{}", self.sinks);
                self.plan.sink(&name, "filesystem", dead);
            }
        }
    }

    fn statement(&mut self) {
        match self.draws.below(9) {
            0 => {
                let rows = self.computed();
                self.sink(rows);
            }
            1 | 2 => {
                let rows = self.rows();
                let window = self.aggregation(rows);
                self.having(window);
            }
            3 => {
                let inputs: Vec<NodeId> =
                    (0..2 + self.draws.below(2)).map(|_| self.rows()).collect();
                let union = self.plan.union(&inputs);
                if self.draws.happens(500_000) {
                    self.sink(union);
                }
                let window = self.aggregation(union);
                self.sink(window);
            }
            4 => {
                let rows = self.rows();
                let inner = self.aggregation(rows);
                if self.draws.happens(500_000) {
                    self.sink(inner);
                }
                let outer = self.outer(inner);
                self.sink(outer);
            }
            5 => {
                let rows = self.rows();
                let assigned = self.assigned(rows);
                self.sink(assigned);
            }
            6 => {
                let rows = self.rows();
                let assigned = self.assigned(rows);
                let window = self.aggregation(assigned);
                self.sink(window);
            }
            7 => {
                // Two windows in one sink.
                let rows = self.rows();
                let window = self.window();
                let calls = self.calls();
                let lateness = *self.draws.choose(&[0, 0, 4]);
                let other = self.window();
                let others = self.rows();
                let rows = if self.draws.happens(500_000) { rows } else { others };
                let name = self.name();
                let one = self.plan.aggregate(&name, rows, window, &[K], calls.clone(), lateness);
                let name = self.name();
                let two = self.plan.aggregate(&name, rows, other, &[K], calls, lateness);
                let union = self.plan.union(&[one, two]);
                self.sink(union);
            }
            _ => {
                let rows = self.rows();
                let union = self.plan.union(&[rows, rows]);
                let computed = self.rows_of(union);
                let window = self.aggregation(computed);
                self.sink(window);
            }
        }
    }

    fn rows_of(&mut self, input: NodeId) -> NodeId {
        let filter = self.condition(1);
        self.plan.project(input, Some(filter), &[K, V, D, N, F, TS])
    }

    fn name(&mut self) -> String {
        self.sinks += 1;
        format!("op{}", self.sinks)
    }

    fn window(&mut self) -> Window {
        let step = 5 * (1 + self.draws.below(6) as i64);
        let times = 1 + self.draws.below(4) as i64;
        let offset_ms = self.draws.below(9) as i64 - 4;
        match self.draws.below(4) {
            0 => Window::Tumble { size_ms: step * times, offset_ms },
            1 => Window::Hop { size_ms: step * times, slide_ms: step, offset_ms },
            2 => Window::Cumulate { size_ms: step * times, step_ms: step, offset_ms },
            _ => Window::Session { gap_ms: step },
        }
    }

    fn calls(&mut self) -> Vec<AggregateCall> {
        let distinct = |call: AggregateCall| AggregateCall { distinct: true, ..call };
        let filtered = |call: AggregateCall| AggregateCall { filter: Some(F), ..call };
        let wide = SqlType::Decimal { precision: 38, scale: 2 };
        let average = SqlType::Decimal { precision: 38, scale: 6 };
        let all = [
            call("COUNT", None, SqlType::BigInt),
            call("COUNT", Some(V), SqlType::BigInt),
            distinct(call("COUNT", Some(K), SqlType::BigInt)),
            filtered(call("COUNT", None, SqlType::BigInt)),
            call("SUM", Some(V), SqlType::Int),
            distinct(call("SUM", Some(V), SqlType::Int)),
            filtered(call("SUM", Some(D), SqlType::Double)),
            call("SUM", Some(D), SqlType::Double),
            distinct(call("SUM", Some(D), SqlType::Double)),
            call("SUM", Some(N), wide),
            call("AVG", Some(V), SqlType::Int),
            call("AVG", Some(D), SqlType::Double),
            call("AVG", Some(N), average),
            call("MIN", Some(D), SqlType::Double),
            call("MAX", Some(D), SqlType::Double),
            call("MIN", Some(K), SqlType::STRING),
            call("MAX", Some(N), DECIMAL),
            call("MIN", Some(F), SqlType::Boolean),
            call("FIRST_VALUE", Some(V), SqlType::Int),
            call("LAST_VALUE", Some(K), SqlType::STRING),
            filtered(call("FIRST_VALUE", Some(D), SqlType::Double)),
        ];
        let count = 1 + self.draws.below(4);
        (0..count).map(|_| self.draws.choose(&all).clone()).collect()
    }

    fn aggregation(&mut self, input: NodeId) -> NodeId {
        let window = self.window();
        let choices: [&[usize]; 6] = [&[], &[K], &[K], &[V], &[K, F], &[D]];
        let keys = *self.draws.choose(&choices);
        let calls = self.calls();
        let lateness = *self.draws.choose(&[0, 0, 0, 7]);
        let name = self.name();
        self.plan.aggregate(&name, input, window, keys, calls, lateness)
    }

    /// Counts windows of windows.
    fn outer(&mut self, inner: NodeId) -> NodeId {
        let window = self.window();
        let name = self.name();
        let first = self.plan.schema_of(inner).fields[0].ty.sql.clone();
        let calls = vec![
            call("COUNT", None, SqlType::BigInt),
            call("FIRST_VALUE", Some(0), first.clone()),
            call("LAST_VALUE", Some(0), first),
        ];
        self.plan.aggregate(&name, inner, window, &[], calls, 0)
    }

    /// Rows with windows; of a session, under the same columns.
    fn assigned(&mut self, rows: NodeId) -> NodeId {
        let window = self.window();
        let name = self.name();
        let choices: [&[usize]; 2] = [&[], &[K]];
        let partition = match window {
            Window::Session { .. } => *self.draws.choose(&choices),
            _ => &[],
        };
        self.plan.assign(&name, rows, window, partition)
    }

    fn having(&mut self, window: NodeId) {
        if self.draws.happens(500_000) {
            return self.sink(window);
        }
        let fields = self.plan.schema_of(window).fields.clone();
        let at = fields.len() - 3;
        let start = Expr::column(at, fields[at].ty.clone());
        let later = Expr::literal(Value::Timestamp(120), SqlType::Timestamp(3).not_null());
        let having = boolean(">=", vec![start, later]);
        let columns: Vec<usize> = (0..fields.len()).collect();
        let kept = self.plan.project(window, Some(having), &columns);
        self.sink(kept);
    }

    /// Rows of expressions of all kinds.
    fn computed(&mut self) -> NodeId {
        let read = self.source();
        let filter = self.draws.happens(600_000).then(|| self.condition(3));
        let count = 1 + self.draws.below(3);
        let mut projections: Vec<(Expr, String)> = Vec::new();
        for index in 0..count {
            let expr = self.value();
            projections.push((expr, format!("e{index}")));
        }
        projections.push((column(K), "k".to_owned()));
        self.plan.calc(read, filter, projections, None)
    }

    fn value(&mut self) -> Expr {
        let cast = |input: Expr, sql: SqlType, mode| {
            of(ExprKind::Cast { input: Box::new(input), mode }, sql.nullable())
        };
        match self.draws.below(12) {
            0 => {
                let name = *self.draws.choose(&["+", "-", "*", "/", "%"]);
                let other = int(self.draws.below(4) as i64);
                Expr::call(name, vec![column(V), other], SqlType::Int.nullable())
            }
            1 => Expr::call("/", vec![int(1000), column(V)], SqlType::Int.nullable()),
            2 => cast(column(K), SqlType::Int, CastMode::Try),
            3 => cast(column(K), SqlType::Int, CastMode::Strict),
            4 => cast(column(V), SqlType::TinyInt, CastMode::Strict),
            5 => cast(column(V), SqlType::STRING, CastMode::Strict),
            6 => Expr::call("UPPER", vec![column(K)], SqlType::STRING.nullable()),
            7 => {
                let condition = self.condition(1);
                let bad = cast(column(K), SqlType::Int, CastMode::Strict);
                let kind = ExprKind::Case {
                    branches: vec![(condition, column(V))],
                    otherwise: self.draws.happens(500_000).then(|| Box::new(bad)),
                };
                of(kind, SqlType::Int.nullable())
            }
            8 => of(ExprKind::Coalesce(vec![column(V), int(-1)]), SqlType::Int.nullable()),
            9 => {
                let kind = ExprKind::Context(ContextValue::CurrentWatermark);
                of(kind, SqlType::Timestamp(3).nullable())
            }
            10 => self.condition(2),
            _ => {
                let index = self.draws.below(6) as usize;
                column(index)
            }
        }
    }

    fn condition(&mut self, depth: u32) -> Expr {
        let choice = if depth == 0 { 2 + self.draws.below(6) } else { self.draws.below(8) };
        match choice {
            0 | 1 => {
                let parts: Vec<Expr> =
                    (0..2 + self.draws.below(2)).map(|_| self.condition(depth - 1)).collect();
                let kind = if choice == 0 { ExprKind::And(parts) } else { ExprKind::Or(parts) };
                of(kind, SqlType::Boolean.nullable())
            }
            2 => column(F),
            3 => {
                let name =
                    *self.draws.choose(&["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM"]);
                let value = int(self.draws.below(40) as i64);
                boolean(name, vec![column(V), value])
            }
            4 => {
                let pattern = *self.draws.choose(&["%1%", "a%", "_", "%"]);
                let pattern =
                    Expr::literal(Value::Text(pattern.to_owned()), SqlType::STRING.not_null());
                boolean("LIKE", vec![column(K), pattern])
            }
            5 => {
                let name = *self.draws.choose(&["IS NULL", "IS NOT NULL"]);
                let index = self.draws.below(6) as usize;
                Expr::call(name, vec![column(index)], SqlType::Boolean.not_null())
            }
            6 => {
                let limit = Expr::literal(Value::Double(0.5), SqlType::Double.not_null());
                let name = *self.draws.choose(&["<", ">=", "<>"]);
                boolean(name, vec![column(D), limit])
            }
            _ => {
                let inner = boolean(">", vec![column(V), int(3)]);
                boolean("NOT", vec![inner])
            }
        }
    }
}

/// Makes the records of a split.
pub(crate) struct Records {
    draws: Draws,
    now: i64,
}

impl Records {
    pub(crate) fn new(seed: u64, split: &str) -> Records {
        let mut draws = Draws::new(seed, "records", split);
        let now = draws.below(120) as i64;
        Records { draws, now }
    }

    /// Some lines.
    pub(crate) fn lines(&mut self, count: u64, format: &FormatSpec) -> String {
        let mut text = String::new();
        for _ in 0..count {
            match format {
                FormatSpec::Csv(_) => self.csv(&mut text),
                _ => self.json(&mut text),
            }
        }
        text
    }

    fn time(&mut self) -> Option<String> {
        self.now += self.draws.below(12) as i64;
        let back = if self.draws.happens(250_000) { self.draws.below(60) as i64 } else { 0 };
        let ms = (self.now - back).max(0);
        let text = format!("1970-01-01 00:00:{:02}.{:03}", ms / 1000, ms % 1000);
        (!self.draws.happens(40_000)).then_some(text)
    }

    fn values(&mut self) -> [Option<String>; 5] {
        let k = self.draws.choose(&["a", "b", "a", "1", "17", "é", ""]);
        let v = match self.draws.below(30) {
            0 => "2147483647".to_owned(),
            1 => "-2147483648".to_owned(),
            2 => "x".to_owned(),
            _ => (self.draws.below(45) as i64 - 5).to_string(),
        };
        let doubles = [
            "0.1", "0.2", "1e16", "-1e16", "1e308", "-1e308", "0.5", "-0.0", "3", "NaN", "Infinity",
        ];
        let d = (*self.draws.choose(&doubles)).to_owned();
        let n = format!("{}.{:02}", self.draws.below(2000) as i64 - 1000, self.draws.below(100));
        let f = (*self.draws.choose(&["true", "false", "maybe"])).to_owned();
        let mut all = [Some((*k).to_owned()), Some(v), Some(d), Some(n), Some(f)];
        let rare = self.draws.happens(300_000);
        for value in &mut all {
            if rare && self.draws.happens(300_000) {
                *value = None;
            }
        }
        if all[4].as_deref() == Some("maybe") && !self.draws.happens(100_000) {
            all[4] = None;
        }
        all
    }

    fn json(&mut self, text: &mut String) {
        if self.draws.happens(30_000) {
            let bad = *self.draws.choose(&["{\"k\":\n", "[]\n", "\n\n", "{} x\n", "{\"k\":1}\n"]);
            return text.push_str(bad);
        }
        let ([k, v, d, n, f], ts) = (self.values(), self.time());
        let quoted =
            |value: Option<String>| value.map_or("null".to_owned(), |it| format!("\"{it}\""));
        let bare = |value: Option<String>| match value {
            Some(value)
                if value.starts_with(|c: char| c.is_ascii_alphabetic())
                    && !["true", "false"].contains(&value.as_str()) =>
            {
                format!("\"{value}\"")
            }
            other => other.unwrap_or("null".to_owned()),
        };
        let twice = if self.draws.happens(50_000) { "\"v\":7," } else { "" };
        writeln!(
            text,
            "{{{twice}\"k\":{},\"v\":{},\"d\":{},\"n\":{},\"f\":{},\"ts\":{},\"z\":[1]}}",
            quoted(k),
            bare(v),
            bare(d),
            bare(n),
            bare(f),
            quoted(ts)
        )
        .expect("a string takes all");
    }

    fn csv(&mut self, text: &mut String) {
        if self.draws.happens(30_000) {
            let bad = *self.draws.choose(&["a,1\n", "a,1,2,3,true,x,y\n", "\n", "\"a\"b,,,,,\n"]);
            return text.push_str(bad);
        }
        let ([k, v, d, n, f], ts) = (self.values(), self.time());
        let k = k.map_or("nil".to_owned(), |k| format!("\"{k}\""));
        let rest: Vec<String> =
            [v, d, n, f, ts].into_iter().map(Option::unwrap_or_default).collect();
        writeln!(text, "{k},{}", rest.join(",")).expect("a string takes all");
    }
}
