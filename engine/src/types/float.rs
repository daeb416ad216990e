//! Floating point numbers as text, in Java's form with the shortest digits that
//! read back the same.

/// A DOUBLE as text: `0.1`, `1.0E10`, `NaN`, `-Infinity`.
#[must_use]
pub fn format_double(value: f64) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity" } else { "-Infinity" }.into();
    }
    // Java never writes one digit where a second brings it nearer, which happens
    // only among the smallest numbers: 4.9E-324.
    if value != 0.0 && value.abs() < 1e-320 {
        let two = format!("{value:.1e}");
        if two.parse() == Ok(value) {
            return two.replace('e', "E");
        }
    }
    in_java_form(ryu::Buffer::new().format_finite(value), value.abs())
}

/// A FLOAT as text.
#[must_use]
pub fn format_float(value: f32) -> String {
    if !value.is_finite() {
        return format_double(value.into());
    }
    if value != 0.0 && value.abs() < 1e-42 {
        let two = format!("{value:.1e}");
        if two.parse() == Ok(value) {
            return two.replace('e', "E");
        }
    }
    in_java_form(ryu::Buffer::new().format_finite(value), f64::from(value).abs())
}

/// Puts shortest digits into Java's form: from 10^-3 up to 10^7 plain, else with an
/// exponent, in both cases with a digit behind the point.
fn in_java_form(shortest: &str, magnitude: f64) -> String {
    if magnitude == 0.0 {
        return shortest.to_string();
    }
    let (sign, shortest) = match shortest.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", shortest),
    };
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((shortest, "0"));
    let exponent: i32 = exponent.parse().expect("ryu writes an integer as exponent");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut digits = format!("{whole}{fraction}");
    // The number is 0.DIGITS * 10^point.
    let mut point = whole.len() as i32 + exponent;
    let leading = digits.len() - digits.trim_start_matches('0').len();
    digits.drain(..leading);
    point -= leading as i32;
    let kept = digits.trim_end_matches('0').len().max(1);
    digits.truncate(kept);
    if (1e-3..1e7).contains(&magnitude) {
        return format!("{sign}{}", plain(&digits, point));
    }
    let (first, rest) = digits.split_at(1);
    let rest = if rest.is_empty() { "0" } else { rest };
    format!("{sign}{first}.{rest}E{}", point - 1)
}

fn plain(digits: &str, point: i32) -> String {
    if point <= 0 {
        let zeros = "0".repeat(point.unsigned_abs() as usize);
        return format!("0.{zeros}{digits}");
    }
    let point = point as usize;
    if digits.len() <= point {
        return format!("{digits:0<point$}.0");
    }
    let (whole, fraction) = digits.split_at(point);
    format!("{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn doubles_print_as_in_java() {
        let cases: &[(f64, &str)] = &[
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (100.0, "100.0"),
            (1e-3, "0.001"),
            (1e-4, "1.0E-4"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (123_456_789.0, "1.23456789E8"),
            (1e23, "1.0E23"),
            (-1.5e300, "-1.5E300"),
            (5e-324, "4.9E-324"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, text) in cases {
            assert_eq!(format_double(*value), *text);
        }
        assert_eq!(format_float(0.1), "0.1");
        assert_eq!(format_float(16_777_216.0), "1.6777216E7");
    }

    proptest! {
        #[test]
        fn the_text_reads_back_the_same(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(format_double(value).parse::<f64>().unwrap().to_bits(), bits);
        }
    }
}
