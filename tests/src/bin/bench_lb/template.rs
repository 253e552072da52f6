//! The peers' configuration files, from one template each: places to fill in, and sections of one [`Headers`] only.

use std::path::Path;

/// Which forwarding headers a peer adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    /// X-Forwarded-For, and what the peer adds by itself: what a user writes to balance.
    Lean,
    /// Those of our own programs. A random request id alone costs several microseconds.
    Equal,
}

/// What is filled in.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    /// A line each.
    pub(crate) backends: &'a [String],
    pub(crate) port: u16,
    pub(crate) workers: &'a str,
    pub(crate) directory: &'a Path,
}

/// The template with its places filled in. Lines from `# only lean:` or `# only equal:` to `# end` are for those
/// headers only.
pub(crate) fn fill(template: &str, headers: Headers, places: &Places<'_>) -> String {
    let mut text = String::new();
    let mut only = None;
    for line in template.lines() {
        match line.trim_start() {
            "# only lean:" => only = Some(Headers::Lean),
            "# only equal:" => only = Some(Headers::Equal),
            "# end" => only = None,
            _ if only.is_some_and(|only| only != headers) => {}
            trimmed => {
                // A comment line that names the place must stay a comment.
                let is_comment = trimmed.starts_with('#');
                let indented = format!("\n{}", &line[..line.len() - trimmed.len()]);
                let backends = if is_comment { "BACKENDS" } else { &places.backends.join(&indented) };
                text.push_str(&line.replace("@BACKENDS@", backends));
                text.push('\n');
            }
        }
    }
    text.replace("@PORT@", &places.port.to_string())
        .replace("@WORKERS@", places.workers)
        .replace("@DIR@", &places.directory.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{Peer, templates};

    fn filled(template: &str, headers: Headers) -> String {
        let backends = ["server a;".to_owned(), "server b;".to_owned()];
        fill(template, headers, &Places { backends: &backends, port: 80, workers: "2", directory: Path::new("/d") })
    }

    #[test]
    fn template_is_filled_and_its_comments_stay_comments() {
        let template = "# @BACKENDS@ and @PORT@\nlisten @PORT@ @WORKERS@ @DIR@/x;\n  @BACKENDS@\n";
        let expected = "# BACKENDS and 80\nlisten 80 2 /d/x;\n  server a;\n  server b;\n";
        assert_eq!(filled(template, Headers::Lean), expected);
    }

    #[test]
    fn sections_are_for_their_headers_only() {
        let template = "a\n  # only equal:\n  b\n  # end\n# only lean:\nc\n# end\nd\n";
        assert_eq!(filled(template, Headers::Lean), "a\nc\nd\n");
        assert_eq!(filled(template, Headers::Equal), "a\n  b\nd\n");
    }

    #[test]
    fn only_the_equal_configurations_make_a_request_id() {
        for peer in Peer::ALL {
            let Some(name) = peer.template() else { continue };
            let template = std::fs::read_to_string(templates().join(name)).unwrap();
            let (lean, equal) = (filled(&template, Headers::Lean), filled(&template, Headers::Equal));
            assert!(!lean.contains('@') || peer == Peer::Envoy, "{lean}");
            assert!(!lean.contains("X-Request-ID") && !lean.contains("# only"), "{lean}");
            let has_equal = peer.configurations().contains(&Headers::Equal);
            assert_eq!((equal != lean, equal.contains("Via")), (has_equal, has_equal), "{name}");
        }
    }
}
