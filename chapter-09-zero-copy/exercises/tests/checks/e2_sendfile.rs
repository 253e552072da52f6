//! The checks of exercise 9.2.

use std::{
    fs::File,
    io::{ErrorKind, Read as _, Seek as _, Write as _},
    net::{TcpListener, TcpStream},
    os::fd::AsFd as _,
    sync::Arc,
    time::Duration,
};

use exercises_09::contracts::{Part, PartsSender};

use crate::exercise_checks;

type Sender = fn(Arc<File>, Vec<Part>) -> Box<dyn PartsSender>;

exercise_checks!(
    exercises_09,
    e2_sendfile::sender,
    [
        the_parts_arrive_in_order,
        a_full_socket_only_interrupts,
        a_call_sends_at_most_its_limit,
        senders_share_a_file_and_leave_its_position_alone,
        an_empty_part_is_no_end,
        a_file_that_is_cut_off_is_an_error_after_what_is_left,
        what_is_appended_is_not_sent,
    ]
);

/// A connection: our side, which does not block, and the peer's.
fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let (own, _) = listener.accept().unwrap();
    own.set_nonblocking(true).unwrap();
    (own, peer)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index * 31 % 251).unwrap()).collect()
}

fn file(content: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    Arc::new(file)
}

/// Sends everything; whenever the socket is full, the peer reads some bytes. Returns what has arrived, and how often the
/// socket was full. At each time, what arrives is what the sender says that it has sent.
fn send_all(sender: &mut dyn PartsSender, limit: usize) -> (Vec<u8>, usize) {
    let (own, mut peer) = connection();
    let (mut arrived, mut sent, mut blocked) = (Vec::new(), 0, 0);
    while sender.remaining() > 0 {
        let before = sender.remaining();
        match sender.send(own.as_fd(), limit) {
            Ok(count) => {
                assert!((1..=limit).contains(&count), "{count} bytes sent, at most {limit} were asked for");
                assert_eq!(sender.remaining(), before - count as u64, "what remains after {count} bytes were sent");
                sent += count;
            }
            Err(error) => {
                assert_eq!((error.kind(), sender.remaining()), (ErrorKind::WouldBlock, before), "{error}");
                blocked += 1;
                let mut piece = vec![0; (sent - arrived.len()).min(700_001)];
                peer.read_exact(&mut piece).expect("as many bytes as the sender says");
                arrived.extend(piece);
            }
        }
    }
    assert_eq!(sender.send(own.as_fd(), limit).unwrap(), 0, "nothing remains");
    drop(own);
    peer.read_to_end(&mut arrived).unwrap();
    assert_eq!(arrived.len(), sent, "bytes that arrive, and that the sender says it has sent");
    (arrived, blocked)
}

fn the_parts_arrive_in_order(sender: Sender) {
    let content = pattern(10_000);
    let parts = vec![
        Part::Bytes(b"head\r\n".to_vec()),
        Part::File(100..2_000),
        Part::Bytes(b"--boundary".to_vec()),
        Part::File(9_000..10_000),
        Part::File(0..1),
        Part::Bytes(b"--end".to_vec()),
    ];
    let expected = [b"head\r\n", &content[100..2_000], b"--boundary", &content[9_000..], &content[..1], b"--end"];
    let mut sender = sender(file(&content), parts);
    assert_eq!(sender.remaining(), 6 + 1_900 + 10 + 1_000 + 1 + 5);
    let (own, mut peer) = connection();
    assert_eq!(sender.send(own.as_fd(), usize::MAX).unwrap(), 2_922, "one call sends what the socket takes");
    assert_eq!(sender.remaining(), 0);
    drop(own);
    let mut arrived = Vec::new();
    peer.read_to_end(&mut arrived).unwrap();
    assert!(arrived == expected.concat(), "other bytes than those of the parts");
}

fn a_full_socket_only_interrupts(sender: Sender) {
    let content = pattern(12 << 20);
    let (head, middle) = (pattern(5 << 20), pattern(333));
    let half = content.len() as u64 / 2;
    let parts = vec![
        Part::Bytes(head.clone()),
        Part::File(half..content.len() as u64),
        Part::Bytes(middle.clone()),
        Part::File(0..half),
    ];
    let (second, first) = content.split_at(content.len() / 2);
    let expected = [&head[..], first, &middle, second].concat();
    let (arrived, blocked) = send_all(&mut *sender(file(&content), parts), usize::MAX);
    assert!(arrived == expected, "{} bytes arrived of {}, or others", arrived.len(), expected.len());
    assert!(blocked > 1, "the socket was full {blocked} times");
}

