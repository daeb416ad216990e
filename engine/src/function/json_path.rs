//! The paths of JSON functions.

/// A step into a JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of an object.
    Member(String),
    /// The element of an array, from 0; from the end if negative.
    Element(i64),
}

/// A path such as `$.a.b[0]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// The steps from the whole document on.
    pub(super) steps: Vec<Step>,
    /// Whether nothing at the path is nothing, and no mistake.
    pub(super) lax: bool,
}

impl Path {
    /// Reads a path. `strict` before it says what holds without it.
    ///
    /// # Errors
    /// It is no path, or has a wildcard, a slice or a filter.
    pub(super) fn parse(path: &str) -> Result<Path, String> {
        let wrong = |what: &str| format!("the path '{path}' {what}");
        let trimmed = path.trim();
        let lax = trimmed.strip_prefix("lax ");
        let rest = lax.or_else(|| trimmed.strip_prefix("strict ")).unwrap_or(trimmed).trim_start();
        // A path without $ is taken for the name of a member.
        let named = !rest.is_empty() && !rest.starts_with(['$', '.', '[']);
        let bare = format!(".{rest}");
        let rest = if named { Some(bare.as_str()) } else { rest.strip_prefix('$') };
        let mut rest = rest.ok_or_else(|| wrong("does not begin with $"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if rest.starts_with("..") {
                return Err(wrong("searches with .., which is not supported"));
            }
            if let Some(after) = rest.strip_prefix('.') {
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let name = &after[..end];
                if name.is_empty() {
                    return Err(wrong("has an empty name"));
                }
                if name == "*" {
                    return Err(wrong("has a wildcard, which is not supported"));
                }
                steps.push(Step::Member(name.to_string()));
                rest = &after[end..];
            } else if let Some(after) = rest.strip_prefix('[') {
                let (step, after) = bracket(after).map_err(wrong)?;
                steps.push(step);
                rest = after;
            } else {
                return Err(wrong("goes on without a . or ["));
            }
        }
        Ok(Path { steps, lax: lax.is_some() })
    }
}

/// What stands after an opening bracket, and the rest after the closing one.
fn bracket(text: &str) -> Result<(Step, &str), &'static str> {
    let text = text.trim_start();
    let Some(quote) = text.chars().next().filter(|first| matches!(first, '\'' | '"')) else {
        let (inside, rest) = text.split_once(']').ok_or("has a [ without a ]")?;
        return match inside.trim().parse() {
            Ok(number) => Ok((Step::Element(number), rest)),
            Err(_) => Err("has a wildcard, a slice or a filter, which are not supported"),
        };
    };
    let mut name = String::new();
    let mut characters = text[1..].char_indices();
    while let Some((at, character)) = characters.next() {
        if character == '\\' {
            name.extend(characters.next().map(|(_, next)| next));
        } else if character == quote {
            let rest = text[1 + at + 1..].trim_start();
            let rest = rest.strip_prefix(']').ok_or("has a [ without a ]")?;
            return Ok((Step::Member(name), rest));
        } else {
            name.push(character);
        }
    }
    Err("has a quote that does not end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_step_by_step() {
        let member = |name: &str| Step::Member(name.into());
        let steps = |path: &str| Path::parse(path).unwrap().steps;
        assert_eq!(steps("$"), []);
        assert_eq!(steps("a.b"), [member("a"), member("b")]);
        assert_eq!(steps("$.a.b[0]"), [member("a"), member("b"), Step::Element(0)]);
        assert_eq!(steps("lax $['a.b'][ -1 ]"), [member("a.b"), Step::Element(-1)]);
        assert_eq!(steps("$[\"a b\"].ä-c"), [member("a b"), member("ä-c")]);
        for path in
            ["", ".a", "$.", "$[", "$a", "$..a", "$.*", "$[*]", "$[0:1]", "$[?(@.b)]", "$['a"]
        {
            assert!(Path::parse(path).is_err(), "{path}");
        }
    }
}
