//! Made-up jobs: plans of scans, filters, unions, windows of all kinds and windows over
//! them, with sinks for everything that comes out, side tables included.

use crate::rng::Rng;
use crate::world::SinkOrder;
use anabranch_engine::expr::{CastMode, Expr, ExprKind, FunctionRef};
use anabranch_engine::ids::{NodeId, TableId};
use anabranch_engine::plan::builder::PlanBuilder;
use anabranch_engine::plan::{AggregateCall, ColumnKind, Plan, SideKind, TableColumn, Window};
use anabranch_engine::types::{DataType, SqlType, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A source table of the job.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) id: TableId,
    pub(crate) bounded: bool,
    /// How far the watermark stays behind; `None` without a watermark.
    pub(crate) delay: Option<i64>,
}

/// A plan with what its tests must know of it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) plan: Arc<Plan>,
    pub(crate) sources: Vec<Source>,
    pub(crate) orders: BTreeMap<String, SinkOrder>,
    /// The gap between two rows that is asked of the records most often.
    pub(crate) gap: i64,
    /// What the job shows, for the shares.
    pub(crate) shows: BTreeSet<String>,
}

/// The columns of every source: k, ts, i, d, m, s, f and the split's name.
const COLUMNS: usize = 8;
const TIME: usize = 1;
const SPLIT: usize = 7;
const DECIMAL: SqlType = SqlType::Decimal { precision: 20, scale: 4 };

struct JobMaker<'a> {
    rng: &'a mut Rng,
    plan: PlanBuilder,
    sources: Vec<Source>,
    /// The node that reads each source.
    read: Vec<NodeId>,
    orders: BTreeMap<String, SinkOrder>,
    shows: BTreeSet<String>,
    gap: i64,
}

/// An operator of the first level.
struct Operator {
    node: NodeId,
    sources: BTreeSet<usize>,
    lateness: i64,
}

pub(crate) fn job(rng: &mut Rng) -> Job {
    let gap = rng.between(1, 9);
    let mut maker = JobMaker {
        rng,
        plan: PlanBuilder::default(),
        sources: Vec::new(),
        read: Vec::new(),
        orders: BTreeMap::new(),
        shows: BTreeSet::new(),
        gap,
    };
    maker.tables();
    let (keys, calls) = maker.aggregates();
    let count = 1 + maker.rng.below(3);
    let operators: Vec<Operator> =
        (0..count).map(|index| maker.operator(index, &keys, &calls)).collect();
    maker.operator_sinks(&operators);
    if maker.rng.percent(55) {
        maker.nested(&operators, &keys, &calls);
    }
    if maker.rng.percent(40) {
        maker.assigned();
    }
    maker.record_sinks(&operators, keys.len());
    maker.side_sinks();
    let JobMaker { plan, sources, orders, shows, .. } = maker;
    Job { plan: Arc::new(plan.build()), sources, orders, gap, shows }
}