fn a_call_sends_at_most_its_limit(sender: Sender) {
    let content = pattern(5_000);
    for limit in [1, 7, 999, 1_000, 1_001, 4_096] {
        let parts = vec![Part::Bytes(content[..1_000].to_vec()), Part::File(1_000..4_000), Part::File(4_000..5_000)];
        let (arrived, _) = send_all(&mut *sender(file(&content), parts), limit);
        assert!(arrived == content, "limit {limit}: other bytes than those of the parts");
    }
    let (own, _peer) = connection();
    let mut sender = sender(file(&content), vec![Part::File(0..5_000)]);
    assert_eq!((sender.send(own.as_fd(), 0).unwrap(), sender.remaining()), (0, 5_000), "a limit of 0");
}

fn senders_share_a_file_and_leave_its_position_alone(sender: Sender) {
    let content = pattern(30_000);
    let file = file(&content);
    (&*file).seek(std::io::SeekFrom::Start(77)).unwrap();
    let ranges = [0..20_000_u64, 10_000..30_000];
    let mut running: Vec<_> =
        ranges.iter().map(|range| (sender(Arc::clone(&file), vec![Part::File(range.clone())]), connection())).collect();
    while running.iter().any(|(sender, _)| sender.remaining() > 0) {
        for (sender, (own, _)) in &mut running {
            sender.send(own.as_fd(), 1_500).unwrap();
        }
    }
    for ((_, (own, mut peer)), range) in running.into_iter().zip(ranges) {
        drop(own);
        let mut arrived = Vec::new();
        peer.read_to_end(&mut arrived).unwrap();
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        assert!(arrived == content[range.clone()], "other bytes than {range:?}");
    }
    assert_eq!((&*file).stream_position().unwrap(), 77, "the file's position");
}

fn an_empty_part_is_no_end(sender: Sender) {
    let empty = [Part::Bytes(Vec::new()), Part::File(3..3), Part::File(900..900)];
    let parts = [&empty[..], &[Part::File(1..3)], &empty, &[Part::Bytes(b"end".to_vec())], &empty].concat();
    let mut some = sender(file(b"0123456789"), parts);
    let (own, mut peer) = connection();
    assert_eq!(some.send(own.as_fd(), 100).unwrap(), 5);
    let mut arrived = [0; 5];
    peer.read_exact(&mut arrived).unwrap();
    assert_eq!(&arrived, b"12end");
    assert_eq!(sender(file(b""), empty.to_vec()).send(own.as_fd(), 100).unwrap(), 0);
}

fn a_file_that_is_cut_off_is_an_error_after_what_is_left(sender: Sender) {
    let file = file(&pattern(3_000));
    let mut sender = sender(Arc::clone(&file), vec![Part::File(500..3_000), Part::Bytes(b"never".to_vec())]);
    let (own, mut peer) = connection();
    assert_eq!(sender.send(own.as_fd(), 300).unwrap(), 300);
    file.set_len(1_000).unwrap();
    assert_eq!(sender.send(own.as_fd(), 9_000).unwrap(), 200, "what the file still has");
    assert_eq!(sender.remaining(), 2_000 + 5);
    for _ in 0..2 {
        assert_eq!(sender.send(own.as_fd(), 9_000).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
    drop(own);
    let mut arrived = Vec::new();
    peer.read_to_end(&mut arrived).unwrap();
    assert!(arrived == pattern(3_000)[500..1_000], "{} bytes, or others", arrived.len());
}

fn what_is_appended_is_not_sent(sender: Sender) {
    let file = file(&pattern(2_000));
    let mut sender = sender(Arc::clone(&file), vec![Part::File(0..2_000)]);
    (&*file).write_all(&[9; 5_000]).unwrap();
    let (arrived, _) = send_all(&mut *sender, 9_000);
    assert!(arrived == pattern(2_000), "{} bytes, or others", arrived.len());
}
