//! The checks of exercise 9.1.

use std::{future::poll_fn, io::ErrorKind, sync::Arc, time::Duration};

use common::{clock, http::Side};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::{Builder, LocalOptions},
    task::spawn_local,
    time::timeout,
};
use zero_copy::relay::{
    direction::{Direction, SideError},
    mover::{MovedBytes, Mover, SplicePolicy},
};

use crate::exercise_checks;

type New<D> = fn(Side, Vec<u8>) -> D;

const DEADLINE: Duration = Duration::from_secs(15);
const PIPE_BYTES: usize = 65_536;
const ALWAYS: SplicePolicy = SplicePolicy::FromBytes(0);

exercise_checks!(
    exercises_09,
    e1_splice_loop::direction,
    [
        all_bytes_arrive_and_then_fin,
        only_what_the_destination_has_taken_is_counted,
        a_burst_decides_about_itself_and_the_next,
        a_direction_without_bytes_holds_no_pipe,
        a_task_that_waits_is_not_polled,
        a_poll_sends_a_bounded_number_of_bytes,
        the_side_that_failed_is_named,
    ],
    suites ["layer4", "zero_copy"] of "chapter-09-zero-copy" with "your_splice_lb" or "solution_splice_lb"
);

/// Two connections: the sender and the source, the destination and the receiver.
struct Sockets {
    sender: TcpStream,
    source: TcpStream,
    destination: TcpStream,
    receiver: TcpStream,
}

impl Sockets {
    async fn open() -> Self {
        let ((sender, source), (destination, receiver)) = (connected().await, connected().await);
        Self { sender, source, destination, receiver }
    }
}

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// Runs `case` on a runtime of its own, with a mover and its counters, within the deadline.
fn with_mover(pipe_bytes: usize, policy: SplicePolicy, case: impl AsyncFnOnce(&Mover, &MovedBytes)) {
    let counters = Arc::<MovedBytes>::default();
    let mover = Mover::new(pipe_bytes, policy, Arc::clone(&counters));
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default()).unwrap();
    let in_time = runtime.block_on(async { timeout(DEADLINE, case(&mover, &counters)).await });
    in_time.expect("the direction ends in time");
}

async fn run<D: Direction>(
    direction: &mut D,
    mover: &Mover,
    sockets: (&TcpStream, &TcpStream),
) -> Result<(), SideError> {
    poll_fn(|context| direction.poll(mover, sockets, clock::now(), context)).await
}

/// Relays until nothing has been sent for a while: all buffers are full.
async fn run_until_stalled<D: Direction>(direction: &mut D, mover: &Mover, sockets: (&TcpStream, &TcpStream)) {
    loop {
        let before = direction.sent();
        let ended = timeout(Duration::from_millis(100), run(direction, mover, sockets)).await;
        assert!(ended.is_err(), "the direction has ended, although bytes are on their way");
        if direction.sent() == before && before > 0 {
            return;
        }
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|index| index.to_le_bytes()[index % 3]).collect()
}

/// Reads slowly, a little at a time, until FIN.
async fn read_to_fin(receiver: &mut TcpStream) -> Vec<u8> {
    let (mut arrived, mut piece) = (Vec::new(), vec![0; 10_007]);
    while let length @ 1.. = receiver.read(&mut piece).await.unwrap() {
        arrived.extend_from_slice(&piece[..length]);
        tokio::task::yield_now().await;
    }
    arrived
}

