//! From a request head to a response that is ready to be sent: its head as bytes, its body as a range of a file.

use std::{
    fs::{File, Metadata},
    io::Write as _,
    ops::Range,
    path::Path,
    time::SystemTime,
};

use common::http::{HeadView, HttpDate, LocalReply, LocalReplyBody, Method, reason_phrase, write_local_reply};

use super::{
    byte_range::RequestedRange,
    media_type::media_type,
    preconditions::{Precondition, Validators, values},
    request_path::{PathError, RequestPath, path_of},
    root::{FindError, Found, Root},
};
use crate::sendfile::FileSender;

const ALLOW: &[(&str, &str)] = &[("Allow", "GET, HEAD")];
pub(super) const METHOD_NOT_ALLOWED: LocalReply = LocalReply::new(405, "method").with_fields(ALLOW);
const NOT_FOUND: LocalReply = LocalReply::new(404, "not_found");
const NOT_MODIFIED: LocalReply = LocalReply::new(304, "not_modified").with_body(LocalReplyBody::Empty);
const PRECONDITION_FAILED: LocalReply = LocalReply::new(412, "precondition");
/// How long a client should wait when the process has no descriptor for its file, in seconds.
const RETRY_AFTER: u32 = 1;

/// A response before it is sent.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    /// Its head, and its body if that is no file's.
    pub(super) head: Vec<u8>,
    /// The file, or a part of it.
    pub(super) body: Option<FileSender>,
    /// Whether the connection closes after it.
    pub(super) close: bool,
}

/// What decides about a response besides the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ResponseContext {
    /// The wall clock.
    pub(super) now: SystemTime,
    /// The same, for `Date`.
    pub(super) date: HttpDate,
    /// Whether the connection closes after the response.
    pub(super) close: bool,
}

impl Response {
    /// The response to a valid request.
    pub(super) fn to_request(root: &Root, head: HeadView<'_>, context: ResponseContext) -> Self {
        let is_head = head.method() == Method::Head;
        if !is_head && head.method() != Method::Get {
            return Self::local_reply(&METHOD_NOT_ALLOWED, b"", context, false);
        }
        let reply = match RequestPath::parse(head.target()) {
            Ok(path) => match root.find(path.as_path()) {
                Ok(Found::File(file, metadata)) => {
                    return Self::of_file(head, path.as_path(), file, &metadata, context);
                }
                // The path has no slash at its end, or it would name the index.
                Ok(Found::Directory) if !path_of(head.target()).ends_with(b"/") => {
                    return Self::redirect_to_directory(head, context);
                }
                Ok(Found::Directory) => NOT_FOUND,
                Err(error) => error.into(),
            },
            Err(PathError::Unservable) => NOT_FOUND,
            Err(PathError::Malformed) => LocalReply::new(400, "path"),
        };
        Self::local_reply(&reply, b"", context, is_head)
    }

    /// A response without a file. `added_fields` are complete lines.
    pub(super) fn local_reply(
        reply: &LocalReply,
        added_fields: &[u8],
        context: ResponseContext,
        omit_body: bool,
    ) -> Self {
        let mut head = Vec::new();
        write_local_reply(&mut head, reply, &context.date, added_fields, context.close, omit_body);
        Self { status: reply.status, head, body: None, close: context.close }
    }

    /// Relative links of the index would otherwise be resolved against the parent directory. The path is as the client
    /// sent it; it begins with one slash, because empty segments are refused.
    fn redirect_to_directory(head: HeadView<'_>, context: ResponseContext) -> Self {
        let target = head.target();
        let (path, query) = target.split_at(path_of(target).len());
        let location = [b"Location: ", path, b"/", query, b"\r\n"].concat();
        Self::local_reply(&LocalReply::new(301, "directory"), &location, context, head.method() == Method::Head)
    }

    fn of_file(head: HeadView<'_>, path: &Path, file: File, metadata: &Metadata, context: ResponseContext) -> Self {
        let (size, is_head) = (metadata.len(), head.method() == Method::Head);
        let modified = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        let validators = Validators::new(modified, size, context.now);
        let fields = validator_fields(&validators);
        match validators.check(head) {
            Precondition::NotModified => return Self::local_reply(&NOT_MODIFIED, &fields, context, is_head),
            Precondition::Failed => return Self::local_reply(&PRECONDITION_FAILED, &fields, context, is_head),
            Precondition::Holds => {}
        }
        let (status, range) = match requested_range(head, &validators, size) {
            RequestedRange::Whole => (200, 0..size),
            RequestedRange::Part(range) => (206, range),
            RequestedRange::Unsatisfiable => {
                let size = format!("Content-Range: bytes */{size}\r\n");
                return Self::local_reply(&LocalReply::new(416, "range"), size.as_bytes(), context, is_head);
            }
        };
        let head = file_head(status, &range, size, media_type(path), &fields, context);
        let body = (!is_head && !range.is_empty()).then(|| FileSender::new(file, range));
        Self { status, head, body, close: context.close }
    }
}

impl From<FindError> for LocalReply {
    fn from(error: FindError) -> Self {
        match error {
            FindError::NotFound => NOT_FOUND,
            FindError::Forbidden => Self::new(403, "permission"),
            FindError::Exhausted => Self::new(503, "exhausted").with_retry_after(RETRY_AFTER),
            FindError::Failed => Self::new(500, "file_system"),
        }
    }
}

/// RFC 9110 §14.2: a range means something to GET only.
fn requested_range(head: HeadView<'_>, validators: &Validators, size: u64) -> RequestedRange {
    let mut ranges = values(head, "Range");
    match (ranges.next(), ranges.next()) {
        (Some(range), None) if head.method() == Method::Get && validators.allow_range(head) => {
            RequestedRange::parse(range, size)
        }
        _ => RequestedRange::Whole,
    }
}

/// A 304 repeats them (RFC 9110 §15.4.5).
fn validator_fields(validators: &Validators) -> Vec<u8> {
    let last_modified = HttpDate::from(validators.last_modified);
    let mut fields = Vec::with_capacity(128);
    fields.extend_from_slice(b"Last-Modified: ");
    fields.extend_from_slice(last_modified.as_bytes());
    write!(fields, "\r\nETag: {}\r\n", validators.entity_tag).expect("writing to a Vec cannot fail");
    fields
}

/// The head of a response with a file.
fn file_head(
    status: u16,
    range: &Range<u64>,
    size: u64,
    media_type: &str,
    validator_fields: &[u8],
    context: ResponseContext,
) -> Vec<u8> {
    let mut head = Vec::with_capacity(512);
    let reason = reason_phrase(status);
    let length = range.end - range.start;
    write!(head, "HTTP/1.1 {status} {reason}\r\nContent-Length: {length}\r\n").expect("writing to a Vec cannot fail");
    for piece in [&b"Date: "[..], context.date.as_bytes(), b"\r\nContent-Type: ", media_type.as_bytes()] {
        head.extend_from_slice(piece);
    }
    head.extend_from_slice(b"\r\nAccept-Ranges: bytes\r\n");
    if status == 206 {
        let (first, last) = (range.start, range.end.saturating_sub(1));
        write!(head, "Content-Range: bytes {first}-{last}/{size}\r\n").expect("writing to a Vec cannot fail");
    }
    if context.close {
        head.extend_from_slice(b"Connection: close\r\n");
    }
    head.extend_from_slice(validator_fields);
    head.extend_from_slice(b"\r\n");
    head
}
