//! The meaning of expressions over batches: logic, failures, constants.

use super::*;
use crate::function;
use crate::time::Tick;
use crate::types::{DataType, Field, Schema, SqlType, Value};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int32Array, StringArray};
use chrono_tz::Tz;
use proptest::prelude::*;
use std::sync::Arc;

fn batch(columns: Vec<(&str, SqlType, ArrayRef)>) -> RecordBatch {
    let fields = columns.iter().map(|(name, ty, _)| Field::new(*name, ty.clone().nullable()));
    let schema = Schema::new(fields.collect());
    RecordBatch::try_new(schema.arrow(), columns.into_iter().map(|(_, _, array)| array).collect())
        .unwrap()
}

fn input(batch: &RecordBatch) -> EvalInput<'_> {
    EvalInput { batch, column_errors: &[], tick: Tick(0), watermarks_before: None, zone: Tz::UTC }
}

fn ints(values: Vec<Option<i32>>) -> RecordBatch {
    batch(vec![("a", SqlType::Int, Arc::new(Int32Array::from(values)))])
}

fn a() -> Expr {
    Expr::column(0, SqlType::Int.nullable())
}

fn int(value: i64) -> Expr {
    Expr::literal(Value::Int(value), SqlType::Int.not_null())
}

fn boolean(value: Option<bool>) -> Expr {
    let value = value.map_or(Value::Null, Value::Boolean);
    Expr::literal(value, SqlType::Boolean.nullable())
}

fn call(name: &str, args: Vec<Expr>) -> Expr {
    function::call(name, args).unwrap()
}

fn of(kind: ExprKind, ty: SqlType) -> Expr {
    Expr { kind, ty: ty.nullable(), span: crate::diagnostic::Span::default() }
}

fn run(expr: &Expr, batch: &RecordBatch) -> Evaluated {
    CompiledExpr::compile(expr).unwrap().evaluate(&input(batch))
}

/// The values, where `Err` holds the kind of the failure.
fn truths(found: &Evaluated) -> Vec<Result<Option<bool>, ErrorKind>> {
    let array = found.array.as_boolean();
    (0..array.len())
        .map(|row| match found.errors.of_row(row) {
            Some(error) => {
                assert!(array.is_null(row), "a failed row holds NULL");
                Err(error.kind)
            }
            None => Ok(array.is_valid(row).then(|| array.value(row))),
        })
        .collect()
}

fn numbers(found: &Evaluated) -> Vec<Result<Option<i32>, ErrorKind>> {
    let array = found.array.as_primitive::<arrow_array::types::Int32Type>();
    (0..array.len())
        .map(|row| match found.errors.of_row(row) {
            Some(error) => {
                assert!(array.is_null(row), "a failed row holds NULL");
                Err(error.kind)
            }
            None => Ok(array.is_valid(row).then(|| array.value(row))),
        })
        .collect()
}

/// `1 / a = 1`: fails where `a` is 0.
fn inverse_is_one() -> Expr {
    call("=", vec![call("/", vec![int(1), a()]), int(1)])
}

#[test]
fn an_error_right_of_a_deciding_operand_is_none() {
    let rows = ints(vec![Some(0), Some(1), Some(2), None]);
    let positive = call(">", vec![a(), int(0)]);
    let guarded = of(ExprKind::And(vec![positive.clone(), inverse_is_one()]), SqlType::Boolean);
    assert_eq!(
        truths(&run(&guarded, &rows)),
        [Ok(Some(false)), Ok(Some(true)), Ok(Some(false)), Ok(None)]
    );
    // To its left it is one, as in Flink.
    let late = of(ExprKind::And(vec![inverse_is_one(), positive]), SqlType::Boolean);
    let division = Err(ErrorKind::DivisionByZero);
    assert_eq!(truths(&run(&late, &rows)), [division, Ok(Some(true)), Ok(Some(false)), Ok(None)]);
    let zero = call("=", vec![a(), int(0)]);
    let either = of(ExprKind::Or(vec![zero, inverse_is_one()]), SqlType::Boolean);
    assert_eq!(truths(&run(&either, &rows))[0], Ok(Some(true)));
}

#[test]
fn a_failed_row_stays_failed_whatever_follows() {
    let rows = ints(vec![Some(0), Some(0)]);
    let parts = vec![inverse_is_one(), boolean(Some(false)), boolean(None)];
    let and = of(ExprKind::And(parts), SqlType::Boolean);
    let division = Err(ErrorKind::DivisionByZero);
    assert_eq!(truths(&run(&and, &rows)), [division, division]);
    let not_null = call("IS NOT NULL", vec![call("/", vec![int(1), a()])]);
    assert_eq!(truths(&run(&not_null, &rows)), [division, division]);
}

