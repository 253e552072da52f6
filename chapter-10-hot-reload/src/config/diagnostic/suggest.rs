//! "Did you mean …?"

/// The known word that `written` was probably meant to be: a known synonym is found by its letters, so one or two slips of
/// a key on a short word, up to a third of a longer one's letters.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace(['-', ' '], "_");
    let written = plain(written);
    let most = (written.chars().count().max(3) / 3).min(4);
    let distance = |word: &str| strsim::osa_distance(&written, &plain(word));
    let candidates = known.into_iter().map(|word| (distance(word), word));
    // The first of equals: keys stand in the order of the reference.
    candidates.filter(|(distance, _)| *distance <= most).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognized_and_other_words_are_not() {
        const KNOWN: [&str; 5] = ["weight", "host", "port", "max_connections", "backup"];
        for (written, expected) in [
            ("wieght", Some("weight")),
            ("wight", Some("weight")),
            ("Weight", Some("weight")),
            ("max-connections", Some("max_connections")),
            ("maxConnections", Some("max_connections")),
            ("prot", Some("port")),
            ("poort", Some("port")),
            ("timeout", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(written, KNOWN), expected, "{written}");
        }
    }
}
