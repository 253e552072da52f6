//! What texts for operators refer to: panels of the dashboard, and flags of the balancer.

/// The names in quotes: panels, by this chapter's convention.
pub(super) fn named_panels(text: &str) -> impl Iterator<Item = &str> {
    text.split('"').skip(1).step_by(2)
}

/// The flags that `help` does not list.
pub(super) fn unknown_flags<'a>(text: &'a str, help: &str) -> impl Iterator<Item = &'a str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words.filter(|word| word.starts_with("--") && !help.split_whitespace().any(|known| known == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_and_flags_are_found_in_a_text() {
        let text = "See \"Rate\" and \"Idle connections\": --queue, or `--queues=3` (a well-known one).";
        assert!(named_panels(text).eq(["Rate", "Idle connections"]));
        assert!(unknown_flags(text, "  --queue <N>\n").eq(["--queues"]));
    }
}
