//! An exercise's section of the chapter's page, or of one of its parts: the only place that describes an exercise.

/// The description of one exercise on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) statement: String,
    pub(crate) hints: [String; 3],
    /// The notes on our solution.
    pub(crate) solution: String,
}

/// Whether the page's text has a section `### 1.2 Title`.
pub(crate) fn describes(text: &str, number: &str) -> bool {
    text.lines().any(|line| line.starts_with(&heading(number)))
}

fn heading(number: &str) -> String {
    format!("### {number} ")
}

/// Parses the section `### 1.2 Title` of the page's text; the error says what is missing.
pub(crate) fn section(text: &str, number: &str) -> Result<Section, String> {
    let heading = heading(number);
    let lines: Vec<_> = text.lines().collect();
    let start = lines.iter().position(|line| line.starts_with(&heading));
    let start = start.ok_or_else(|| format!("no heading '{heading}…' for exercise {number}"))?;
    let body = &lines[start + 1..];
    let end = body.iter().position(|line| line.starts_with("## ") || line.starts_with("### ")).unwrap_or(body.len());
    let body = body[..end].join("\n");

    let folded = |title: &str| {
        let opening = format!("<summary>{title}</summary>");
        let inside = body.split_once(&opening).and_then(|(_, rest)| rest.split_once("</details>"));
        let inside = inside.map(|(inside, _)| inside.trim().to_owned()).filter(|inside| !inside.is_empty());
        inside.ok_or_else(|| format!("exercise {number} has no folded '{title}'"))
    };
    Ok(Section {
        title: lines[start][heading.len()..].to_owned(),
        statement: body.split("<details>").next().unwrap_or_default().trim().to_owned(),
        hints: [folded("Hint 1")?, folded("Hint 2")?, folded("Hint 3")?],
        solution: folded("Solution")?,
    })
}

/// The text for a terminal: links lose their targets, everything else stays as it is.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('[') {
        plain.push_str(before);
        match after.split_once("](").and_then(|(label, tail)| Some((label, tail.split_once(')')?.1))) {
            Some((label, tail)) if !label.contains(['[', '\n']) => {
                plain.push_str(label);
                rest = tail;
            }
            _ => {
                plain.push('[');
                rest = after;
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "## Exercises\n\nAn hour.\n\n### 1.1 Shout (warm-up)\n\nDo [this](src/a.rs).\n\nAnd that.\n\n\
        <details>\n<summary>Hint 1</summary>\n\none\n\n</details>\n\
        <details>\n<summary>Hint 2</summary>\n\ntwo\n\n</details>\n\
        <details>\n<summary>Hint 3</summary>\n\nthree\n\n</details>\n\
        <details>\n<summary>Solution</summary>\n\nours\n\n</details>\n\n### 1.10 Other\n\nx\n\n## Check yourself\n";

    #[test]
    fn a_section_is_read_up_to_the_next_heading() {
        let section = section(PAGE, "1.1").unwrap();
        assert_eq!(section.title, "Shout (warm-up)");
        assert_eq!(section.statement, "Do [this](src/a.rs).\n\nAnd that.");
        assert_eq!(section.hints, ["one", "two", "three"]);
        assert_eq!(section.solution, "ours");
    }

    #[test]
    fn missing_parts_of_a_section_are_reported() {
        assert!(section(PAGE, "1.2").unwrap_err().contains("no heading"));
        assert!(section(PAGE, "1.10").unwrap_err().contains("'Hint 1'"));
        assert!(section(&PAGE.replace("three", ""), "1.1").unwrap_err().contains("'Hint 3'"));
    }

    #[test]
    fn links_become_their_labels() {
        assert_eq!(plain("Do [this](src/a.rs), `a[0]` and [that] (so)."), "Do this, `a[0]` and [that] (so).");
        assert_eq!(plain("[`serve`](a.rs)"), "`serve`");
    }
}
