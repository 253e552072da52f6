//! The head of a request or a response, parsed and validated.
//!
//! A [`Head`] holds offsets, not bytes: the bytes stay in the caller's buffer, and a [`HeadView`] joins the two for the
//! duration of a synchronous call. One `Head` per worker or thread is enough; it is reused for every message without
//! allocating. `httparse` tokenises. What it does not check is checked elsewhere: line endings in `head_end`, framing
//! in `message_info`, targets in `request_target`, and Host here.

use std::mem::MaybeUninit;

use super::{
    field_name::{self, KnownField},
    head_end::{self, Span},
    message_info::MessageInfo,
    request_target::{self, ProxyRole, TargetForm},
};
use crate::http::{
    exchange::{Method, Version},
    protocol_error::ProtocolError,
};

/// Maximum number of headers in a head.
pub const MAX_FIELDS: usize = 100;

#[derive(Debug, Clone, Copy)]
struct Field {
    name: Span,
    value: Span,
    known: KnownField,
    /// Named by `Connection`: not forwarded.
    hop_by_hop: bool,
}

/// A header of a head.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FieldView<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) known: KnownField,
    /// Its whole line as it was received, if that is `name: value` and CRLF, with no other whitespace.
    pub(crate) canonical_line: Option<&'a [u8]>,
}

impl Field {
    /// See [`FieldView::canonical_line`]. An empty value has no position, so its line is never canonical.
    fn canonical_line(self, bytes: &[u8]) -> Option<&[u8]> {
        let (start, name_end) = (usize::from(self.name.start), usize::from(self.name.end));
        let (value_start, value_end) = (usize::from(self.value.start), usize::from(self.value.end));
        let is_canonical = value_start == name_end + 2
            && bytes[name_end..value_start] == *b": "
            && bytes.get(value_end..value_end + 2) == Some(b"\r\n");
        is_canonical.then(|| &bytes[start..value_end + 2])
    }
}

/// A parsed head: offsets into the buffer that it was read from.
#[derive(Debug)]
pub struct Head {
    role: ProxyRole,
    method: Span,
    target: Span,
    authority: Span,
    version: Version,
    status: u16,
    reason_phrase: Span,
    fields: Vec<Field>,
    info: MessageInfo,
}

impl Default for Head {
    fn default() -> Self {
        Self::new()
    }
}

impl Head {
    /// A head with capacity for [`MAX_FIELDS`] headers (1,000 bytes), so that parsing never allocates.
    pub fn new() -> Self {
        Self {
            role: ProxyRole::Reverse,
            method: Span::default(),
            target: Span::default(),
            authority: Span::default(),
            version: Version::default(),
            status: 0,
            reason_phrase: Span::default(),
            fields: Vec::with_capacity(MAX_FIELDS),
            info: MessageInfo::default(),
        }
    }

    /// As [`new`](Self::new), for a proxy of this role.
    pub fn with_role(role: ProxyRole) -> Self {
        Self { role, ..Self::new() }
    }

    /// Parses a request head at the start of `bytes`: `Ok(Some(length))` if it is complete, `Ok(None)` if more bytes
    /// are needed. `scanned` is the caller's state between two calls with a longer `bytes` (0 for a new head), so that
    /// a head that arrives slowly costs no more than one that arrives at once. Errors are reported as early as
    /// possible.
    pub fn read_request(&mut self, bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, ProtocolError> {
        // RFC 9112 §2.2: one empty line before a request is ignored.
        let start = match bytes {
            [] | b"\r" => return Ok(None),
            [b'\r', b'\n', ..] => 2,
            _ => 0,
        };
        if bytes.get(start).is_some_and(|first| !field_name::TCHAR.contains(*first)) {
            return Err(ProtocolError::StartLine);
        }
        // Most heads arrive complete, and the parser finds their end. Searching for the end first and then parsing cost
        // 3 % of the instructions of a request. A parse error may only mean that the head is incomplete.
        if *scanned == 0
            && let Ok(Some(end)) = self.parse_request(head_end::truncate_to_limit(bytes), start)
        {
            return Ok(Some(end));
        }
        let Some(end) = head_end::find_head_end(bytes, start, scanned)? else { return Ok(None) };
        self.parse_request(&bytes[..end], start)?.map(Some).ok_or(ProtocolError::StartLine)
    }

    /// As [`read_request`](Self::read_request), for a response. Whether a body follows also depends on the request; the
    /// caller decides that. It is a function of its own, so that the relay can own the head of its response.
    pub fn read_response(&mut self, bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, ProtocolError> {
        const START: &[u8] = b"HTTP/1.";
        let known = bytes.len().min(START.len());
        if bytes[..known] != START[..known] {
            return Err(ProtocolError::StartLine);
        }
        if *scanned == 0
            && let Ok(Some(end)) = self.parse_response(head_end::truncate_to_limit(bytes))
        {
            return Ok(Some(end));
        }
        let Some(end) = head_end::find_head_end(bytes, 0, scanned)? else { return Ok(None) };
        self.parse_response(&bytes[..end])?.map(Some).ok_or(ProtocolError::StartLine)
    }

    /// Joins the offsets with the bytes they were parsed from (the same slice, or one with the same prefix).
    pub fn view<'a>(&'a self, bytes: &'a [u8]) -> HeadView<'a> {
        HeadView { head: self, bytes, target: None }
    }

    /// Parses a request head at the start of `bytes`. Returns where it ends, or `None` if it is incomplete.
    fn parse_request(&mut self, bytes: &[u8], start: usize) -> Result<Option<usize>, ProtocolError> {
        let mut header_slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut []);
        let parsed = request.parse_with_uninit_headers(&bytes[start..], &mut header_slots);
        let Some(length) = head_end::map_parse_result(parsed, &bytes[start..])? else { return Ok(None) };
        let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
            return Err(ProtocolError::StartLine);
        };
        self.method = Span::locate(method.as_bytes(), bytes);
        self.version = version(minor);
        self.set_fields(request.headers, bytes);
        let form = request_target::parse_target(self.role, method.as_bytes(), target.as_bytes())?;
        self.set_target(form, Span::locate(target.as_bytes(), bytes));
        self.read_message_info(bytes)?;
        self.check_host(form, bytes)?;
        if method == "CONNECT" && self.info.framing.has_body() {
            return Err(ProtocolError::ConnectWithBody);
        }
        Ok(Some(start + length))
    }