#[test]
fn case_and_coalesce_drop_errors_of_what_is_not_taken() {
    let rows = ints(vec![Some(0), Some(2), None]);
    let inverse = call("/", vec![int(10), a()]);
    let zero = call("=", vec![a(), int(0)]);
    let case = of(
        ExprKind::Case {
            branches: vec![(zero, int(-1))],
            otherwise: Some(Box::new(inverse.clone())),
        },
        SqlType::Int,
    );
    assert_eq!(numbers(&run(&case, &rows)), [Ok(Some(-1)), Ok(Some(5)), Ok(None)]);
    let coalesce = of(ExprKind::Coalesce(vec![a(), inverse.clone()]), SqlType::Int);
    assert_eq!(numbers(&run(&coalesce, &rows)), [Ok(Some(0)), Ok(Some(2)), Ok(None)]);
    let first = of(ExprKind::Coalesce(vec![inverse, int(7)]), SqlType::Int);
    let division = Err(ErrorKind::DivisionByZero);
    assert_eq!(numbers(&run(&first, &rows)), [division, Ok(Some(5)), Ok(Some(7))]);
    // A failing condition fails the row, though a later one would be TRUE.
    let case = of(
        ExprKind::Case {
            branches: vec![(inverse_is_one(), int(1)), (boolean(Some(true)), int(2))],
            otherwise: None,
        },
        SqlType::Int,
    );
    assert_eq!(numbers(&run(&case, &rows)), [division, Ok(Some(2)), Ok(Some(2))]);
}

#[test]
fn integers_that_do_not_fit_fail_their_row_only() {
    let rows = ints(vec![Some(i32::MAX), Some(1), None, Some(i32::MIN)]);
    let sum = run(&call("+", vec![a(), int(1)]), &rows);
    let overflow = Err(ErrorKind::Overflow);
    assert_eq!(numbers(&sum), [overflow, Ok(Some(2)), Ok(None), Ok(Some(i32::MIN + 1))]);
    assert_eq!(sum.errors.as_slice()[0].detail, "2147483647 + 1");
    let quotient = run(&call("/", vec![a(), int(-1)]), &rows);
    assert_eq!(numbers(&quotient)[3], overflow);
    let rest = run(&call("%", vec![a(), int(-1)]), &rows);
    assert_eq!(numbers(&rest), [Ok(Some(0)), Ok(Some(0)), Ok(None), Ok(Some(0))]);
}

#[test]
fn a_cast_fails_strictly_or_tries() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("12"), Some("x"), None]));
    let rows = batch(vec![("t", SqlType::STRING, texts)]);
    let text = || Box::new(Expr::column(0, SqlType::STRING.nullable()));
    let strict = of(ExprKind::Cast { input: text(), mode: CastMode::Strict }, SqlType::Int);
    let found = run(&strict, &rows);
    assert_eq!(numbers(&found), [Ok(Some(12)), Err(ErrorKind::Cast), Ok(None)]);
    assert_eq!(found.errors.as_slice()[0].detail, "'x' cannot be cast to INT");
    let tried = of(ExprKind::Cast { input: text(), mode: CastMode::Try }, SqlType::Int);
    assert_eq!(numbers(&run(&tried, &rows)), [Ok(Some(12)), Ok(None), Ok(None)]);
}

// spec: F-1
#[test]
fn a_column_that_was_not_decoded_fails_what_reads_it() {
    let rows = ints(vec![Some(1), Some(2)]);
    let mut bad = RowErrors::NONE;
    bad.push(1, ErrorKind::Parse, "'z' is no INT");
    let errors = [bad];
    let with_errors = EvalInput { column_errors: &errors, ..input(&rows) };
    let doubled = CompiledExpr::compile(&call("*", vec![a(), int(2)])).unwrap();
    assert_eq!(numbers(&doubled.evaluate(&with_errors)), [Ok(Some(2)), Err(ErrorKind::Parse)]);
    let constant = CompiledExpr::compile(&int(3)).unwrap();
    assert_eq!(numbers(&constant.evaluate(&with_errors)), [Ok(Some(3)), Ok(Some(3))]);
}

