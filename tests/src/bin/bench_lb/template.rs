//! The peers' configuration files, from one template each: places to fill in, and optional sections.

use std::path::Path;

/// Which forwarding headers a peer adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Headers {
    /// X-Forwarded-For, and what the peer adds by itself: what a user writes to balance.
    Lean,
    /// Those of our own programs. A random request id alone costs several microseconds.
    Equal,
}

impl Headers {
    /// The section of the templates that is for these headers only.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Lean => "lean",
            Self::Equal => "equal",
        }
    }
}

/// What is filled in.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    /// The optional sections that the file has.
    pub(crate) sections: &'a [&'a str],
    /// A line each.
    pub(crate) backends: &'a [String],
    /// The same for the group that routes lead to.
    pub(crate) routed: &'a [String],
    pub(crate) port: u16,
    pub(crate) workers: &'a str,
    pub(crate) max_clients: usize,
    /// The algorithm, in the peer's words.
    pub(crate) balance: &'a str,
    pub(crate) directory: &'a Path,
}

/// The template with its places filled in. Lines from `# only NAME:` to `# end` are for files with that section.
pub(crate) fn fill(template: &str, places: &Places<'_>) -> String {
    let mut text = String::new();
    let mut skipped = false;
    for line in template.lines() {
        let trimmed = line.trim_start();
        if let Some(section) = trimmed.strip_prefix("# only ").and_then(|rest| rest.strip_suffix(':')) {
            skipped = !places.sections.contains(&section);
        } else if trimmed == "# end" {
            skipped = false;
        } else if !skipped {
            // A comment line that names the place must stay a comment.
            let is_comment = trimmed.starts_with('#');
            let indented = format!("\n{}", &line[..line.len() - trimmed.len()]);
            let lines = |name: &str, lines: &[String]| if is_comment { name.to_owned() } else { lines.join(&indented) };
            let line = line.replace("@BACKENDS@", &lines("BACKENDS", places.backends));
            text.push_str(&line.replace("@ROUTED@", &lines("ROUTED", places.routed)));
            text.push('\n');
        }
    }
    text.replace("@PORT@", &places.port.to_string())
        .replace("@WORKERS@", places.workers)
        .replace("@CLIENTS@", &places.max_clients.to_string())
        .replace("@BALANCE@", places.balance)
        .replace("@DIR@", &places.directory.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::{Peer, templates};

    fn filled(template: &str, headers: Headers) -> String {
        filled_with(template, &[headers.section()])
    }

    fn filled_with(template: &str, sections: &[&str]) -> String {
        let places = Places {
            sections,
            backends: &["server a;".to_owned(), "server b;".to_owned()],
            routed: &["server c;".to_owned()],
            port: 80,
            workers: "2",
            max_clients: 9,
            balance: "roundrobin",
            directory: Path::new("/d"),
        };
        fill(template, &places)
    }

    #[test]
    fn template_is_filled_and_its_comments_stay_comments() {
        let template = "# @BACKENDS@ and @PORT@\nlisten @PORT@ @WORKERS@ @DIR@/x;\n  @BACKENDS@\n";
        let expected = "# BACKENDS and 80\nlisten 80 2 /d/x;\n  server a;\n  server b;\n";
        assert_eq!(filled(template, Headers::Lean), expected);
    }

    #[test]
    fn sections_are_left_out_unless_they_are_named() {
        let template = "a\n  # only equal:\n  b\n  # end\n# only lean:\nc\n# end\nd\n";
        assert_eq!(filled(template, Headers::Lean), "a\nc\nd\n");
        assert_eq!(filled(template, Headers::Equal), "a\n  b\nd\n");
        assert_eq!(filled_with(template, &["lean", "equal"]), "a\n  b\nc\nd\n");
    }

    #[test]
    fn haproxy_checks_and_routes_only_when_it_is_to() {
        let template = std::fs::read_to_string(templates().join("haproxy.cfg")).unwrap();
        let plain = filled(&template, Headers::Lean);
        assert!(
            !plain.contains("inter 2s")
                && !plain.contains("fd-ratio")
                && !plain.contains("routes.map")
                && !plain.contains("server c;"),
            "{plain}"
        );
        let all = filled_with(&template, &["lean", "pool", "checks", "routes"]);
        for expected in ["check inter 2s", "map_beg(/d/routes.map,backends)", "backend routed\n", "    server c;\n"] {
            assert!(all.contains(expected), "{all}");
        }
        assert_eq!(all.matches("balance roundrobin").count(), 2, "{all}");
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
