//! A strict reader of HTTP/1.1 messages, written from RFC 9112 and sharing nothing with the machine's.
//!
//! It reads all that went over one connection in one direction and gives the messages: start line, fields,
//! body, and how each ended. What it would have to guess at is an error.

/// How a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Where its framing says.
    Exact,
    /// With the connection, as it may: a response with neither length nor coding.
    UntilClose,
    /// Before its end.
    Cut,
}

/// A message as it was read; a head that is cut has an empty start line.
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

    fn cut_head(length: usize) -> Self {
        Self { start: Default::default(), fields: Vec::new(), body: Vec::new(), end: End::Cut, length }
    }
}

/// Reads one request at the start of `bytes`; `None` where there is not a byte.
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

/// Reads all the requests that went over a connection.
pub(crate) fn requests(mut bytes: &[u8]) -> Result<Vec<Message>, String> {
    let mut all = Vec::new();
    while let Some(message) = request(bytes)? {
        bytes = &bytes[message.length..];
        all.push(message);
    }
    Ok(all)
}

/// Reads one response, interim or final, to a request with `method`. `fin`: the stream ended in order
/// after `bytes`.
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
        message.end = if fin { End::UntilClose } else { End::Cut };
    }
    Ok(Some(message))
}

/// Reads the interim responses and the final one to one request, and gives them and what follows.
pub(crate) fn answer<'a>(mut bytes: &'a [u8], method: &str, fin: bool) -> Result<(Vec<Message>, &'a [u8]), String> {
    let mut all = Vec::new();
    while let Some(message) = response(bytes, method, fin)? {
        bytes = &bytes[message.length..];
        let interim = message.end == End::Exact && matches!(message.status(), 100..200) && message.status() != 101;
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
    let (body, used, whole) = match framing {
        Framing::Length(length) => {
            let there = length.min(bytes.len());
            (bytes[..there].to_vec(), there, there == length)
        }
        Framing::Chunked => chunked(bytes)?,
    };
    message.body = body;
    message.length += used;
    message.end = if whole { End::Exact } else { End::Cut };
    Ok(())
}

/// Data, bytes used, and whether the last chunk was there. No extension or trailer is ours to write.
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

/// The head at the start of `bytes`, and its length. `None` where there is not a byte.
fn head(bytes: &[u8]) -> Result<Option<(Message, usize)>, String> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let cut = || Ok(Some((Message::cut_head(bytes.len()), bytes.len())));
    let Some(start) = line(bytes)? else { return cut() };
    let mut words = start.splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    let mut word = || words.next().ok_or_else(|| format!("start line {}", show(start)));
    let start_words = [word()?, word()?, word()?];
    let (mut fields, mut at) = (Vec::new(), start.len() + 2);
    loop {
        let Some(line) = line(&bytes[at..])? else { return cut() };
        at += line.len() + 2;
        if line.is_empty() {
            break;
        }
        fields.push(field(line)?);
    }
    Ok(Some((Message { start: start_words, fields, body: Vec::new(), end: End::Exact, length: at }, at)))
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

/// The line at the start of `bytes`, without its CRLF; `None` where it has no end yet.
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