#[test]
fn a_constant_failure_fails_every_row_that_needs_it() {
    let rows = ints(vec![Some(1), Some(2)]);
    let failing = call("/", vec![int(1), int(0)]);
    let division = Err(ErrorKind::DivisionByZero);
    assert_eq!(numbers(&run(&failing, &rows)), [division, division]);
    let none = ints(vec![]);
    assert!(run(&failing, &none).errors.is_empty());
    let sum = call("+", vec![a(), failing.clone()]);
    assert_eq!(numbers(&run(&sum, &rows)), [division, division]);
    let error = CompiledExpr::compile(&failing).unwrap().constant(Tz::UTC).unwrap_err();
    assert_eq!(error.kind, ErrorKind::DivisionByZero);
}

#[test]
fn doubles_compare_as_ieee_says() {
    let values = vec![f64::NAN, -0.0, 1.0, f64::INFINITY];
    let rows = batch(vec![("d", SqlType::Double, Arc::new(Float64Array::from(values)))]);
    let d = || Expr::column(0, SqlType::Double.nullable());
    let zero = || Expr::literal(Value::Double(0.0), SqlType::Double.not_null());
    let of = |name: &str| -> Vec<bool> {
        let found = run(&call(name, vec![d(), zero()]), &rows);
        found.array.as_boolean().iter().map(Option::unwrap).collect()
    };
    assert_eq!(of("="), [false, true, false, false]);
    assert_eq!(of("<>"), [true, false, true, true]);
    assert_eq!(of("<"), [false, false, false, false]);
    assert_eq!(of(">="), [false, true, true, true]);
    let itself = run(&call("=", vec![d(), d()]), &rows);
    assert!(!itself.array.as_boolean().value(0));
}

#[test]
fn a_bad_pattern_is_refused_when_compiled() {
    let text = Expr::column(0, SqlType::STRING.nullable());
    let pattern = Expr::literal(Value::Text("a(?=b)".into()), SqlType::Char(6).not_null());
    let regexp = call("REGEXP", vec![text, pattern]);
    let error = CompiledExpr::compile(&regexp).unwrap_err();
    assert!(error.to_string().contains("look-ahead"), "{error}");
}

#[test]
fn unknown_functions_and_casts_are_refused() {
    let mut unknown = call("+", vec![int(1), int(1)]);
    let ExprKind::Call { function, .. } = &mut unknown.kind else { panic!("a call") };
    function.version = 99;
    let error = CompiledExpr::compile(&unknown).unwrap_err();
    assert_eq!(error.to_string(), "there is no function +@99");
    let date =
        of(ExprKind::Cast { input: Box::new(int(1)), mode: CastMode::Strict }, SqlType::Date);
    let error = CompiledExpr::compile(&date).unwrap_err();
    assert_eq!(error.to_string(), "INT cannot be cast to DATE");
}

// spec: T-1, T-6
#[test]
fn context_comes_from_the_input() {
    let rows = ints(vec![Some(1), Some(2)]);
    let ty = SqlType::TimestampLtz(3);
    let watermark = of(ExprKind::Context(ContextValue::CurrentWatermark), ty.clone());
    let tick = of(ExprKind::Context(ContextValue::Tick), ty.clone());
    let known = EvalInput {
        tick: Tick(1_234_567_890),
        watermarks_before: Some(&[i64::MIN, 77]),
        ..input(&rows)
    };
    let values = |expr: &Expr, input: &EvalInput<'_>| {
        let found = CompiledExpr::compile(expr).unwrap().evaluate(input);
        [value_at(&found.array, 0, &ty), value_at(&found.array, 1, &ty)]
    };
    assert_eq!(values(&watermark, &known), [Value::Null, Value::Timestamp(77)]);
    assert_eq!(values(&watermark, &input(&rows)), [Value::Null, Value::Null]);
    assert_eq!(values(&tick, &known), [Value::Timestamp(1234), Value::Timestamp(1234)]);
}

#[test]
fn the_zone_is_that_of_the_input() {
    let seconds = Expr::literal(Value::Int(1_709_201_472), SqlType::BigInt.not_null());
    let text = CompiledExpr::compile(&call("FROM_UNIXTIME", vec![seconds])).unwrap();
    let berlin = text.constant_text(Tz::Europe__Berlin).unwrap();
    assert_eq!(berlin.as_deref(), Some("2024-02-29 11:11:12"));
    assert_eq!(text.constant_text(Tz::UTC).unwrap().as_deref(), Some("2024-02-29 10:11:12"));
}

