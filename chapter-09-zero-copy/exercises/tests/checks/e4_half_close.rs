//! The checks of exercise 9.4.

use exercises_09::contracts::{Output, Peer, SessionRelay};
use integration_tests::rng::Rng;

use crate::exercise_checks;

type Relay = fn(usize) -> Box<dyn SessionRelay>;

const BOTH: [Peer; 2] = [Peer::Client, Peer::Backend];

exercise_checks!(
    exercises_09,
    e4_half_close::relay,
    [
        bytes_are_passed_on_in_pieces,
        fin_follows_the_last_byte,
        a_half_closed_peer_still_receives,
        both_sockets_are_closed_after_both_fins,
        a_peer_that_takes_nothing_stops_only_the_other,
        a_reset_is_passed_on_as_a_reset,
        sessions_in_any_order_lose_nothing,
    ]
);

/// What is to be sent to `peer` now.
fn to_send(relay: &dyn SessionRelay, peer: Peer) -> Vec<u8> {
    match relay.output(peer) {
        Output::Send(bytes) => {
            assert!(!bytes.is_empty(), "no byte is to be sent");
            bytes.to_vec()
        }
        other => panic!("{other:?} for {peer:?}, which should get bytes"),
    }
}

/// Sends all that is held for `peer`.
fn take_all(relay: &mut dyn SessionRelay, peer: Peer) -> Vec<u8> {
    let mut taken = Vec::new();
    while let Output::Send(bytes) = relay.output(peer) {
        let count = bytes.len();
        taken.extend_from_slice(bytes);
        relay.sent(peer, count);
    }
    taken
}

fn bytes_are_passed_on_in_pieces(relay: Relay) {
    for peer in BOTH {
        let (mut relay, other) = (relay(10), peer.other());
        assert_eq!((relay.output(peer), relay.output(other)), (Output::Nothing, Output::Nothing));
        relay.received(peer, b"hello");
        assert!(b"hello".starts_with(&to_send(&*relay, other)[..1]));
        relay.sent(other, 1);
        relay.received(peer, b" you");
        assert_eq!(relay.output(peer), Output::Nothing, "{peer:?} has sent, and gets nothing");
        assert_eq!(take_all(&mut *relay, other), b"ello you");
        assert_eq!(relay.output(other), Output::Nothing, "everything has been sent");
    }
}

fn fin_follows_the_last_byte(relay: Relay) {
    for peer in BOTH {
        let (mut relay, other) = (relay(10), peer.other());
        relay.received(peer, b"bye");
        relay.fin_received(peer);
        for left in [b"bye", &b"ye"[..], b"e"] {
            assert_eq!(to_send(&*relay, other)[0], left[0], "what is held comes before FIN");
            relay.sent(other, 1);
        }
        assert_eq!(relay.output(other), Output::Fin);
        assert_eq!(relay.output(other), Output::Fin, "to ask changes nothing");
        relay.fin_sent(other);
        assert_eq!(relay.output(other), Output::Nothing, "once");
        assert_eq!(relay.room(peer), 0, "after FIN there is nothing to read");
    }
}

fn a_half_closed_peer_still_receives(relay: Relay) {
    for peer in BOTH {
        let (mut relay, other) = (relay(4), peer.other());
        relay.fin_received(peer);
        relay.fin_sent(other);
        for piece in [b"1234", b"5678"] {
            assert_eq!(relay.room(other), 4, "the other direction goes on");
            relay.received(other, piece);
            assert_eq!(take_all(&mut *relay, peer), piece);
            assert_eq!((relay.output(peer), relay.output(other)), (Output::Nothing, Output::Nothing));
        }
    }
}

fn both_sockets_are_closed_after_both_fins(relay: Relay) {
    for peer in BOTH {
        let (mut relay, other) = (relay(4), peer.other());
        relay.fin_received(peer);
        relay.fin_sent(other);
        relay.received(other, b"last");
        relay.fin_received(other);
        assert_eq!(relay.output(other), Output::Nothing, "{peer:?} has yet to get its last bytes");
        assert_eq!(take_all(&mut *relay, peer), b"last");
        assert_eq!((relay.output(peer), relay.output(other)), (Output::Fin, Output::Nothing));
        relay.fin_sent(peer);
        assert_eq!((relay.output(peer), relay.output(other)), (Output::Close, Output::Close));
        assert_eq!((relay.room(peer), relay.room(other)), (0, 0));
    }
}

