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

/// What a peer balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    /// Connections.
    Tcp,
    /// Requests.
    Http,
    /// Datagrams.
    Udp,
    /// Nothing: it serves files.
    Files,
}

impl Layer {
    /// The section of the templates that is for this layer only.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http => "http",
            Self::Udp => "udp",
            Self::Files => "files",
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

/// The template with its places filled in. Lines from `# only NAME:` to its `# end` are for files with that section;
/// sections nest.
pub(crate) fn fill(template: &str, places: &Places<'_>) -> String {
    let mut text = String::new();
    // For each open section, whether its lines are omitted.
    let mut open = Vec::new();
    for line in template.lines() {
        let trimmed = line.trim_start();
        if let Some(section) = trimmed.strip_prefix("# only ").and_then(|rest| rest.strip_suffix(':')) {
            open.push(!places.sections.contains(&section));
        } else if trimmed == "# end" {
            open.pop();
        } else if !open.contains(&true) {
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
        filled_with(template, &[headers.section(), "http"])
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
        let nested = "# only http:\na\n  # only equal:\n  b\n  # end\nc\n# end\nd\n";
        assert_eq!(filled_with(nested, &["http"]), "a\nc\nd\n");
        assert_eq!(filled_with(nested, &["equal"]), "d\n");
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
        let all = filled_with(&template, &["lean", "http", "pool", "checks", "routes"]);
        for expected in ["check inter 2s", "map_beg(/d/routes.map,backends)", "backend routed\n", "    server c;\n"] {
            assert!(all.contains(expected), "{all}");
        }
        assert_eq!(all.matches("balance roundrobin").count(), 2, "{all}");
    }

    #[test]
    fn connections_are_balanced_without_a_word_of_http() {
        for (peer, mode) in [(Peer::HaProxy, "mode tcp"), (Peer::Nginx, "stream {")] {
            let template = std::fs::read_to_string(templates().join(peer.template().unwrap())).unwrap();
            let lines = |sections: &[&str]| -> String {
                let filled = filled_with(&template, sections);
                filled
                    .lines()
                    .filter(|line| !line.trim_start().starts_with('#'))
                    .map(|line| line.to_owned() + "\n")
                    .collect()
            };
            let (tcp, http) = (lines(&["lean", "tcp"]), lines(&["lean", "http"]));
            assert!(tcp.contains(mode) && !tcp.contains("http") && !tcp.contains("splice"), "{tcp}");
            assert!(http.contains("http") && !http.contains(mode), "{http}");
            let splicing = lines(&["lean", "tcp", "splice"]);
            assert_eq!(splicing.contains("option splice-auto"), peer == Peer::HaProxy, "{splicing}");
        }
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
