//! The checks of exercise 8.6.

use std::io::{self, ErrorKind, Write};

use exercises_08::contracts::EventFeed;
use integration_tests::rng::Rng;

use crate::exercise_checks;

exercise_checks!(
    exercises_08,
    e6_event_feed::feed,
    [
        a_browser_reads_the_data_that_was_published,
        a_new_page_begins_with_the_latest_message,
        nothing_is_sent_twice,
        a_page_that_reads_nothing_holds_nobody_back,
        a_slow_page_gets_the_newest_message_next,
        a_message_that_has_begun_is_sent_to_its_end,
        an_interrupted_write_is_tried_again,
        a_lost_connection_frees_its_place,
    ]
);

/// A connection that takes `room` more bytes, at most `piece` at a time, and would block then.
struct Connection {
    room: usize,
    piece: usize,
    received: Vec<u8>,
    /// What the next write fails with.
    error: Option<ErrorKind>,
    writes: usize,
}

impl Connection {
    fn with_room(room: usize) -> Self {
        Self { room, piece: usize::MAX, received: Vec::new(), error: None, writes: 0 }
    }

    fn open() -> Self {
        Self::with_room(usize::MAX)
    }

    fn messages(&self) -> Vec<(String, String)> {
        as_a_browser_reads(&self.received)
    }