fn a_peer_that_takes_nothing_stops_only_the_other(relay: Relay) {
    for peer in BOTH {
        let (mut relay, other) = (relay(100), peer.other());
        let mut sent = 0_usize;
        while relay.room(peer) > 0 {
            assert_eq!(relay.room(peer), 100 - sent, "what the capacity leaves");
            relay.received(peer, &[7; 30][..relay.room(peer).min(30)]);
            sent = (sent + 30).min(100);
        }
        assert_eq!(relay.room(other), 100, "the other direction has its own capacity");
        relay.received(other, b"answer");
        assert_eq!(take_all(&mut *relay, peer), b"answer");
        relay.sent(other, 1);
        assert_eq!(relay.room(peer), 1, "there is room again");
    }
}

fn a_reset_is_passed_on_as_a_reset(relay: Relay) {
    for peer in BOTH {
        for ended in [None, Some(peer), Some(peer.other())] {
            let (mut relay, other) = (relay(10), peer.other());
            relay.received(peer, b"half a ");
            relay.received(other, b"answer");
            if let Some(ended) = ended {
                relay.fin_received(ended);
            }
            relay.reset_received(peer);
            let outputs = (relay.output(peer), relay.output(other));
            assert_eq!(outputs, (Output::Close, Output::Reset), "{peer:?} was reset, FIN of {ended:?} before");
            assert_eq!((relay.room(peer), relay.room(other)), (0, 0));
        }
    }
}

/// A peer in memory: what it has yet to send, what it got, and how.
#[derive(Debug)]
struct Simulated {
    to_send: Vec<u8>,
    has_sent_fin: bool,
    got: Vec<u8>,
    fins: usize,
}

fn sessions_in_any_order_lose_nothing(relay: Relay) {
    let mut rng = Rng::new(94);
    for session in 0..300 {
        let capacity = 1 + rng.below(64);
        let said = [rng.below(400), rng.below(400)].map(|length| rng.bytes(length));
        let mut relay = relay(capacity);
        let new =
            |to_send: &Vec<u8>| Simulated { to_send: to_send.clone(), has_sent_fin: false, got: Vec::new(), fins: 0 };
        let mut peers = [new(&said[0]), new(&said[1])];
        let mut steps = 0;
        while BOTH.iter().any(|peer| relay.output(*peer) != Output::Close) {
            steps += 1;
            assert!(steps < 200_000, "session {session} does not end: {peers:?}");
            let peer = *rng.pick(&BOTH);
            let simulated = &mut peers[peer as usize];
            if rng.below(2) == 0 {
                step_in(&mut *relay, peer, simulated, &mut rng);
            } else {
                step_out(&mut *relay, peer, simulated, &mut rng);
            }
        }
        for peer in BOTH {
            let Simulated { to_send, got, fins, .. } = &peers[peer as usize];
            assert!(to_send.is_empty(), "closed, and {peer:?} has {} bytes to send", to_send.len());
            assert!(*got == said[peer.other() as usize], "{peer:?} got {} bytes, or others", got.len());
            assert_eq!(*fins, 1, "{peer:?} got that many FINs");
        }
    }
}

/// `peer` sends some bytes, or FIN after the last.
fn step_in(relay: &mut dyn SessionRelay, peer: Peer, simulated: &mut Simulated, rng: &mut Rng) {
    if simulated.to_send.is_empty() {
        if !simulated.has_sent_fin {
            simulated.has_sent_fin = true;
            relay.fin_received(peer);
        }
        return;
    }
    let most = relay.room(peer).min(simulated.to_send.len());
    if most > 0 {
        let piece: Vec<_> = simulated.to_send.drain(..=rng.below(most)).collect();
        relay.received(peer, &piece);
    }
}

/// The socket of `peer` takes some bytes, or FIN.
fn step_out(relay: &mut dyn SessionRelay, peer: Peer, simulated: &mut Simulated, rng: &mut Rng) {
    match relay.output(peer) {
        Output::Send(bytes) => {
            assert_eq!(simulated.fins, 0, "bytes after FIN");
            let count = 1 + rng.below(bytes.len());
            simulated.got.extend_from_slice(&bytes[..count]);
            relay.sent(peer, count);
        }
        Output::Fin => {
            simulated.fins += 1;
            relay.fin_sent(peer);
        }
        Output::Reset => panic!("{peer:?} is to be reset, and nothing has failed"),
        Output::Nothing | Output::Close => {}
    }
}
