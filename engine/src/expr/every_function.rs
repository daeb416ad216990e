//! Every function of the registry with values at the edges of their types: nothing
//! panics, and a column gives what a constant gives.

use super::constant::null_array;
use super::*;
use crate::function::{self, Function};
use crate::time::Tick;
use crate::types::{Field, Schema, SqlType, Value};
use chrono_tz::Tz;
use proptest::prelude::*;

/// A value with its type.
type Sample = (Value, SqlType);

fn samples() -> Vec<Sample> {
    let mut all = vec![
        (Value::Null, SqlType::Int),
        (Value::Null, SqlType::STRING),
        (Value::Boolean(true), SqlType::Boolean),
        (Value::Float(f32::MIN_POSITIVE), SqlType::Float),
        (Value::Bytes(vec![0xff, 0]), SqlType::BYTES),
        (Value::Months(i32::MIN), SqlType::IntervalYearMonth),
        (Value::Months(14), SqlType::IntervalYearMonth),
        (Value::Millis(i64::MAX), SqlType::IntervalDayTime),
        (Value::Millis(-1), SqlType::IntervalDayTime),
        (Value::Time(86_399_999), SqlType::Time(3)),
        (Value::Time(0), SqlType::Time(0)),
    ];
    let integers = [
        (SqlType::TinyInt, i8::MIN.into(), i8::MAX.into()),
        (SqlType::SmallInt, i16::MIN.into(), i16::MAX.into()),
        (SqlType::Int, i32::MIN.into(), i32::MAX.into()),
        (SqlType::BigInt, i64::MIN, i64::MAX),
    ];
    for (ty, least, most) in integers {
        all.extend([least, -1, 0, 1, 3, most].map(|value| (Value::Int(value), ty.clone())));
    }
    for value in [f64::NAN, f64::INFINITY, f64::MIN, -0.0, 0.5, 1e300, 5e-324] {
        all.push((Value::Double(value), SqlType::Double));
    }
    for (precision, scale) in [(38, 0), (38, 38), (38, 18), (5, 2), (1, 0)] {
        let most = crate::types::decimal::power_of_ten(precision) - 1;
        for value in [most, -most, 0, 1] {
            all.push((Value::Decimal(value), SqlType::Decimal { precision, scale }));
        }
    }
    for days in [i32::MIN, -1, 0, 19_782, i32::MAX] {
        all.push((Value::Date(days), SqlType::Date));
    }
    for stamp in [i64::MIN, -1, 0, 1_709_201_472_123, i64::MAX] {
        for precision in [0, 3, 6, 9] {
            all.push((Value::Timestamp(stamp), SqlType::Timestamp(precision)));
            all.push((Value::Timestamp(stamp), SqlType::TimestampLtz(precision)));
        }
    }
    let texts = [
        "",
        "a",
        "äöü😀",
        " 12.5e3 ",
        "2024-02-29 10:11:12.5",
        "999999999999999999",
        "DAY",
        "MONTH",
        "MILLISECOND",
        "EPOCH",
        "yyyy-MM-dd HH:mm:ss",
        "H:m:s S",
        "yyyyMMddHHmmss",
        "(a|b)*",
        "[",
        "%_a%",
        r#"{"a": [1, {"b": null}]}"#,
        "$.a[-1].b",
        "$.a[0]",
        "UTC",
        "Europe/Berlin",
        "+02:00",
    ];
    all.extend(texts.map(|text| (Value::Text(text.into()), SqlType::STRING)));
    all
}

/// A function with arguments, each a literal or a column.
fn a_call() -> impl Strategy<Value = (&'static Function, Vec<(Sample, bool)>)> {
    let functions: Vec<&'static Function> = function::all().collect();
    let argument = (prop::sample::select(samples()), any::<bool>());
    (prop::sample::select(functions), prop::collection::vec(argument, 0..5))
}

fn check(function: &'static Function, args: &[(Sample, bool)]) -> Result<(), TestCaseError> {
    let literals: Vec<Expr> = args
        .iter()
        .map(|((value, ty), _)| Expr::literal(value.clone(), ty.clone().nullable()))
        .collect();
    // Units and digits must stand literally for the types to be the same.
    let mixed: Vec<Expr> = literals
        .iter()
        .zip(args)
        .enumerate()
        .map(
            |(index, (literal, (_, column)))| {
                if *column { Expr::column(index, literal.ty.clone()) } else { literal.clone() }
            },
        )
        .collect();
    let (Ok(folded), Ok(mixed)) =
        (function::call(function.name, literals), function::call(function.name, mixed))
    else {
        return Ok(());
    };
    if folded.ty != mixed.ty {
        return Ok(());
    }
    let columns: Vec<ArrayRef> = args
        .iter()
        .map(|((value, ty), _)| {
            let (cell, null) = (scalar_array(value, ty), null_array(ty, 1));
            arrow_select::concat::concat(&[cell.as_ref(), null.as_ref(), cell.as_ref()]).unwrap()
        })
        .collect();
    let fields = args.iter().map(|((_, ty), _)| Field::new("x", ty.clone().nullable())).collect();
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(3));
    let batch =
        RecordBatch::try_new_with_options(Schema::new(fields).arrow(), columns, &options).unwrap();
    for zone in [Tz::UTC, Tz::America__New_York] {
        let input = EvalInput {
            batch: &batch,
            column_errors: &[],
            tick: Tick(0),
            watermarks_before: None,
            zone,
        };
        let Ok(compiled) = CompiledExpr::compile(&mixed) else { return Ok(()) };
        let found = compiled.evaluate(&input);
        prop_assert_eq!(found.array.len(), 3);
        prop_assert_eq!(found.array.data_type(), &mixed.ty.sql.arrow());
        let cell = |row: usize| match found.errors.of_row(row) {
            Some(error) => Err(error.kind),
            None => Ok(value_at(&found.array, row, &mixed.ty.sql)),
        };
        prop_assert_eq!(cell(0), cell(2));
        // A bad pattern is refused as a constant, and fails the row in a column.
        if let Ok(constant) = CompiledExpr::compile(&folded) {
            let constant = constant.constant(zone).map_err(|error| error.kind);
            prop_assert_eq!(cell(0), constant);
        }
        let _ = format_value(&found.array, 0, &mixed.ty.sql, zone);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_function_panics_and_columns_give_what_constants_give((function, args) in a_call()) {
        check(function, &args)?;
    }

    #[test]
    fn no_cast_panics(sample in prop::sample::select(samples()), to in prop::sample::select(samples())) {
        let (value, from) = sample;
        for mode in [CastMode::Strict, CastMode::Try] {
            let Some(cast) = Cast::new(&from, &to.1, mode) else { continue };
            let found = cast.apply(&scalar_array(&value, &from), Tz::America__New_York);
            prop_assert_eq!(found.array.data_type(), &to.1.arrow());
            prop_assert!(mode == CastMode::Strict || found.errors.is_empty());
            prop_assert!(!value.is_null() || found.array.is_null(0));
            let _ = format_value(&found.array, 0, &to.1, Tz::UTC);
        }
    }
}
