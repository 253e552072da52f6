//! The format of a line: JSON, common, combined, or a template of your own.
//!
//! All of them are literal text with fields between it. JSON is for programs: `jq`, and what collects logs. Common and
//! combined are what every log analyser reads (Apache and nginx write them); they have no place for phases and ends.

use std::str::FromStr;

use super::{log_field::LogField, style::Style};

/// How a line is written that has fields `F`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFormat<F> {
    pieces: Vec<Piece<F>>,
    style: Style,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece<F> {
    Literal(Box<[u8]>),
    Field(F),
}

impl<F: LogField> LogFormat<F> {
    /// One JSON object per line.
    pub fn json() -> Self {
        let (mut pieces, mut between) = (Vec::new(), "{".to_owned());
        for (field, name) in &F::ALL[..F::JSON_FIELDS] {
            let quote = if field.is_text() { "\"" } else { "" };
            pieces.push(literal(&format!("{between}\"{name}\":{quote}")));
            pieces.push(Piece::Field(*field));
            between = format!("{quote},");
        }
        pieces.push(literal(&between.replace(',', "}")));
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
            let known = F::ALL.iter().find(|(_, known)| *known == name);
            pieces.push(Piece::Field(known.ok_or_else(|| unknown_field::<F>(name))?.0));
            rest = after;
        }
        plain.push_str(rest);
        if pieces.is_empty() {
            return Err(no_format::<F>(text));
        }
        pieces.extend((!plain.is_empty()).then(|| literal(&plain)));
        Ok(Self { pieces, style: Style::Text })
    }

    /// Whether a line has this field; one that is not there need not be kept of a request.
    pub fn has(&self, field: F) -> bool {
        self.pieces.contains(&Piece::Field(field))
    }

    /// Appends the line, without its end.
    pub fn write(&self, out: &mut Vec<u8>, entry: &F::Entry<'_>) {
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text),
                Piece::Field(field) => field.write(self.style, out, entry),
            }
        }
    }
}

fn literal<F>(text: &str) -> Piece<F> {
    Piece::Literal(text.as_bytes().into())
}

fn unknown_field<F: LogField>(name: &str) -> String {
    let names: Vec<_> = F::ALL.iter().map(|(_, name)| *name).collect();
    format!("unknown field `{name}`; known are {}", names.join(", "))
}

fn no_format<F: LogField>(text: &str) -> String {
    let names: Vec<_> = std::iter::once("json").chain(F::TEMPLATES.iter().map(|(name, _)| *name)).collect();
    format!("`{text}` is none of {}, and no template: it has no field, such as {{end}}", names.join(", "))
}

