//! Results of tests in the form that CI servers read: JUnit's XML.

use std::fmt::Write as _;
use std::time::Duration;

/// One test.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub took: Duration,
    /// What came of it.
    pub outcome: Outcome,
    /// What else there is to say.
    pub out: String,
}

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It could not be run: a line, and all of it.
    Broken(String, String),
    /// It failed: a line, and all of it.
    Failed(String, String),
    /// All is as it should be.
    Passed,
}

/// A document with one suite.
#[must_use]
pub(crate) fn document(suite: &str, cases: &[Case]) -> String {
    let count = |which: fn(&Outcome) -> bool| cases.iter().filter(|c| which(&c.outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(..)));
    let broken = count(|outcome| matches!(outcome, Outcome::Broken(..)));
    let took: Duration = cases.iter().map(|case| case.took).sum();
    let totals = format!(
        "tests=\"{}\" failures=\"{failed}\" errors=\"{broken}\" time=\"{:.3}\"",
        cases.len(),
        took.as_secs_f64()
    );
    let name = escaped(suite);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a text cannot fail.
    let _ = writeln!(out, "<testsuites name=\"{name}\" {totals}>");
    let _ = writeln!(out, "  <testsuite name=\"{name}\" {totals}>");
    for case in cases {
        let _ = write!(
            out,
            "    <testcase classname=\"{name}\" name=\"{}\" time=\"{:.3}\"",
            escaped(&case.name),
            case.took.as_secs_f64()
        );
        let mut inner = String::new();
        let element = match &case.outcome {
            Outcome::Passed => None,
            Outcome::Broken(line, all) => Some(("error", line, all)),
            Outcome::Failed(line, all) => Some(("failure", line, all)),
        };
        if let Some((element, line, all)) = element {
            let (line, all) = (escaped(line).replace('\n', "&#10;"), escaped(all));
            let _ = writeln!(inner, "      <{element} message=\"{line}\">{all}</{element}>");
        }
        if !case.out.is_empty() {
            let _ = writeln!(inner, "      <system-out>{}</system-out>", escaped(&case.out));
        }
        match inner.is_empty() {
            true => out.push_str("/>\n"),
            false => {
                let _ = write!(out, ">\n{inner}    </testcase>\n");
            }
        }
    }
    out.push_str("  </testsuite>\n</testsuites>\n");
    out
}

/// A text within an element or an attribute. Characters that XML cannot hold at all are
/// shown as what they are.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            '\u{fffe}' | '\u{ffff}' => out.push(char::REPLACEMENT_CHARACTER),
            other if other.is_control() && other < ' ' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(other));
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn a_document_says_what_passed_and_what_did_not() {
        let case = |name: &str, outcome| Case {
            name: name.into(),
            took: Duration::from_millis(1_500),
            outcome,
            out: String::new(),
        };
        let cases = [
            Case { out: "a note".into(), ..case("a", Outcome::Passed) },
            case("b", Outcome::Failed("<x> & \"y\"".into(), "- 1\n+ 2\u{7}".into())),
            case("c", Outcome::Broken("no job".into(), "no job".into())),
            case("d", Outcome::Passed),
        ];
        expect![[r#"
            <?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="s" tests="4" failures="1" errors="1" time="6.000">
              <testsuite name="s" tests="4" failures="1" errors="1" time="6.000">
                <testcase classname="s" name="a" time="1.500">
                  <system-out>a note</system-out>
                </testcase>
                <testcase classname="s" name="b" time="1.500">
                  <failure message="&lt;x&gt; &amp; &quot;y&quot;">- 1
            + 2\u{7}</failure>
                </testcase>
                <testcase classname="s" name="c" time="1.500">
                  <error message="no job">no job</error>
                </testcase>
                <testcase classname="s" name="d" time="1.500"/>
              </testsuite>
            </testsuites>
        "#]]
        .assert_eq(&document("s", &cases));
    }
}
