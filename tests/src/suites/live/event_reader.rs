//! Reads server-sent events as the HTML standard defines them, from a chunked body, and accepts nothing else.

use serde_json::Value;

use crate::admin_client::AdminClient;
use crate::checker::{Framing, ResponseHead};
use crate::client::Client;

/// An open stream.
pub(super) struct EventReader {
    client: Client,
    head: ResponseHead,
    /// What has arrived of the chunks.
    raw: Vec<u8>,
    /// What the chunks contained, and no event has used yet.
    text: String,
    has_ended: bool,
}

/// An event.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) id: u64,
    pub(super) data: String,
}

impl EventReader {
    /// Asks for a stream; returns the client after the head of another response than 200.
    pub(super) fn open(admin: AdminClient) -> Result<Self, (Client, ResponseHead)> {
        Self::open_on(Client::connect(admin.addr()), admin)
    }

    /// The same on a connection that exists.
    pub(super) fn open_on(mut client: Client, admin: AdminClient) -> Result<Self, (Client, ResponseHead)> {
        client.send(format!("GET /events HTTP/1.1\r\nHost: {}\r\nAccept: text/event-stream\r\n\r\n", admin.addr()));
        let (_, head, framing) = client.response_head("GET").unwrap_or_else(|error| panic!("{error:?}"));
        if head.status != 200 {
            return Err((client, head));
        }
        assert_eq!(framing, Framing::Chunked, "{head:?}");
        Ok(Self { client, head, raw: Vec::new(), text: String::new(), has_ended: false })
    }

    /// The head of the response.
    pub(super) fn head(&self) -> &ResponseHead {
        &self.head
    }

    /// The next block of lines; `None` at the end of the body.
    pub(super) fn next_block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            if self.has_ended {
                assert!(self.text.is_empty(), "half an event: {:?}", self.text);
                return None;
            }
            self.read_chunk();
        }
    }

    /// The next event, skipping blocks without data; `None` at the end of the body.
    pub(super) fn next_event(&mut self) -> Option<Event> {
        loop {
            let block = self.next_block()?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            if let Some(data) = field("data") {
                let id = field("id").unwrap_or_else(|| panic!("no id: {block}"));
                assert_eq!(block.lines().count(), 2, "an id and one line of data: {block}");
                return Some(Event { id: id.parse().unwrap(), data: data.to_owned() });
            }
        }
    }

    /// The next document; panics at the end of the body.
    pub(super) fn next_document(&mut self) -> Value {
        let event = self.next_event().expect("the stream goes on");
        serde_json::from_str(&event.data).unwrap_or_else(|error| panic!("{error}: {}", event.data))
    }

    /// Reads one chunk: its size in hex, its data, and a line break behind each (RFC 9112 §7.1).
    fn read_chunk(&mut self) {
        let end = self.read_until(|raw| raw.windows(2).position(|pair| pair == b"\r\n"));
        let line: Vec<_> = self.raw.drain(..end + 2).collect();
        let size = str::from_utf8(&line[..end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
        let size = size.unwrap_or_else(|| panic!("not a chunk's size: {}", line.escape_ascii()));
        self.read_until(|raw| (raw.len() >= size + 2).then_some(size));
        let data: Vec<_> = self.raw.drain(..size + 2).collect();
        assert_eq!(&data[size..], b"\r\n", "behind a chunk");
        self.text.push_str(str::from_utf8(&data[..size]).expect("a chunk has whole characters"));
        self.has_ended = size == 0;
    }

    fn read_until(&mut self, found: impl Fn(&[u8]) -> Option<usize>) -> usize {
        loop {
            if let Some(at) = found(&self.raw) {
                return at;
            }
            let reader = self.client.reader();
            if reader.buffered().is_empty() {
                let length = reader.fill().unwrap_or_else(|error| panic!("the stream: {error}"));
                assert!(length > 0, "cut off in the middle of a chunk: {}", self.raw.escape_ascii());
            }
            self.raw.extend(self.client.reader().take_buffered());
        }
    }
}
