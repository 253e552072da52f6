//! A strict parser of HTTP/1.1 messages, written from RFC 9112. It shares no code with `common::http`.
//!
//! It parses the bytes of one direction of a connection into messages: start line, headers, body, and how each message
//! ended. Ambiguous input is an error.

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// At the end that its framing declares.
    Complete,
    /// With the connection: a response that has neither Content-Length nor Transfer-Encoding.
    UntilClose,
    /// Before its end: the message is incomplete.
    Truncated,
}

/// A parsed message; a truncated head has an empty start line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) start: [Vec<u8>; 3],
    pub(crate) fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
    /// Bytes of head and framed body.
    pub(crate) length: usize,
}

impl Message {
    pub(crate) fn status(&self) -> u16 {
        std::str::from_utf8(&self.start[1]).ok().and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn has_head(&self) -> bool {
        !self.start[0].is_empty()
    }

    pub(crate) fn values(&self, name: &str) -> Vec<&[u8]> {
        let wanted = |field: &&(Vec<u8>, Vec<u8>)| field.0.eq_ignore_ascii_case(name.as_bytes());
        self.fields.iter().filter(wanted).map(|field| field.1.as_slice()).collect()
    }

    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.values(name).iter().any(|got| got.eq_ignore_ascii_case(value.as_bytes()))
    }

    fn truncated_head(length: usize) -> Self {
        Self { start: Default::default(), fields: Vec::new(), body: Vec::new(), end: End::Truncated, length }
    }
}

/// Parses one request at the start of `bytes`; `None` if there is no byte.
pub(crate) fn request(bytes: &[u8]) -> Result<Option<Message>, String> {
    let Some((mut message, head)) = head(bytes)? else { return Ok(None) };
    if !message.has_head() {
        return Ok(Some(message));
    }
    let [method, target, version] = &message.start;
    if !is_token(method) {
        return Err(format!("method {}", show(method)));
    }
    if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(format!("target {}", show(target)));
    }
    if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
        return Err(format!("version {}", show(version)));
    }
    if message.values("host").len() != 1 {
        return Err("not one Host".into());
    }
    let framing = framing(&message)?.unwrap_or(Framing::Length(0));
    read_body(&mut message, framing, &bytes[head..])?;
    Ok(Some(message))
}

/// Parses all requests of a connection.
pub(crate) fn requests(mut bytes: &[u8]) -> Result<Vec<Message>, String> {
    let mut all = Vec::new();
    while let Some(message) = request(bytes)? {
        bytes = &bytes[message.length..];
        all.push(message);
    }
    Ok(all)
}

/// Parses one response, interim or final, to a request with `method`. `fin`: the stream ended with a FIN after `bytes`.
pub(crate) fn response(bytes: &[u8], method: &str, fin: bool) -> Result<Option<Message>, String> {
    let Some((mut message, head)) = head(bytes)? else { return Ok(None) };
    if !message.has_head() {
        return Ok(Some(message));
    }
    let [version, status, reason] = &message.start;
    if version != b"HTTP/1.1" && version != b"HTTP/1.0" {
        return Err(format!("version {}", show(version)));
    }
    if status.len() != 3 || !status.iter().all(u8::is_ascii_digit) || !(100..600).contains(&message.status()) {
        return Err(format!("status {}", show(status)));
    }
    if !reason.iter().all(|byte| is_value_byte(*byte)) {
        return Err(format!("reason {}", show(reason)));
    }
    let status = message.status();
    let framing = framing(&message)?;
    if matches!(status, 100..200 | 204) {
        if framing.is_some() {
            return Err(format!("a {status} with framing (RFC 9112 §6.1, RFC 9110 §8.6)"));
        }
        return Ok(Some(message));
    }
    if method == "HEAD" || status == 304 {
        return Ok(Some(message));
    }
    if let Some(framing) = framing {
        read_body(&mut message, framing, &bytes[head..])?;
    } else {
        message.body = bytes[head..].to_vec();
        message.length = bytes.len();
        message.end = if fin { End::UntilClose } else { End::Truncated };
    }
    Ok(Some(message))
}