impl JobMaker<'_> {
    fn show(&mut self, what: &str) {
        self.shows.insert(what.to_owned());
    }

    fn tables(&mut self) {
        let count = 1 + self.rng.below(3);
        let all_bounded = self.rng.percent(50);
        for index in 0..count {
            let columns = [
                ("k", SqlType::STRING),
                ("ts", SqlType::Timestamp(3)),
                ("i", SqlType::BigInt),
                ("d", SqlType::Double),
                ("m", DECIMAL),
                ("s", SqlType::STRING),
                ("f", SqlType::Boolean),
            ];
            let without = index > 0 && self.rng.percent(25);
            let delay = (!without).then(|| self.rng.between(0, 5));
            let bounded = all_bounded || self.rng.percent(30);
            let connector = *self.rng.pick(&["filesystem", "kafka"]);
            let name = format!("t{index}");
            let watermark = delay.map(|delay| (TIME, delay));
            let id = self.plan.table(&name, connector, &columns, watermark, bounded);
            self.plan.table_mut(id).columns.push(TableColumn {
                name: "src".into(),
                ty: SqlType::STRING.nullable(),
                kind: ColumnKind::Metadata("split".into()),
            });
            let all: Vec<usize> = (0..COLUMNS).collect();
            self.read.push(self.plan.read(id, &all));
            self.sources.push(Source { id, bounded, delay });
        }
    }

    /// The keys and the aggregates of all operators of the first level.
    fn aggregates(&mut self) -> (Vec<usize>, Vec<AggregateCall>) {
        let keys = self.rng.pick(&[vec![], vec![0], vec![0], vec![0, 5]]).clone();
        let wide = || SqlType::Decimal { precision: 38, scale: 4 };
        let average = || SqlType::Decimal { precision: 38, scale: 6 };
        let mut choices: Vec<AggregateCall> = Vec::new();
        let typed: [(usize, SqlType, Option<[SqlType; 2]>); 4] = [
            (2, SqlType::BigInt, Some([SqlType::BigInt, SqlType::BigInt])),
            (3, SqlType::Double, Some([SqlType::Double, SqlType::Double])),
            (4, DECIMAL, Some([wide(), average()])),
            (5, SqlType::STRING, None),
        ];
        for (column, ty, sums) in typed {
            for function in ["MIN", "MAX", "FIRST_VALUE", "LAST_VALUE"] {
                choices.push(call(function, &[column], ty.clone()));
            }
            choices.push(call("COUNT", &[column], SqlType::BigInt));
            let distinct = call("COUNT", &[column], SqlType::BigInt);
            choices.push(AggregateCall {
                distinct: true,
                text: format!("COUNT(DISTINCT {column})"),
                ..distinct
            });
            for (function, ty) in ["SUM", "AVG"].into_iter().zip(sums.into_iter().flatten()) {
                choices.push(call(function, &[column], ty));
            }
        }
        let counted = AggregateCall { filter: Some(6), ..call("COUNT", &[], SqlType::BigInt) };
        choices.push(counted);
        // The second aggregate is a text or number that a window over it can pick, the
        // last counts the splits that a window holds rows of.
        let mut calls = vec![call("COUNT", &[], SqlType::BigInt)];
        for _ in 0..3 + self.rng.below(4) {
            let chosen = choices.swap_remove(self.rng.below(choices.len()));
            self.show(&chosen.text);
            calls.push(chosen);
        }
        let splits = call("COUNT", &[SPLIT], SqlType::BigInt);
        calls.push(AggregateCall { distinct: true, ..splits });
        (keys, calls)
    }

    /// One of the four kinds of window.
    fn window(&mut self) -> Window {
        let step = self.rng.between(1, 6);
        let times = self.rng.between(1, 5);
        let offset_ms = self.rng.between(-5, 5);
        let (kind, window) = match self.rng.below(4) {
            0 => ("TUMBLE", Window::Tumble { size_ms: step * 2, offset_ms }),
            1 => ("HOP", Window::Hop { size_ms: step * times, slide_ms: step, offset_ms }),
            2 => ("CUMULATE", Window::Cumulate { size_ms: step * times, step_ms: step, offset_ms }),
            _ => ("SESSION", Window::Session { gap_ms: self.gap }),
        };
        self.show(kind);
        window
    }

    fn filter(&mut self) -> Option<Expr> {
        match self.rng.below(4) {
            0 => Some(column(6, SqlType::Boolean)),
            1 => {
                let zero = Expr::literal(Value::Int(0), SqlType::BigInt.not_null());
                let both = vec![column(2, SqlType::BigInt), zero];
                Some(Expr::call(">=", both, SqlType::Boolean.nullable()))
            }
            _ => None,
        }
    }

    /// The columns of a source, filtered or not. A calc that does not read the column
    /// `i` keeps the rows in which it is bad; one that casts `s` loses more.
    fn calc(&mut self, source: usize) -> NodeId {
        let from = self.plan.schema_of(self.read[source]).clone();
        let mut projections: Vec<(Expr, String)> = from
            .fields
            .iter()
            .enumerate()
            .map(|(index, field)| (Expr::column(index, field.ty.clone()), field.name.clone()))
            .collect();
        let mut filter = self.filter();
        match self.rng.below(6) {
            0 => {
                projections[2].0 = Expr::literal(Value::Int(7), SqlType::BigInt.nullable());
                filter = None;
            }
            1 => {
                let input = Box::new(column(5, SqlType::STRING));
                projections[2].0 = Expr {
                    kind: ExprKind::Cast { input, mode: CastMode::Strict },
                    ty: SqlType::BigInt.nullable(),
                    span: Default::default(),
                };
            }
            _ => {}
        }
        let time = self.sources[source].delay.map(|_| TIME);
        self.plan.calc(self.read[source], filter, projections, time)
    }

    /// A stream with a time attribute, and the sources that feed it.
    fn timed_input(&mut self) -> (NodeId, BTreeSet<usize>) {
        let timed: Vec<usize> =
            (0..self.sources.len()).filter(|index| self.sources[*index].delay.is_some()).collect();
        let first = *self.rng.pick(&timed);
        match self.rng.below(10) {
            0..=3 => (self.calc(first), BTreeSet::from([first])),
            4..=6 => {
                let inputs = [self.calc(first), self.calc(first)];
                self.show("two ways of one table");
                (self.plan.union(&inputs), BTreeSet::from([first]))
            }
            _ => {
                let second = *self.rng.pick(&timed);
                let mut inputs = vec![self.calc(first), self.calc(second)];
                if self.rng.percent(30) {
                    inputs = vec![self.plan.union(&inputs), self.calc(first)];
                }
                if first != second {
                    self.show("two tables in one operator");
                }
                (self.plan.union(&inputs), BTreeSet::from([first, second]))
            }
        }
    }

    fn operator(&mut self, index: usize, keys: &[usize], calls: &[AggregateCall]) -> Operator {
        let (input, sources) = self.timed_input();
        let window = self.window();
        let lateness = if self.rng.percent(30) { self.rng.between(1, 6) } else { 0 };
        let name = format!("op{index}");
        let calls = named(&name, calls);
        let node = self.plan.aggregate(&name, input, window, keys, calls, lateness);
        Operator { node, sources, lateness }
    }

    /// The rows of a node behind a column that names it.
    fn tagged(&mut self, node: NodeId, tag: &str, columns: &[usize]) -> NodeId {
        let from = self.plan.schema_of(node).clone();
        let tag = Expr::literal(Value::Text(tag.into()), SqlType::STRING.nullable());
        let mut projections = vec![(tag, "tag".to_owned())];
        projections.extend(columns.iter().map(|index| {
            let field = &from.fields[*index];
            (Expr::column(*index, field.ty.clone()), field.name.clone())
        }));
        self.plan.calc(node, None, projections, None)
    }

    /// A sink, with the dead rows of what is derived on the way to it.
    fn sink(&mut self, name: &str, input: NodeId, order: SinkOrder) {
        let sink = self.plan.sink(name, "print", input);
        self.orders.insert(format!("{name}.sink"), order);
        let table = self.plan.table_of_sink(sink);
        if self.rng.percent(40) {
            let dead = self.plan.side(table, SideKind::Dead);
            self.plan.sink(&format!("{name}_dead"), "print", dead);
        }
    }

    fn operator_sinks(&mut self, operators: &[Operator]) {
        for (index, operator) in operators.iter().enumerate() {
            self.sink(&format!("window{index}"), operator.node, SinkOrder::Total);
        }
        let Some((first, rest)) = operators.split_first().filter(|(_, rest)| !rest.is_empty())
        else {
            return;
        };
        let width = self.plan.schema_of(first.node).len();
        let all: Vec<usize> = (0..width).collect();
        let inputs: Vec<NodeId> = operators
            .iter()
            .enumerate()
            .map(|(index, operator)| self.tagged(operator.node, &format!("op{index}"), &all))
            .collect();
        let union = self.plan.union(&inputs);
        let alike =
            rest.iter().all(|it| it.sources == first.sources && it.lateness == first.lateness);
        let order = if alike { SinkOrder::Total } else { SinkOrder::ByOperator };
        if alike {
            self.show("operators in one total order");
        }
        self.sink("windows", union, order);
    }

    /// A window over a window, or over several.
    fn nested(&mut self, operators: &[Operator], keys: &[usize], calls: &[AggregateCall]) {
        let inputs: Vec<NodeId> = operators.iter().map(|operator| operator.node).collect();
        let several = inputs.len() > 1 && self.rng.percent(50);
        let input = if several { self.plan.union(&inputs) } else { inputs[0] };
        let schema = self.plan.schema_of(input).clone();
        let picked = keys.len() + self.rng.below(calls.len());
        let ty = schema.fields[picked].ty.sql.clone();
        let calls = vec![
            call("COUNT", &[], SqlType::BigInt),
            call("FIRST_VALUE", &[picked], ty.clone()),
            call("LAST_VALUE", &[picked], ty.clone()),
            call("MAX", &[picked], ty),
            call("SUM", &[keys.len()], SqlType::BigInt),
        ];
        let window = self.window();
        self.show("a window over a window");
        let lateness = if self.rng.percent(20) { self.rng.between(1, 4) } else { 0 };
        let keys: Vec<usize> = if keys.is_empty() { vec![] } else { vec![0] };
        let calls = named("over", &calls);
        let node = self.plan.aggregate("over", input, window, &keys, calls, lateness);
        self.sink("over_window", node, SinkOrder::Total);
    }

    /// Rows with window columns, and perhaps a window over them.
    fn assigned(&mut self) {
        let (input, _) = self.timed_input();
        let window = self.window();
        let partition: &[usize] = if matches!(window, Window::Session { .. }) { &[0] } else { &[] };
        let node = self.plan.assign("assign", input, window, partition);
        self.sink("assigned", node, SinkOrder::Total);
        self.show("window columns on rows");
        if self.rng.percent(40) {
            let calls = [
                call("COUNT", &[], SqlType::BigInt),
                call("FIRST_VALUE", &[3], SqlType::Double),
                call("SUM", &[3], SqlType::Double),
            ];
            let window = self.window();
            let calls = named("over_rows", &calls);
            let over = self.plan.aggregate("over_rows", node, window, &[0], calls, 0);
            self.sink("over_assigned", over, SinkOrder::Total);
        }
    }

    /// Rows that records drive, alone and beside rows that time drives.
    fn record_sinks(&mut self, operators: &[Operator], count_of_keys: usize) {
        let (input, _) = self.timed_input();
        let rows = self.tagged(input, "row", &[2, 3, 4, 5, 7]);
        self.sink("rows", rows, SinkOrder::Total);
        // A source without a watermark beside one with.
        let all: Vec<NodeId> = (0..self.sources.len()).map(|source| self.calc(source)).collect();
        let union = self.plan.union(&all);
        if self.sources.iter().any(|source| source.delay.is_none()) {
            self.show("a table without a watermark");
        }
        let rows = self.tagged(union, "row", &[2]);
        let counted = self.tagged(operators[0].node, "op0", &[count_of_keys]);
        let mixed = self.plan.union(&[counted, rows]);
        self.sink("mixed", mixed, SinkOrder::ByOperator);
    }

    fn side_sinks(&mut self) {
        for index in 0..self.sources.len() {
            let Source { id, delay, .. } = self.sources[index];
            let dead = self.plan.side(id, SideKind::Dead);
            self.plan.sink(&format!("dead{index}"), "print", dead);
            if delay.is_some() {
                let late = self.plan.side(id, SideKind::Late);
                self.plan.sink(&format!("late{index}"), "print", late);
            }
        }
    }
}

fn column(index: usize, ty: SqlType) -> Expr {
    Expr::column(index, ty.nullable())
}

/// The calls under texts that name the operator, by which its dead rows are known.
fn named(operator: &str, calls: &[AggregateCall]) -> Vec<AggregateCall> {
    let text = |call: &AggregateCall| format!("{operator}: {}", call.text);
    calls.iter().map(|call| AggregateCall { text: text(call), ..call.clone() }).collect()
}

fn call(function: &str, args: &[usize], ty: SqlType) -> AggregateCall {
    let arguments: Vec<String> = args.iter().map(ToString::to_string).collect();
    AggregateCall {
        function: FunctionRef { name: function.into(), version: 1 },
        args: args.to_vec(),
        distinct: false,
        filter: None,
        ty: DataType { sql: ty, nullable: true },
        text: format!("{function}({})", arguments.join(", ")),
    }
}
