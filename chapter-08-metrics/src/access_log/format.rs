//! The format of a line: JSON, common, combined, or a template of your own.
//!
//! All of them are literal text with fields between it. JSON is for programs: `jq`, and what collects logs. Common and
//! combined are what every log analyser reads (Apache and nginx write them); they have no place for phases and ends.

use std::str::FromStr;

use super::{
    entry::Entry,
    field::{Field, Style},
};

/// How a request becomes a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat {
    pieces: Vec<Piece>,
    style: Style,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<[u8]>),
    Field(Field),
}

/// Nobody is authenticated here, so the third word, the user, is `-`. `ident`, the second, is so everywhere.
const COMMON: &str = r#"{client} - - [{clf_time}] "{request_line}" {status} {bytes_sent}"#;
const COMBINED: &str =
    concat!(r#"{client} - - [{clf_time}] "{request_line}" {status} {bytes_sent}"#, r#" "{referer}" "{user_agent}""#);

impl LogFormat {
    /// One JSON object per line.
    pub fn json() -> Self {
        let mut pieces = Vec::new();
        for field in Field::of_json() {
            let before = if pieces.is_empty() { '{' } else { ',' };
            pieces.push(literal(&format!("{before}\"{}\":", field.name())));
            pieces.push(Piece::Field(*field));
        }
        pieces.push(literal("}"));
        Self { pieces, style: Style::Json }
    }

    /// A template: text with `{field}` in it; `{{` and `}}` are braces.
    ///
    /// # Errors
    /// It has no field, an unknown one, a brace without its partner, or a line end.
    pub fn template(text: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("a template is one line, without control characters".to_owned());
        }
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(brace) = rest.find(['{', '}']) {
            plain.push_str(&rest[..brace]);
            rest = &rest[brace..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                plain.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let field = rest.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = field else {
                return Err(format!("`{rest}`: a brace without its partner; a brace itself is {{{{ or }}}}"));
            };
            pieces.extend((!plain.is_empty()).then(|| literal(&std::mem::take(&mut plain))));
            pieces.push(Piece::Field(Field::from_name(name).ok_or_else(|| unknown_field(name))?));
            rest = after;
        }
        plain.push_str(rest);
        if pieces.is_empty() {
            return Err(format!(
                "`{text}` is none of json, common, combined, and no template: it has no field, such as {{status}}"
            ));
        }
        pieces.extend((!plain.is_empty()).then(|| literal(&plain)));
        Ok(Self { pieces, style: Style::Text })
    }

    /// Whether a line has this field; one that is not there need not be kept of a request.
    pub fn has(&self, field: Field) -> bool {
        self.pieces.contains(&Piece::Field(field))
    }

    /// Appends the line, without its end.
    pub fn write(&self, out: &mut Vec<u8>, entry: &Entry<'_>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Field(field) => field.write(self.style, out, entry),
            }
        }
    }
}

fn literal(text: &str) -> Piece {
    Piece::Literal(text.as_bytes().into())
}

fn unknown_field(name: &str) -> String {
    let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
    format!("unknown field `{name}`; known are {}", names.join(", "))
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "json" => Ok(Self::json()),
            "common" => Self::template(COMMON),
            "combined" => Self::template(COMBINED),
            template => Self::template(template),
        }
    }
}