/// Parses the interim responses and the final response to one request; returns them and the bytes after them.
pub(crate) fn responses<'a>(mut bytes: &'a [u8], method: &str, fin: bool) -> Result<(Vec<Message>, &'a [u8]), String> {
    let mut all = Vec::new();
    while let Some(message) = response(bytes, method, fin)? {
        bytes = &bytes[message.length..];
        let interim = message.end == End::Complete && matches!(message.status(), 100..200) && message.status() != 101;
        all.push(message);
        if !interim {
            break;
        }
    }
    Ok((all, bytes))
}

#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

fn framing(message: &Message) -> Result<Option<Framing>, String> {
    match (message.values("content-length").as_slice(), message.values("transfer-encoding").as_slice()) {
        ([], []) => Ok(None),
        ([length], []) if !length.is_empty() && length.iter().all(u8::is_ascii_digit) => {
            let length = std::str::from_utf8(length).ok().and_then(|text| text.parse().ok());
            Ok(Some(Framing::Length(length.ok_or("length out of range")?)))
        }
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Some(Framing::Chunked)),
        (lengths, codings) => Err(format!("framing: {} lengths, {} codings", lengths.len(), codings.len())),
    }
}

fn read_body(message: &mut Message, framing: Framing, bytes: &[u8]) -> Result<(), String> {
    let (body, used, complete) = match framing {
        Framing::Length(length) => {
            let there = length.min(bytes.len());
            (bytes[..there].to_vec(), there, there == length)
        }
        Framing::Chunked => chunked(bytes)?,
    };
    message.body = body;
    message.length += used;
    message.end = if complete { End::Complete } else { End::Truncated };
    Ok(())
}

/// The data, the bytes used, and whether the last chunk was received. Extensions and trailers are errors, because the
/// relay forwards none.
fn chunked(bytes: &[u8]) -> Result<(Vec<u8>, usize, bool), String> {
    let (mut data, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line(&bytes[at..])? else { return Ok((data, bytes.len(), false)) };
        let text = std::str::from_utf8(line).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let size = text.and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.ok_or_else(|| format!("chunk size {}", show(line)))?;
        at += line.len() + 2;
        let there = size.min(bytes.len() - at);
        data.extend_from_slice(&bytes[at..at + there]);
        at += there;
        let ending = &bytes[at..bytes.len().min(at + 2)];
        if !b"\r\n".starts_with(ending) {
            return Err(format!("after a chunk: {}", show(ending)));
        }
        at += ending.len();
        if there < size || ending.len() < 2 {
            return Ok((data, at, false));
        }
        if size == 0 {
            return Ok((data, at, true));
        }
    }
}

/// The head at the start of `bytes`, and its length. `None` if there is no byte.
fn head(bytes: &[u8]) -> Result<Option<(Message, usize)>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let truncated = || Ok(Some((Message::truncated_head(bytes.len()), bytes.len())));
    let Some(start) = line(bytes)? else { return truncated() };
    let mut words = start.splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    let mut word = || words.next().ok_or_else(|| format!("start line {}", show(start)));
    let start_words = [word()?, word()?, word()?];
    let (mut fields, mut at) = (Vec::new(), start.len() + 2);
    loop {
        let Some(line) = line(&bytes[at..])? else { return truncated() };
        at += line.len() + 2;
        if line.is_empty() {
            break;
        }
        fields.push(field(line)?);
    }
    Ok(Some((Message { start: start_words, fields, body: Vec::new(), end: End::Complete, length: at }, at)))
}

fn field(line: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    let bad = || format!("field line {}", show(line));
    let colon = line.iter().position(|byte| *byte == b':').ok_or_else(bad)?;
    let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
    if is_token(name) && value.iter().all(|byte| is_value_byte(*byte)) {
        Ok((name.to_vec(), value.to_vec()))
    } else {
        Err(bad())
    }
}

/// The line at the start of `bytes`, without its CRLF; `None` if its end has not arrived.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else { return Ok(None) };
    match &bytes[end..] {
        [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some(&bytes[..end])),
        _ => Err(format!("line ending after {}", show(&bytes[..end]))),
    }
}

pub(crate) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

pub(crate) fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

pub(crate) fn show(bytes: &[u8]) -> String {
    let text = bytes.escape_ascii().to_string();
    if text.len() > 400 { format!("{} … ({} bytes)", &text[..400], bytes.len()) } else { text }
}