    /// The same for a response head. Blanks before a colon are removed from responses (RFC 9112 §5.1): `Content-Length :`
    /// is a length. In requests they are an error.
    fn parse_response(&mut self, bytes: &[u8]) -> Result<Option<usize>, ProtocolError> {
        let mut header_slots = [const { MaybeUninit::uninit() }; MAX_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let mut config = httparse::ParserConfig::default();
        config.allow_spaces_after_header_name_in_responses(true);
        let parsed = config.parse_response_with_uninit_headers(&mut response, bytes, &mut header_slots);
        let Some(length) = head_end::map_parse_result(parsed, bytes)? else { return Ok(None) };
        let (Some(status), Some(minor)) = (response.code, response.version) else {
            return Err(ProtocolError::StartLine);
        };
        if !(100..600).contains(&status) {
            return Err(ProtocolError::StatusCode);
        }
        self.status = status;
        self.version = version(minor);
        self.reason_phrase = head_end::reason_phrase_span(bytes);
        self.set_fields(response.headers, bytes);
        self.read_message_info(bytes)?;
        Ok(Some(length))
    }

    fn set_fields(&mut self, parsed: &[httparse::Header<'_>], bytes: &[u8]) {
        self.fields.clear();
        self.fields.extend(parsed.iter().map(|field| Field {
            name: Span::locate(field.name.as_bytes(), bytes),
            value: Span::locate(field.value, bytes),
            known: field_name::classify_field_name(field.name.as_bytes()),
            hop_by_hop: false,
        }));
    }

    /// Stores the target in origin-form, as a backend gets it.
    fn set_target(&mut self, form: TargetForm, whole: Span) {
        let at = |offset: usize| usize::from(whole.start) + offset;
        let end = usize::from(whole.end);
        (self.authority, self.target) = match form {
            TargetForm::Origin | TargetForm::Asterisk => (Span::default(), whole),
            TargetForm::Absolute { authority: (start, authority_end), path, .. } => {
                (Span::new(at(start), at(authority_end)), Span::new(at(path), end))
            }
            TargetForm::Authority => (whole, Span::default()),
        };
    }

    /// Reads framing and connection options from the headers, and marks the headers that `Connection` names.
    fn read_message_info(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let fields = self.fields.iter().map(|field| (field.known, field.value.get(bytes)));
        self.info = MessageInfo::from_fields(self.version, fields)?;
        if self.info.connection_names_fields {
            for at in 0..self.fields.len() {
                if self.fields[at].known == KnownField::Connection {
                    self.mark_hop_by_hop(self.fields[at].value.get(bytes), bytes);
                }
            }
        }
        Ok(())
    }

    fn mark_hop_by_hop(&mut self, connection: &[u8], bytes: &[u8]) {
        for option in field_name::list_elements(connection) {
            // A date that is not forwarded is none.
            self.info.has_date &= !option.eq_ignore_ascii_case(b"date");
            for field in &mut self.fields {
                field.hop_by_hop |= field.name.get(bytes).eq_ignore_ascii_case(option);
            }
        }
    }

    fn check_host(&mut self, form: TargetForm, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut hosts = self.fields_of(KnownField::Host).map(|field| field.value);
        let host = hosts.next();
        if hosts.next().is_some() {
            return Err(ProtocolError::HostRepeated);
        }
        let Some(host) = host else {
            return if self.version == Version::Http11 { Err(ProtocolError::HostMissing) } else { Ok(()) };
        };
        let host = host.get(bytes);
        if !request_target::is_authority(host) {
            return Err(ProtocolError::HostInvalid);
        }
        match form {
            TargetForm::Absolute { default_port, .. }
                if self.role == ProxyRole::Reverse
                    && !request_target::are_equivalent(self.authority.get(bytes), host, default_port) =>
            {
                Err(ProtocolError::HostMismatch)
            }
            _ => Ok(()),
        }
    }

    fn fields_of(&self, known: KnownField) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.known == known)
    }
}

