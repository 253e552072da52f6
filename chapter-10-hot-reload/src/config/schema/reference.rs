//! The reference page: every key, made from the declarations.

use std::fmt::Write;

use super::{
    declaration::{Applies, Default, Key, Kind, Section, When},
    format::Format,
    keys,
};
use crate::config::diagnostic::{Code, Severity};

/// The page, in Markdown.
pub fn render() -> String {
    let mut page = Page { text: String::new(), listed: Vec::new() };
    page.text.push_str(HEAD);
    page.section("The full form", &keys::ROOT);
    page.section("The short form", &keys::SHORT);
    page.text.push_str("\n## Diagnostics\n\n| code | severity | meaning |\n|---|---|---|\n");
    for code in Code::ALL {
        let severity = match code.severity() {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        page.line(&format!("| `{code}` | {severity} | {} |", code.meaning()));
    }
    page.text
}

const HEAD: &str = "# Reference of the configuration file

<!-- Generated from the schema: `UPDATE_REFERENCE=1 cargo test -p chapter-10-hot-reload --lib reference` -->

The file is JSON; `//` and `/* */` comments, trailing commas, a byte order mark and CRLF are allowed. It is at most 16 MiB
large and 64 levels deep. Relative paths start at the directory of the file that names them. A feature may be `false` (off)
or `true` (on, with all defaults). Durations have a unit, `us`, `ms`, `s`, `m`, `h` or `d`; sizes have `B`, `KiB`, `MiB` or
`GiB`; rates end with `/s`, `/m` or `/h`. Only the short form has bare numbers for times.

**Change** says what a new value takes and what it applies to: **R** a reload, new requests; **C** a reload, new
connections; **L** a reload, which opens the listener again; **U** an upgrade, which replaces the process.
";

struct Page {
    text: String,
    listed: Vec<&'static str>,
}

impl Page {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// A table of keys, and then one for each section that a key leads to, once.
    fn section(&mut self, title: &str, section: &'static Section) {
        if self.listed.contains(&section.name) {
            return;
        }
        self.listed.push(section.name);
        let level = if self.listed.len() == 1 || title.starts_with("The ") { "##" } else { "###" };
        self.line(&format!("\n{level} {title}\n"));
        self.line("| key | value | default | change | flag | meaning |\n|---|---|---|---|---|---|");
        for key in section.keys {
            let row = row(key);
            self.line(&row);
        }
        for key in section.keys {
            if let Some(inner) = key.kind.section() {
                self.section(&format!("{} (`{}`)", capitalized(inner.name), key.name), inner);
            }
        }
    }
}

fn capitalized(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

fn row(key: &Key) -> String {
    let default = match key.default {
        Default::Required => "required".to_owned(),
        Default::Absent => "—".to_owned(),
        Default::Value(json) => format!("`{json}`"),
        Default::Computed(words) => words.to_owned(),
    };
    let applies = match key.applies {
        Applies::Requests => "R",
        Applies::Connections => "C",
        Applies::Listener => "L",
        Applies::Upgrade => "U",
    };
    let flag = if key.flag.is_empty() { String::new() } else { format!("`{}`", key.flag) };
    let mut meaning = key.doc.to_owned();
    let _ = match key.when {
        When::Always => Ok(()),
        When::Is(other, words) => write!(meaning, " Only if `{other}` is {}.", words.join(" or ")),
        When::Without(other) => write!(meaning, " Not with `{other}`."),
    };
    let cells = [format!("`{}`", key.name), value(&key.kind), default, applies.to_owned(), flag, meaning];
    format!("| {} |", cells.map(|cell| cell.replace('|', "\\|")).join(" | "))
}

/// What a value is, in a few words.
fn value(kind: &Kind) -> String {
    match kind {
        Kind::Bool => "true, false".to_owned(),
        Kind::Integer(min, max) => format!("{min} to {max}"),
        Kind::Number(min, max) => format!("{min} to {max}, with fractions"),
        Kind::OneOfNumbers(numbers) => numbers.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
        Kind::Text(format) => text(format),
        Kind::Choice(words) => words.iter().map(|word| format!("`\"{word}\"`")).collect::<Vec<_>>().join(", "),
        Kind::Reference(namespace) => format!("the name of a {}", namespace.as_str()),
        Kind::File => "the name of a file".to_owned(),
        Kind::Object(section) => section.name.to_owned(),
        Kind::Secret(section) => format!("{}, never a string", section.name),
        Kind::Feature(section) => format!("{}, true or false", section.name),
        Kind::OrFalse(inner) => format!("{} or false", value(inner)),
        Kind::OrNull(inner) => format!("{} or null", value(inner)),
        Kind::TextOrObject(format, section) => format!("`\"{}\"` or {}", format.example, section.name),
        Kind::Named(namespace, _) => format!("{}s by name", namespace.as_str()),
        Kind::Dictionary(format, inner) => format!("{} by {}", value(inner), format.name),
        Kind::ByReference(namespace, inner) => format!("{} by {}", value(inner), namespace.as_str()),
        Kind::List(inner) => format!("an array: {}", value(inner)),
        Kind::OneOrMore(inner) => format!("one or an array: {}", value(inner)),
    }
}

fn text(format: &Format) -> String {
    format!("{}, `\"{}\"`", format.name, format.example)
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::config::schema::json_schema;

    /// Compares a generated file with the one that is checked in, or writes it when `UPDATE_REFERENCE` is set.
    fn assert_is_generated(name: &str, expected: &str) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if std::env::var_os("UPDATE_REFERENCE").is_some() {
            fs::write(&path, expected).unwrap();
        }
        let actual = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            actual == expected,
            "{name} is outdated: run UPDATE_REFERENCE=1 cargo test -p chapter-10-hot-reload --lib reference"
        );
    }

    #[test]
    fn the_reference_page_and_the_json_schema_are_generated_from_the_keys() {
        assert_is_generated("REFERENCE.md", &render());
        assert_is_generated("lb.schema.json", &format!("{:#}\n", json_schema::render()));
    }

    #[test]
    fn every_section_is_on_the_page() {
        fn names(section: &'static Section, found: &mut Vec<&'static str>) {
            if !found.contains(&section.name) {
                found.push(section.name);
                section.keys.iter().filter_map(|key| key.kind.section()).for_each(|inner| names(inner, found));
            }
        }
        let mut found = Vec::new();
        names(&keys::ROOT, &mut found);
        names(&keys::SHORT, &mut found);
        let page = render();
        assert!(found.len() > 25, "{found:?}");
        for name in found.iter().filter(|name| !name.contains("configuration")) {
            assert!(page.contains(&format!("{} (`", capitalized(name))), "{name}");
        }
    }
}