fn all_bytes_arrive_and_then_fin<D: Direction>(new: New<D>) {
    for (pipe_bytes, policy) in
        [(4_096, ALWAYS), (PIPE_BYTES, ALWAYS), (1 << 20, ALWAYS), (PIPE_BYTES, SplicePolicy::Never)]
    {
        with_mover(pipe_bytes, policy, async |mover, moved| {
            let Sockets { mut sender, source, destination, mut receiver } = Sockets::open().await;
            // Small buffers: soon the destination takes only a part of what is held, and then nothing.
            SockRef::from(&destination).set_send_buffer_size(32 * 1024).unwrap();
            SockRef::from(&receiver).set_recv_buffer_size(16 * 1024).unwrap();
            let sent = bytes(1_500_000);
            let expected = [b"before", &sent[..]].concat();
            let mut direction = new(Side::Client, b"before".to_vec());
            let sending = spawn_local(async move { sender.write_all(&sent).await.map(|()| sender) });
            let receiving = spawn_local(async move { (read_to_fin(&mut receiver).await, receiver) });
            let sockets = (&source, &destination);
            let relaying = run(&mut direction, mover, sockets);
            // FIN comes after all has been sent; the sender's socket lives on, because the other direction needs it.
            let ending = async {
                let sender = sending.await.unwrap().unwrap();
                SockRef::from(&sender).shutdown(std::net::Shutdown::Write).unwrap();
                sender
            };
            let (relayed, _sender) = tokio::join!(relaying, ending);
            assert!(relayed.is_ok(), "{relayed:?}");
            let (arrived, _receiver) = receiving.await.unwrap();
            assert!(arrived == expected, "{} bytes arrived of {}, or others", arrived.len(), expected.len());
            assert_eq!(direction.sent(), expected.len() as u64);
            let copied = if policy == ALWAYS { 6 } else { expected.len() as u64 };
            assert_eq!((moved.copied.get(), moved.spliced.get()), (copied, expected.len() as u64 - copied));
            assert_eq!(mover.pipes().len(), usize::from(policy == ALWAYS), "the pipe is back");
            assert!(run(&mut direction, mover, sockets).await.is_ok(), "it stays ready");
        });
    }
}

/// The receiver reads nothing: what has been sent is in its buffers, and can be read without the direction.
fn only_what_the_destination_has_taken_is_counted<D: Direction>(new: New<D>) {
    for policy in [ALWAYS, SplicePolicy::Never] {
        with_mover(PIPE_BYTES, policy, async |mover, moved| {
            let Sockets { mut sender, source, destination, mut receiver } = Sockets::open().await;
            let mut direction = new(Side::Client, Vec::new());
            let _sending = spawn_local(async move { sender.write_all(&vec![0; 32 << 20]).await });
            run_until_stalled(&mut direction, mover, (&source, &destination)).await;
            assert!(!direction.waits_for_source(), "it waits for the destination");
            let sent = direction.sent();
            assert_eq!(moved.copied.get() + moved.spliced.get(), sent, "the mover's counters");
            let mut arrived = vec![0; usize::try_from(sent).unwrap()];
            let all = timeout(DEADLINE / 4, receiver.read_exact(&mut arrived)).await;
            assert!(all.is_ok(), "fewer than {sent} bytes were sent");
            let more = timeout(Duration::from_millis(100), receiver.read_u8()).await;
            assert!(more.is_err(), "more than {sent} bytes were sent");
        });
    }
}

/// Bursts that a read takes whole: the first and the last are copied, because the one before was small.
fn a_burst_decides_about_itself_and_the_next<D: Direction>(new: New<D>) {
    with_mover(PIPE_BYTES, SplicePolicy::FromBytes(12_000), async |mover, moved| {
        let Sockets { mut sender, source, destination, mut receiver } = Sockets::open().await;
        let mut direction = new(Side::Client, Vec::new());
        for (burst, copied, spliced) in [(14_000, 14_000, 0), (5_000, 14_000, 5_000), (5_000, 19_000, 5_000)] {
            sender.write_all(&vec![7; burst]).await.unwrap();
            let mut piece = vec![0; burst];
            while source.peek(&mut piece).await.unwrap() < burst {}
            tokio::select! {
                biased;
                _ = run(&mut direction, mover, (&source, &destination)) => panic!("it has ended without a FIN"),
                arrived = receiver.read_exact(&mut piece) => assert_eq!(arrived.unwrap(), burst),
            }
            assert_eq!((moved.copied.get(), moved.spliced.get()), (copied, spliced), "copied and spliced");
        }
    });
}

fn a_direction_without_bytes_holds_no_pipe<D: Direction>(new: New<D>) {
    with_mover(PIPE_BYTES, ALWAYS, async |mover, _| {
        let Sockets { mut sender, source, destination, mut receiver } = Sockets::open().await;
        let mut direction = new(Side::Client, Vec::new());
        for byte in 0..3 {
            sender.write_all(&[byte]).await.unwrap();
            let arrives = async { assert_eq!(receiver.read_u8().await.unwrap(), byte) };
            tokio::select! {
                biased;
                _ = run(&mut direction, mover, (&source, &destination)) => panic!("it has ended without a FIN"),
                () = arrives => {}
            }
            assert_eq!(mover.pipes().len(), 1, "the pipe is back");
            assert!(direction.waits_for_source());
        }
        let _sending = spawn_local(async move { sender.write_all(&vec![0; 32 << 20]).await });
        run_until_stalled(&mut direction, mover, (&source, &destination)).await;
        assert_eq!(mover.pipes().len(), 0, "it has bytes, and a pipe");
    });
}

