//! The name that was probably meant.

/// Longer names are not compared: the distance takes the product of the lengths.
const LENGTH_MAX: usize = 64;

/// The name that is spelled most like `name`, if one is near enough to be a slip.
pub(crate) fn nearest<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LENGTH_MAX {
        return None;
    }
    let wanted = name.to_lowercase();
    let far = (wanted.chars().count() / 3).max(2);
    names
        .into_iter()
        .filter(|candidate| candidate.len() <= LENGTH_MAX)
        .map(|candidate| {
            (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= far && *distance < candidate.chars().count())
        // The first of the nearest wins, so that the answer does not depend on chance.
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        assert_eq!(nearest("flihgts", ["flights", "late"]), Some("flights"));
        assert_eq!(nearest("STRNG", ["INT", "STRING"]), Some("STRING"));
        assert_eq!(nearest("Carrier", ["carrier"]), Some("carrier"));
        assert_eq!(nearest("weather", ["flights"]), None);
        assert_eq!(nearest("x", ["a"]), None);
    }
}
