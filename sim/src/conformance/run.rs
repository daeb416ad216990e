//! The runner: steps in, the first difference out.

use super::Dialect;
use super::phrase::{Argument, Phrase, Value};
use super::transcript::{Expected, StepKind, Transcript};
use anabranch_engine::service::{Answer, Request};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;

/// How often a step is repeated whose answer may be a passing one.
const REPEATS: u32 = 500;
/// How long to wait before it is.
const PAUSE_MS: u64 = 20;

/// What a transcript runs on: a model in virtual time, or a real service.
pub trait Executor {
    /// Carries out a request of a client. A client that was not named before comes to be.
    fn execute(&mut self, client: &str, request: &Request) -> Answer;

    /// Does something to the service from outside; gives what came of it, `done` if there
    /// is nothing to say.
    ///
    /// # Errors
    /// If there is no such act, or it did not go well: the transcript cannot go on.
    fn act(&mut self, act: &Phrase) -> Result<Phrase, String>;

    /// Lets time pass.
    fn sleep(&mut self, ms: u64);
}

/// Where a run differs from its transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The transcript.
    pub origin: String,
    /// Its title.
    pub title: String,
    /// The line of the step, from 1.
    pub line: usize,
    /// The step, with variables as they were written.
    pub step: String,
    /// The answers of which one was expected.
    pub expected: Vec<String>,
    /// What came, or why nothing could come.
    pub found: String,
    /// The variables at this point.
    pub bound: Vec<(String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}:{}: {}", self.origin, self.line, self.title)?;
        writeln!(f, "  {}", self.step)?;
        for (index, expected) in self.expected.iter().enumerate() {
            let word = if index == 0 { "expected" } else { "or      " };
            writeln!(f, "  {word} {expected}")?;
        }
        writeln!(f, "  found    {}", self.found)?;
        for (name, value) in &self.bound {
            writeln!(f, "  where    ${name} = {value}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Difference {}

/// Runs a transcript to its end or to the first difference.
///
/// # Errors
/// The first difference.
pub fn run(
    transcript: &Transcript,
    dialect: &dyn Dialect,
    executor: &mut dyn Executor,
) -> Result<(), Box<Difference>> {
    let mut bound = Bindings::default();
    for step in &transcript.steps {
        let (words, expected, result) = match &step.kind {
            StepKind::Sleep { ms } => {
                executor.sleep(*ms);
                continue;
            }
            StepKind::Act { act, expected } => {
                let mut expected = expected.clone();
                if expected.answers.is_empty() {
                    expected.answers.push(Phrase::new("done"));
                }
                let mut ask = |executor: &mut dyn Executor, bound: &Bindings| {
                    executor.act(&bound.filled(act)?)
                };
                let result = settle(executor, &mut bound, &expected, &mut ask);
                (format!("! {act}"), expected, result)
            }
            StepKind::Request { client, request, expected } => {
                let mut ask = |executor: &mut dyn Executor, bound: &Bindings| {
                    let request = dialect.request(&bound.filled(request)?)?;
                    Ok(dialect.answer(&executor.execute(client, &request)))
                };
                let result = settle(executor, &mut bound, expected, &mut ask);
                (format!("{client}: {request}"), expected.clone(), result)
            }
        };
        result.map_err(|found| {
            let passing = expected.passing.iter().map(|it| format!("{it} (for a while)"));
            let expected = expected.answers.iter().map(Phrase::to_string).chain(passing).collect();
            let values = bound.values.iter().map(|(name, value)| (name.clone(), value.to_string()));
            Box::new(Difference {
                origin: transcript.origin.clone(),
                title: transcript.title.clone(),
                line: step.line,
                step: words,
                expected,
                found,
                bound: values.collect(),
            })
        })?;
    }
    Ok(())
}

/// Asks until an answer comes that is not a passing one; the error is what came instead of
/// what was expected.
fn settle(
    executor: &mut dyn Executor,
    bound: &mut Bindings,
    expected: &Expected,
    ask: &mut dyn FnMut(&mut dyn Executor, &Bindings) -> Result<Phrase, String>,
) -> Result<(), String> {
    let mut repeats = 0;
    loop {
        let found = ask(executor, bound)?;
        if expected.answers.is_empty() && expected.passing.is_empty() {
            return Ok(());
        }
        if expected.answers.iter().any(|answer| bound.matches(answer, &found)) {
            return Ok(());
        }
        let passes = expected.passing.iter().any(|answer| bound.matches(answer, &found));
        if !passes {
            return if expected.answers.is_empty() { Ok(()) } else { Err(found.to_string()) };
        }
        repeats += 1;
        if repeats > REPEATS {
            return Err(format!("{found}, also after {REPEATS} repetitions"));
        }
        executor.sleep(PAUSE_MS);
    }
}

/// What the names of a transcript stand for.
#[derive(Clone, Debug, Default)]
struct Bindings {
    values: BTreeMap<String, Value>,
}

impl Bindings {
    /// A phrase with all variables replaced.
    fn filled(&self, phrase: &Phrase) -> Result<Phrase, String> {
        let fill = |argument: &Argument| {
            let value = self.fill(&argument.value)?;
            Ok(Argument { key: argument.key.clone(), value })
        };
        let arguments = phrase.arguments.iter().map(fill).collect::<Result<_, String>>()?;
        Ok(Phrase { word: phrase.word.clone(), arguments, open: phrase.open })
    }

    fn fill(&self, value: &Value) -> Result<Value, String> {
        match value {
            Value::Any => Err("`*` stands for nothing in a request".into()),
            Value::List(values) => {
                Ok(Value::List(values.iter().map(|it| self.fill(it)).collect::<Result<_, _>>()?))
            }
            Value::Phrase(phrase) => self.filled(phrase).map(Value::Phrase),
            Value::Variable { name, plus } => {
                let known =
                    self.values.get(name).ok_or_else(|| format!("`${name}` is not bound"))?;
                added(known, *plus).ok_or_else(|| format!("`${name}` is {known}, no number"))
            }
            Value::None | Value::Text(_) => Ok(value.clone()),
        }
    }

    /// Whether an answer is as expected. Names that were free are bound if it is, and only
    /// then.
    fn matches(&mut self, expected: &Phrase, found: &Phrase) -> bool {
        let mut tried = self.clone();
        let fits = tried.fits(expected, found);
        if fits {
            *self = tried;
        }
        fits
    }

    fn fits(&mut self, expected: &Phrase, found: &Phrase) -> bool {
        let all_named = expected.open || expected.arguments.len() == found.arguments.len();
        expected.word == found.word
            && all_named
            && expected.arguments.iter().all(|argument| {
                found.find(&argument.key).is_some_and(|it| self.fits_value(&argument.value, it))
            })
    }

    fn fits_value(&mut self, expected: &Value, found: &Value) -> bool {
        match (expected, found) {
            (Value::Any, _) => true,
            (Value::List(expected), Value::List(found)) => {
                expected.len() == found.len()
                    && expected.iter().zip(found).all(|(one, other)| self.fits_value(one, other))
            }
            (Value::Phrase(expected), Value::Phrase(found)) => self.fits(expected, found),
            (Value::Variable { name, plus }, _) => match self.values.get(name) {
                Some(known) => added(known, *plus).as_ref() == Some(found),
                None => {
                    let Some(value) = added(found, plus.saturating_neg()) else { return false };
                    self.values.insert(name.clone(), value);
                    true
                }
            },
            (Value::List(_) | Value::None | Value::Phrase(_) | Value::Text(_), _) => {
                expected == found
            }
        }
    }
}

/// A value plus a number; anything plus nothing is itself.
fn added(value: &Value, plus: i64) -> Option<Value> {
    if plus == 0 {
        return Some(value.clone());
    }
    let Value::Text(text) = value else { return None };
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(Value::Text(Bytes::from(number.checked_add(plus)?.to_string())))
}

#[cfg(test)]
mod tests {
    use super::super::parse_phrase;
    use super::*;

    /// Answers `Sleep` requests as phrases out of a list, so that the runner is tested
    /// without any service.
    struct Scripted {
        answers: Vec<&'static str>,
        slept: u64,
    }

    struct Words;

    impl Dialect for Words {
        fn request(&self, phrase: &Phrase) -> Result<Request, String> {
            phrase.only(&["ms"])?;
            Ok(Request::Sleep { ms: phrase.parsed("ms")? })
        }

        fn answer(&self, answer: &Answer) -> Phrase {
            let Answer::Proved(proved) = answer else { panic!("another answer") };
            Phrase::new("proved").with_text("it", proved)
        }
    }

    impl Executor for Scripted {
        fn execute(&mut self, _: &str, request: &Request) -> Answer {
            let Request::Sleep { ms } = request else { panic!("another request") };
            Answer::Proved(*ms > 5)
        }

        fn act(&mut self, _: &Phrase) -> Result<Phrase, String> {
            parse_phrase(self.answers.remove(0))
        }

        fn sleep(&mut self, ms: u64) {
            self.slept += ms;
        }
    }

    fn run_on(answers: &[&'static str], text: &str) -> Result<u64, String> {
        let transcript = Transcript::parse("x", text).expect("a transcript");
        let mut scripted = Scripted { answers: answers.to_vec(), slept: 0 };
        run(&transcript, &Words, &mut scripted).map_err(|it| it.to_string())?;
        Ok(scripted.slept)
    }

    #[test]
    fn what_a_service_chose_can_be_asked_for_again() {
        let text =
            "title: t\n! a\n-> made id=$p\n! b\n-> made id=$p+1\nann: go ms=$p\n-> proved it=true";
        assert_eq!(run_on(&["made id=7", "made id=8"], text), Ok(0));
        assert!(run_on(&["made id=7", "made id=9"], text).is_err());
        let lower = run_on(&["made id=4", "made id=5"], text).expect_err("4 is not above 5");
        assert_eq!(
            lower,
            "x:6: t\n  ann: go ms=$p\n  expected proved it=true\n  found    proved it=false\n  \
             where    $p = 4\n"
        );
    }

    #[test]
    fn an_answer_that_passes_is_waited_for_but_not_for_ever() {
        let text = "title: t\n! a\n~> busy\n-> done\n";
        assert_eq!(run_on(&["busy", "busy", "done"], text), Ok(40));
        let always = vec!["busy"; 501];
        let found = run_on(&always, text).expect_err("it never settles");
        assert!(found.contains("busy, also after 500 repetitions"), "{found}");
        assert!(run_on(&["busy", "other"], text).is_err());
    }

    #[test]
    fn every_argument_counts_unless_others_are_left_open() {
        let text = "title: t\n! a\n-> made id=1";
        assert!(run_on(&["made id=1 size=2"], text).is_err());
        assert!(run_on(&["made"], text).is_err());
        assert_eq!(run_on(&["made id=1 size=2"], &format!("{text} ..")), Ok(0));
        assert_eq!(run_on(&["made size=2 id=1"], &format!("{text} size=*")), Ok(0));
        assert_eq!(run_on(&["gone"], &format!("{text}\n-> gone")), Ok(0));
    }

    #[test]
    fn an_act_without_an_expectation_has_to_be_done() {
        assert_eq!(run_on(&["done"], "title: t\n! a"), Ok(0));
        assert!(run_on(&["failed"], "title: t\n! a").is_err());
    }

    #[test]
    fn a_name_that_is_not_bound_is_a_difference() {
        let found = run_on(&[], "title: t\nann: go ms=$q\n").expect_err("$q is not bound");
        assert!(found.contains("`$q` is not bound"), "{found}");
    }
}