fn a_task_that_waits_is_not_polled<D: Direction>(new: New<D>) {
    with_mover(PIPE_BYTES, ALWAYS, async |mover, _| {
        let Sockets { mut sender, source, destination, receiver: _receiver } = Sockets::open().await;
        let mut polls = 0;
        let mut direction = new(Side::Client, Vec::new());
        let sockets = (&source, &destination);
        let relaying = poll_fn(|context| {
            polls += 1;
            direction.poll(mover, sockets, clock::now(), context)
        });
        assert!(timeout(Duration::from_millis(200), relaying).await.is_err(), "nothing has happened");
        assert!(polls < 10, "{polls} polls in 200 ms without a byte");
        // Now it waits for the destination.
        let _sending = spawn_local(async move { sender.write_all(&vec![0; 32 << 20]).await });
        run_until_stalled(&mut direction, mover, sockets).await;
        let mut polls = 0;
        let relaying = poll_fn(|context| {
            polls += 1;
            direction.poll(mover, sockets, clock::now(), context)
        });
        assert!(timeout(Duration::from_millis(200), relaying).await.is_err(), "nothing is read");
        assert!(polls < 10, "{polls} polls in 200 ms with full buffers");
    });
}

fn a_poll_sends_a_bounded_number_of_bytes<D: Direction>(new: New<D>) {
    const BYTES: u64 = 256 << 20;
    with_mover(PIPE_BYTES, ALWAYS, async |mover, _| {
        let Sockets { sender, source, destination, receiver } = Sockets::open().await;
        let (sender, receiver) = (blocking(sender), blocking(receiver));
        // Threads: they send and receive while the direction is polled.
        let sending = std::thread::spawn(move || {
            let piece = vec![0; 1 << 20];
            (0..BYTES >> 20).try_for_each(|_| std::io::Write::write_all(&mut &sender, &piece))
        });
        let receiving = std::thread::spawn(move || std::io::copy(&mut &receiver, &mut std::io::sink()));
        let mut direction = new(Side::Client, Vec::new());
        let mut most = 0;
        let relayed = poll_fn(|context| {
            let before = direction.sent();
            let poll = direction.poll(mover, (&source, &destination), clock::now(), context);
            most = most.max(direction.sent() - before);
            poll
        });
        assert!(relayed.await.is_ok());
        sending.join().unwrap().unwrap();
        assert_eq!(receiving.join().unwrap().unwrap(), BYTES);
        assert!(most <= (1 << 20) + PIPE_BYTES as u64, "a poll sent {most} bytes");
    });
}

fn blocking(stream: TcpStream) -> std::net::TcpStream {
    let stream = stream.into_std().unwrap();
    stream.set_nonblocking(false).unwrap();
    stream
}

fn the_side_that_failed_is_named<D: Direction>(new: New<D>) {
    for (policy, side) in [ALWAYS, SplicePolicy::Never].into_iter().zip([Side::Client, Side::Backend]) {
        let other = if side == Side::Client { Side::Backend } else { Side::Client };
        with_mover(PIPE_BYTES, policy, async |mover, _| {
            let Sockets { sender, source, destination, receiver: _receiver } = Sockets::open().await;
            SockRef::from(&sender).set_linger(Some(Duration::ZERO)).unwrap();
            drop(sender);
            let failed = run(&mut new(side, Vec::new()), mover, (&source, &destination)).await.unwrap_err();
            assert_eq!((failed.side, failed.error.kind()), (side, ErrorKind::ConnectionReset), "the source was reset");
        });
        with_mover(PIPE_BYTES, policy, async |mover, _| {
            let Sockets { mut sender, source, destination, receiver } = Sockets::open().await;
            SockRef::from(&receiver).set_linger(Some(Duration::ZERO)).unwrap();
            let mut direction = new(side, Vec::new());
            let _sending = spawn_local(async move { sender.write_all(&vec![0; 32 << 20]).await });
            run_until_stalled(&mut direction, mover, (&source, &destination)).await;
            drop(receiver);
            let failed = run(&mut direction, mover, (&source, &destination)).await.unwrap_err();
            assert_eq!(failed.side, other, "the destination was reset: {}", failed.error);
        });
    }
}