#[test]
fn elements_and_fields_of_nothing_are_null() {
    let list = Value::Array(vec![Value::Int(5), Value::Null]);
    let array = SqlType::Array(Box::new(SqlType::Int.nullable()));
    let at = |index: i64| {
        let array = Box::new(Expr::literal(list.clone(), array.clone().not_null()));
        let element = of(ExprKind::Element { array, index: Box::new(int(index)) }, SqlType::Int);
        CompiledExpr::compile(&element).unwrap().constant(Tz::UTC).unwrap()
    };
    assert_eq!(
        [at(0), at(1), at(2), at(3)],
        [Value::Null, Value::Int(5), Value::Null, Value::Null]
    );
    let fields = vec![Field::new("x", SqlType::Int.nullable())];
    let row = SqlType::Row(fields);
    let field = |value: Value| {
        let input = Box::new(Expr::literal(value, row.clone().nullable()));
        let field = of(ExprKind::Field { input, index: 0 }, SqlType::Int);
        CompiledExpr::compile(&field).unwrap().constant(Tz::UTC).unwrap()
    };
    assert_eq!(field(Value::Row(vec![Value::Int(3)])), Value::Int(3));
    assert_eq!(field(Value::Null), Value::Null);
}

/// TRUE, FALSE, NULL or a failure, as the definition of three-valued logic has it.
type Truth = Result<Option<bool>, ()>;

fn model(parts: &[Truth], decider: bool) -> Truth {
    let mut unknown = false;
    for part in parts {
        match part {
            Err(()) => return Err(()),
            Ok(Some(value)) if *value == decider => return Ok(Some(decider)),
            Ok(Some(_)) => {}
            Ok(None) => unknown = true,
        }
    }
    Ok(if unknown { None } else { Some(!decider) })
}

fn truth() -> impl Strategy<Value = Truth> {
    prop_oneof![Just(Ok(Some(true))), Just(Ok(Some(false))), Just(Ok(None)), Just(Err(()))]
}

proptest! {
    #[test]
    fn junctions_follow_three_valued_logic(
        rows in prop::collection::vec(prop::collection::vec(truth(), 3), 0..20),
        decider in any::<bool>(),
    ) {
        let columns = (0..3).map(|column| {
            let values: BooleanArray =
                rows.iter().map(|row| row[column].unwrap_or(None)).collect();
            ("x", SqlType::Boolean, Arc::new(values) as ArrayRef)
        });
        let data = batch(columns.collect());
        let errors: Vec<RowErrors> = (0..3).map(|column| {
            let mut found = RowErrors::NONE;
            for (row, values) in rows.iter().enumerate() {
                if values[column].is_err() {
                    found.push(row, ErrorKind::Parse, "bad");
                }
            }
            found
        }).collect();
        let parts = (0..3).map(|index| Expr::column(index, SqlType::Boolean.nullable())).collect();
        let kind = if decider { ExprKind::Or(parts) } else { ExprKind::And(parts) };
        let expr = of(kind, SqlType::Boolean);
        let input = EvalInput { column_errors: &errors, ..input(&data) };
        let found = truths(&CompiledExpr::compile(&expr).unwrap().evaluate(&input));
        let wanted: Vec<Truth> = rows.iter().map(|row| model(row, decider)).collect();
        prop_assert_eq!(found.into_iter().map(|t| t.map_err(|_| ())).collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn a_function_gives_the_same_row_by_row_and_for_a_batch(
        values in prop::collection::vec(any::<Option<i32>>(), 1..12),
    ) {
        // Constant folding, constant arguments and columns are three ways to a value.
        for name in ["+", "-", "*", "/", "%", "=", "<", "GREATEST", "LEAST"] {
            let data = ints(values.clone());
            let whole = run(&call(name, vec![a(), int(3)]), &data);
            let ty: DataType = call(name, vec![a(), int(3)]).ty;
            for (row, value) in values.iter().enumerate() {
                let literal = value.map_or(Value::Null, |value| Value::Int(value.into()));
                let folded = call(name, vec![Expr::literal(literal, SqlType::Int.nullable()), int(3)]);
                let alone = CompiledExpr::compile(&folded).unwrap().constant(Tz::UTC);
                match (whole.errors.of_row(row), alone) {
                    (Some(error), Err(other)) => prop_assert_eq!(&error.detail, &other.detail),
                    (None, Ok(value)) => prop_assert_eq!(value_at(&whole.array, row, &ty.sql), value),
                    (left, right) => prop_assert!(false, "{} {:?} {:?}", name, left, right),
                }
            }
        }
    }
}