impl<F: LogField> FromStr for LogFormat<F> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = F::TEMPLATES.iter().find(|(name, _)| *name == text);
        match named {
            _ if text == "json" => Ok(Self::json()),
            Some((_, template)) => Self::template(template),
            None => Self::template(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{IpAddr, Ipv4Addr, Ipv6Addr},
        time::{Duration, SystemTime},
    };

    use common::{
        clock::now,
        http::{Exchange, Head, Method, PhaseTimes},
    };
    use connection_pooling::{ClientBytes, RequestInfo};

    use super::*;
    use crate::{
        access_log::{
            entry::Entry,
            field::Field,
            request_text::{Capture, RequestText},
            timestamp::LogClock,
        },
        end::End,
    };

    const EXCHANGE: Exchange = Exchange {
        method: Some(Method::Get),
        status: 200,
        backend: None,
        group: None,
        route: None,
        reused: true,
        retries: 0,
        local_reply: false,
        has_response: true,
        bytes_from_client: 0,
        bytes_from_backend: 0,
        times: PhaseTimes {
            queued: Some(Duration::from_nanos(1_999)),
            connected: Some(Duration::from_micros(10_500)),
            first_byte: Some(Duration::from_micros(2_010_505)),
            total: Duration::from_millis(2_011),
        },
        failure: None,
        end_reason: "done",
    };

    fn text(head: &str) -> RequestText {
        let bytes = [head, "\r\n\r\n"].concat().into_bytes();
        let mut parsed = Head::new();
        assert_eq!(parsed.read_request(&bytes, &mut 0), Ok(Some(bytes.len())));
        let mut request = RequestInfo::new(parsed.view(&bytes), Ipv6Addr::LOCALHOST.into());
        request.set_request_id(0xABC, false);
        let mut text = RequestText::default();
        text.capture(&request, Capture { referer: true, redact_query: false });
        text
    }

    fn line(format: &str, text: &RequestText, exchange: &Exchange) -> String {
        let at = now();
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_796_055_659_007);
        let entry = Entry {
            text,
            exchange,
            time: LogClock::default().timestamp(at, at, || wall),
            peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 10)),
            route: "api",
            group: "web",
            backend: "10.0.0.1:80",
            limit: "",
            attempts: 2,
            connect: None,
            client_bytes: ClientBytes { received: 90, sent: 1_234_567 },
            end: End::Done,
        };
        let mut out = Vec::new();
        format.parse::<LogFormat<Field>>().unwrap().write(&mut out, &entry);
        String::from_utf8(out).unwrap()
    }

    const HEAD: &str = "GET /a?b=\"c HTTP/1.1\r\nHost: A.example:80\r\nUser-Agent: x\"\\\te\r\nReferer: http://r/";

    #[test]
    fn json_has_all_fields_and_null_for_what_is_not_known() {
        let line = line("json", &text(HEAD), &EXCHANGE);
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        let names: Vec<_> = Field::ALL[..Field::JSON_FIELDS].iter().map(|(_, name)| *name).collect();
        assert_eq!(json.as_object().unwrap().len(), names.len());
        assert!(names.iter().all(|name| json.get(name).is_some()), "{line}");
        let expected = serde_json::json!({
            "time": "2026-11-30T16:20:59.007Z", "client": "::1", "peer": "192.0.2.10", "method": "GET",
            "host": "a.example", "path": "/a", "query": "b=\"c", "status": 200,
            "request_id": "00000000000000000000000000000abc", "user_agent": "x\"\\\te", "route": "api",
            "group": "web", "backend": "10.0.0.1:80", "attempts": 2, "reused": true, "limit": "",
            "queue_ms": 0.001, "connect_ms": null, "first_byte_ms": 2_000.005, "total_ms": 2_011.0,
            "bytes_received": 90, "bytes_sent": 1_234_567, "end": "done", "detail": "",
        });
        assert_eq!(json, expected);
        assert!(
            line.starts_with(r#"{"time":""#) && line.ends_with(r#","end":"done","detail":""}"#),
            "in a fixed order: {line}"
        );
    }

    #[test]
    fn common_and_combined_are_those_of_other_servers() {
        let common = r#"::1 - - [30/Nov/2026:16:20:59 +0000] "GET /a?b=\x22c HTTP/1.1" 200 1234567"#;
        assert_eq!(line("common", &text(HEAD), &EXCHANGE), common);
        let combined = [common, r#" "http://r/" "x\x22\x5C\x09e""#].concat();
        assert_eq!(line("combined", &text(HEAD), &EXCHANGE), combined);
        let invalid = Exchange { method: None, status: 400, ..EXCHANGE };
        let combined = r#"192.0.2.10 - - [30/Nov/2026:16:20:59 +0000] "-" 400 1234567 "-" "-""#;
        assert_eq!(line("combined", &RequestText::default(), &invalid), combined);
    }

    #[test]
    fn a_template_is_text_with_fields_in_it() {
        let template = "{{{status}}} {connect_ms}|{limit}|{total_ms} é {protocol} {reused}";
        assert_eq!(line(template, &text(HEAD), &EXCHANGE), "{200} -|-|2011.000 é HTTP/1.1 true");
        for (template, reason) in [
            ("", "no field"),
            ("jsn", "none of json, common, combined"),
            ("{{status}}", "no field"),
            ("{status", "without its partner"),
            ("status}", "without its partner"),
            ("{status} {nope}", "unknown field `nope`; known are time, client"),
            ("{}", "unknown field ``"),
            ("{status}\n{end}", "one line"),
        ] {
            let error = template.parse::<LogFormat<Field>>().unwrap_err();
            assert!(error.contains(reason) && !error.contains('\n'), "{template}: {error}");
        }
    }

    #[test]
    fn every_field_can_be_written_and_the_page_explains_each() {
        let page = include_str!("../../parts/2-access-log.md");
        for (_, name) in Field::ALL {
            let template = format!("{{{name}}}");
            assert!(!line(&template, &text(HEAD), &EXCHANGE).is_empty());
            assert!(!line(&template, &RequestText::default(), &EXCHANGE).is_empty(), "{template} of an invalid head");
            let row = format!("| `{name}` |");
            assert!(page.contains(&row), "the page has no row for {template}");
        }
    }
}