/// A head and its bytes. Never held across a wait, because the bytes are in the engine's read buffer.
#[derive(Debug, Clone, Copy)]
pub struct HeadView<'a> {
    head: &'a Head,
    bytes: &'a [u8],
    /// Replaces the received target.
    target: Option<&'a [u8]>,
}

impl<'a> HeadView<'a> {
    /// The method of a request, as it was sent.
    pub fn method_name(&self) -> &'a [u8] {
        self.head.method.get(self.bytes)
    }

    /// The method of a request.
    pub fn method(&self) -> Method {
        Method::from_bytes(self.method_name())
    }

    /// The path and query of a request, or `*`. Empty if an absolute-form target had neither.
    pub fn target(&self) -> &'a [u8] {
        self.target.unwrap_or_else(|| self.head.target.get(self.bytes))
    }

    /// The same head with another path and query, which must be as well-formed as a received one.
    #[must_use]
    pub fn with_target(self, target: &'a [u8]) -> Self {
        Self { target: Some(target), ..self }
    }

    /// The authority of the request: that of the target if it has one, else `Host` (RFC 9112 §3.3). HTTP/1.0 requests
    /// may have neither.
    pub fn authority(&self) -> Option<&'a [u8]> {
        if self.target_overrides_host() {
            Some(self.head.authority.get(self.bytes))
        } else {
            self.field_values(KnownField::Host).next()
        }
    }

    /// Whether the target has an authority, which counts instead of `Host`.
    pub(crate) fn target_overrides_host(&self) -> bool {
        self.head.authority.start != self.head.authority.end
    }

    /// The version of the message.
    pub fn version(&self) -> Version {
        self.head.version
    }

    /// Whether a request has a body, which may have arrived in part.
    pub fn has_body(&self) -> bool {
        self.head.info.framing.has_body()
    }

    /// Whether the connection closes after the response to this request: `Connection: close`, or HTTP/1.0. RFC 9112 §9.3
    /// forbids persistent connections with 1.0 clients: older proxies forward `Connection: keep-alive` blindly, so it is
    /// not negotiated.
    pub fn must_close(&self) -> bool {
        self.head.info.close || self.head.version == Version::Http10
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.head.status
    }

    /// All headers in order: name and value, without whitespace around the value.
    pub fn fields(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let bytes = self.bytes;
        self.head.fields.iter().map(move |field| (field.name.get(bytes), field.value.get(bytes)))
    }

    /// The names of all headers, in order.
    pub(crate) fn field_names(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let bytes = self.bytes;
        self.head.fields.iter().map(move |field| field.name.get(bytes))
    }

    /// The smallest Max-Forwards of an OPTIONS or TRACE request; with other methods it means nothing (RFC 9110 §7.6.2).
    pub(crate) fn max_forwards(&self) -> Option<u64> {
        self.head.info.max_forwards.filter(|_| matches!(self.method(), Method::Options | Method::Trace))
    }

    /// The approximate length of the head in bytes.
    pub(crate) fn approx_len(&self) -> usize {
        self.head.fields.last().map_or(0, |last| usize::from(last.value.end))
    }

    pub(crate) fn reason_phrase(&self) -> &'a [u8] {
        self.head.reason_phrase.get(self.bytes)
    }

    pub(crate) fn message_info(&self) -> &'a MessageInfo {
        &self.head.info
    }

    /// The headers that may be forwarded: neither hop-by-hop by definition nor named by `Connection`.
    /// `Transfer-Encoding` and `Content-Length` are included; the code that writes a head decides about them.
    pub(crate) fn end_to_end_fields(&self) -> impl Iterator<Item = FieldView<'a>> {
        let bytes = self.bytes;
        let kept = |field: &&Field| {
            !field.hop_by_hop
                && !matches!(
                    field.known,
                    KnownField::HopByHop | KnownField::KeepAlive | KnownField::Connection | KnownField::Upgrade
                )
        };
        let view = move |field: &Field| FieldView {
            name: field.name.get(bytes),
            value: field.value.get(bytes),
            known: field.known,
            canonical_line: field.canonical_line(bytes),
        };
        self.head.fields.iter().filter(kept).map(view)
    }

    pub(crate) fn field_values(&self, known: KnownField) -> impl DoubleEndedIterator<Item = &'a [u8]> {
        let bytes = self.bytes;
        self.head.fields.iter().filter(move |field| field.known == known).map(move |field| field.value.get(bytes))
    }
}

fn version(minor: u8) -> Version {
    if minor == 0 { Version::Http10 } else { Version::Http11 }
}