    fn ids(&self) -> Vec<u64> {
        self.messages().iter().map(|(id, _)| id.parse().unwrap()).collect()
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        assert!(self.writes < 100_000, "it writes again and again");
        if let Some(error) = self.error.take() {
            return Err(error.into());
        }
        let count = bytes.len().min(self.room).min(self.piece);
        if count == 0 && !bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.received.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The id and the data of each message, as the HTML standard tells a browser to read `text/event-stream`.
fn as_a_browser_reads(bytes: &[u8]) -> Vec<(String, String)> {
    let text = str::from_utf8(bytes).unwrap().replace("\r\n", "\n").replace('\r', "\n");
    let (mut messages, mut id, mut data) = (Vec::new(), String::new(), String::new());
    // What follows the last line break is no line yet.
    let lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    for line in lines {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "id" => value.clone_into(&mut id),
            "data" => data = data + value + "\n",
            // A message without data is none.
            "" if line.is_empty() && !data.is_empty() => {
                messages.push((id.clone(), data.strip_suffix('\n').unwrap().to_owned()));
                data.clear();
            }
            _ => {}
        }
    }
    messages
}

fn a_browser_reads_the_data_that_was_published<F: EventFeed>(new: fn(usize) -> F) {
    for (data, expected) in [
        ("{\"a\":1}", "{\"a\":1}"),
        ("one\ntwo", "one\ntwo"),
        ("one\r\ntwo\rthree\n\nfive", "one\ntwo\nthree\n\nfive"),
        ("a\nid: 9\n\ndata: b", "a\nid: 9\n\ndata: b"),
        ("  indented", "  indented"),
        ("ends with a line break\n", "ends with a line break\n"),
        ("", ""),
    ] {
        let mut feed = new(1);
        let (stream, mut page) = (feed.open().unwrap(), Connection::open());
        feed.publish(7, data);
        feed.write_to(stream, &mut page).unwrap();
        feed.publish(8, "next");
        feed.write_to(stream, &mut page).unwrap();
        let expected = [("7", expected), ("8", "next")].map(|(id, data)| (id.to_owned(), data.to_owned()));
        assert_eq!(page.messages(), expected, "published {data:?}, written {:?}", str::from_utf8(&page.received));
    }
}

fn a_new_page_begins_with_the_latest_message<F: EventFeed>(new: fn(usize) -> F) {
    let (mut feed, mut page) = (new(2), Connection::open());
    let early = feed.open().unwrap();
    feed.write_to(early, &mut page).unwrap();
    assert_eq!(page.received, b"", "there is no message yet");
    feed.publish(1, "one");
    feed.publish(2, "two");
    let (late, mut other) = (feed.open().unwrap(), Connection::open());
    feed.write_to(early, &mut page).unwrap();
    feed.write_to(late, &mut other).unwrap();
    assert_eq!((page.ids(), other.ids()), (vec![2], vec![2]));
}

fn nothing_is_sent_twice<F: EventFeed>(new: fn(usize) -> F) {
    let (mut feed, mut page) = (new(1), Connection::open());
    let stream = feed.open().unwrap();
    for id in [1, 2, 2] {
        feed.publish(id, "again");
        feed.write_to(stream, &mut page).unwrap();
        feed.write_to(stream, &mut page).unwrap();
    }
    assert_eq!(page.ids(), [1, 2, 2], "three were published, two of them with the same id");
}

fn a_page_that_reads_nothing_holds_nobody_back<F: EventFeed>(new: fn(usize) -> F) {
    let mut feed = new(2);
    let [stalled, quick] = [(); 2].map(|()| feed.open().unwrap());
    let (mut full, mut open) = (Connection::with_room(10), Connection::open());
    for id in 1..=1_000 {
        feed.publish(id, "a document");
        feed.write_to(stalled, &mut full).unwrap();
        feed.write_to(quick, &mut open).unwrap();
    }
    assert_eq!(full.received.len(), 10);
    assert!(open.ids().into_iter().eq(1..=1_000));
}

fn a_slow_page_gets_the_newest_message_next<F: EventFeed>(new: fn(usize) -> F) {
    let mut feed = new(1);
    let (stream, mut page) = (feed.open().unwrap(), Connection::with_room(10));
    for id in 1..=1_000 {
        feed.publish(id, "a document");
        feed.write_to(stream, &mut page).unwrap();
    }
    page.room = usize::MAX;
    feed.write_to(stream, &mut page).unwrap();
    assert_eq!(page.ids(), [1, 1_000], "the one that had begun, and the latest");
}

fn a_message_that_has_begun_is_sent_to_its_end<F: EventFeed>(new: fn(usize) -> F) {
    let (mut feed, mut rng) = (new(1), Rng::new(6));
    let (stream, mut page) = (feed.open().unwrap(), Connection::with_room(0));
    page.piece = 3;
    let data = |id: u64| format!("{id}\n{}", "x".repeat(usize::try_from(id % 40).unwrap()));
    for id in 1..=2_000 {
        feed.publish(id, &data(id));
        page.room = rng.below(40);
        feed.write_to(stream, &mut page).unwrap();
    }
    page.room = usize::MAX;
    feed.write_to(stream, &mut page).unwrap();
    for (id, found) in page.messages() {
        assert_eq!(found, data(id.parse().unwrap()), "message {id}");
    }
    let ids = page.ids();
    assert!(ids.is_sorted_by(|one, next| one < next) && ids.last() == Some(&2_000), "{ids:?}");
    assert!(ids.len() > 500, "only {} of 2000 messages arrived; half of them fit", ids.len());
}

fn an_interrupted_write_is_tried_again<F: EventFeed>(new: fn(usize) -> F) {
    let (mut feed, mut page) = (new(1), Connection::open());
    let stream = feed.open().unwrap();
    feed.publish(1, "one");
    page.error = Some(ErrorKind::Interrupted);
    feed.write_to(stream, &mut page).unwrap();
    assert_eq!(page.ids(), [1]);
}

/// A connection that takes nothing, and says that it does.
struct TakesNothing;

impl Write for TakesNothing {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Ok(0)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn a_lost_connection_frees_its_place<F: EventFeed>(new: fn(usize) -> F) {
    let mut feed = new(2);
    let [lost, closed] = [(); 2].map(|()| feed.open().unwrap());
    assert_eq!(feed.open(), None, "two of two are open");
    feed.publish(1, "one");
    let mut reset = Connection::with_room(5);
    feed.write_to(lost, &mut reset).unwrap();
    reset.error = Some(ErrorKind::ConnectionReset);
    assert_eq!(feed.write_to(lost, &mut reset).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert!(feed.write_to(lost, &mut Connection::open()).is_err(), "it is closed");
    feed.close(closed);
    let [third, fourth] = [(); 2].map(|()| feed.open().expect("two places are free"));
    assert!(feed.open().is_none() && ![lost, closed].contains(&third) && ![lost, closed].contains(&fourth));
    let mut page = Connection::open();
    feed.write_to(third, &mut page).unwrap();
    assert_eq!(page.ids(), [1], "it begins at the beginning");
    assert_eq!(feed.write_to(fourth, &mut TakesNothing).unwrap_err().kind(), ErrorKind::WriteZero);
    assert!(feed.open().is_some(), "and that closed one more");
}
