//! The laws of the byte bucket, and of limits that connections share.

use std::{num::NonZeroU64, time::Duration};

use common::clock;
use proptest::prelude::*;

use super::*;

/// What may be moved beyond the rate: a full bucket, and a reservation that a late user has taken out of it before.
const BURST: Duration = Duration::from_millis(75);

fn rate(bytes_per_second: u64) -> NonZeroU64 {
    NonZeroU64::new(bytes_per_second).unwrap()
}

/// Bytes at the rate in this time.
fn bytes_in(bytes_per_second: u64, time: Duration) -> u64 {
    u64::try_from(u128::from(bytes_per_second) * time.as_nanos() / 1_000_000_000).unwrap()
}

/// Rates from a byte to 10 GiB per second.
fn rates() -> impl Strategy<Value = u64> {
    (0..34_u32, 0.0..1.0).prop_map(|(exponent, part): (u32, f64)| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive number below 2^35")]
        let rate = (2_f64.powi(i32::try_from(exponent).unwrap()) * (1.0 + part)) as u64;
        rate
    })
}

/// One use of a bucket: how many bytes are wanted, how many of those reserved are moved, how late the user is, and how
/// long it pauses afterwards.
#[derive(Debug, Clone, Copy)]
struct Use {
    wanted: usize,
    moved_percent: usize,
    late: Duration,
    pause: Duration,
}

fn uses() -> impl Strategy<Value = Vec<Use>> {
    let one = (1..200_000_usize, 0..=100_usize, 0..60_000_u64, prop_oneof![4 => Just(0), 1 => 0..500_000_u64]);
    let one = one.prop_map(|(wanted, moved_percent, late_us, pause_us)| Use {
        wanted,
        moved_percent,
        late: Duration::from_micros(late_us),
        pause: Duration::from_micros(pause_us),
    });
    prop::collection::vec(one, 1..80)
}

proptest! {
    /// In no interval is more moved than the rate allows, and the burst; however late and however little is moved.
    #[test]
    fn never_more_than_the_rate_and_a_burst(bytes_per_second in rates(), uses in uses()) {
        let epoch = clock::now();
        let (bucket, word) = (ByteBucket::new(rate(bytes_per_second), epoch), AtomicU64::default());
        let mut now = epoch + Duration::from_secs(1);
        let mut moves: Vec<(Instant, u64)> = Vec::new();
        for Use { wanted, moved_percent, late, pause } in uses {
            let reservation = bucket.reserve(&word, wanted, now);
            prop_assert!((1..=wanted).contains(&reservation.bytes));
            prop_assert!(reservation.at >= now);
            now = reservation.at + if reservation.at > now { late } else { Duration::ZERO };
            let moved = reservation.bytes * moved_percent / 100;
            if moved < reservation.bytes {
                bucket.give_back(&word, reservation.bytes, moved);
            }
            moves.push((now, moved as u64));
            now += pause;
        }
        for (index, (from, _)) in moves.iter().enumerate() {
            let mut sum = 0;
            for (at, moved) in &moves[index..] {
                sum += moved;
                // A byte is never divided, and each may be rounded up once more: `at` is in nanoseconds.
                let allowed = bytes_in(bytes_per_second, *at - *from + BURST) + 2;
                prop_assert!(sum <= allowed, "{sum} bytes in {:?}, {allowed} allowed", *at - *from);
            }
        }
    }

    /// A user that always wants more gets the whole rate, although it is woken up to 40 ms late.
    #[test]
    fn late_wake_ups_do_not_cost_rate(
        bytes_per_second in 64 * 1_024..200 * 1_024 * 1_024_u64,
        late_us in prop::collection::vec(0..40_000_u64, 50),
    ) {
        let epoch = clock::now();
        let (bucket, word) = (ByteBucket::new(rate(bytes_per_second), epoch), AtomicU64::default());
        let started = epoch + Duration::from_secs(1);
        let (mut now, mut moved, mut wakes, mut late) = (started, 0, 0_u32, late_us.iter().cycle());
        while now < started + Duration::from_secs(10) {
            let reservation = bucket.reserve(&word, 64 * 1_024, now);
            if reservation.at > now {
                now = reservation.at + Duration::from_micros(*late.next().unwrap());
                wakes += 1;
            }
            moved += reservation.bytes as u64;
        }
        let expected = bytes_in(bytes_per_second, now - started);
        prop_assert!(moved.abs_diff(expected) * 1_000 <= expected * 6, "{moved} instead of {expected}");
        prop_assert!(wakes <= 10 * 200, "{wakes} wake-ups");
        prop_assert!(bytes_per_second > 2 << 20 || wakes <= 10 * 50, "{wakes} wake-ups at {bytes_per_second}");
    }

    /// What is given back can be reserved again at once, and costs nothing.
    #[test]
    fn what_is_given_back_was_never_taken(bytes_per_second in rates(), wanted in 1..200_000_usize) {
        let epoch = clock::now();
        let bucket = ByteBucket::new(rate(bytes_per_second), epoch);
        let (word, now) = (AtomicU64::default(), epoch + Duration::from_secs(1));
        let first = bucket.reserve(&word, wanted, now);
        let before = word.load(Relaxed);
        let second = bucket.reserve(&word, wanted, now);
        bucket.give_back(&word, second.bytes, 0);
        prop_assert_eq!(word.load(Relaxed), before);
        bucket.give_back(&word, first.bytes, 0);
        prop_assert!(bucket.is_idle(&word, now));
    }
}

fn limit(rule: &str, clients: usize) -> (Arc<BandwidthLimit>, Instant) {
    let epoch = clock::now();
    (Arc::new(BandwidthLimit::new(rule.parse().unwrap(), clients, epoch)), epoch + Duration::from_secs(1))
}

/// Bytes that each of these throttles moves down in a second, if all always want more.
fn moved_in_a_second(throttles: &mut [ClientThrottle], now: Instant) -> Vec<usize> {
    let end = now + Duration::from_secs(1);
    let mut moved = vec![0; throttles.len()];
    let mut turns: Vec<_> =
        throttles.iter_mut().map(|throttle| throttle.reserve(Direction::Down, 64 * 1_024, now)).collect();
    while let Some(next) = (0..turns.len()).min_by_key(|index| turns[*index].at).filter(|next| turns[*next].at < end) {
        moved[next] += turns[next].bytes;
        turns[next] = throttles[next].reserve(Direction::Down, 64 * 1_024, turns[next].at);
    }
    moved
}

#[test]
fn connections_of_an_address_share_its_rate_and_take_turns() {
    let (limit, now) = limit("64KiB by=ip", 64);
    let mut throttles: Vec<_> = ["192.0.2.1", "192.0.2.1", "192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"]
        .map(|peer| limit.throttle(peer.parse().unwrap()))
        .into();
    let moved = moved_in_a_second(&mut throttles, now);
    let (others, alone) = (&moved[..4], moved[4]);
    // 1,638 bytes are reserved at a time.
    assert!(others.iter().sum::<usize>().abs_diff(65_536) <= 3 * 1_638, "{moved:?}");
    assert!(others.iter().all(|bytes| bytes.abs_diff(16_384) <= 2 * 1_638), "not in turn: {moved:?}");
    assert!(alone.abs_diff(65_536) <= 3 * 1_638, "{moved:?}");
    let report = limit.report();
    assert!(report.pauses_down >= 60 && report.pauses_up == 0 && report.without_slot == 0, "{report:?}");
}

#[test]
fn connections_by_connection_do_not_share() {
    let (limit, now) = limit("64KiB by=connection", 64);
    let mut throttles: Vec<_> = (0..3).map(|_| limit.throttle("192.0.2.1".parse().unwrap())).collect();
    let moved = moved_in_a_second(&mut throttles, now);
    assert!(moved.iter().all(|bytes| bytes.abs_diff(65_536) <= 3 * 1_638), "{moved:?}");
    assert_eq!(limit.bytes(), 0);
}

#[test]
fn directions_are_limited_apart_and_up_only_if_it_is_given() {
    let (down_only, now) = limit("1KiB by=ip", 64);
    let mut throttle = down_only.throttle("192.0.2.1".parse().unwrap());
    assert_eq!(throttle.reserve(Direction::Up, 1 << 20, now), Reservation { bytes: 1 << 20, at: now });
    assert_eq!(throttle.reserve(Direction::Down, 1 << 20, now), Reservation { bytes: 25, at: now }, "of 51 in 50 ms");
    let (both, now) = limit("1KiB,2KiB by=connection", 64);
    let mut throttle = both.throttle("192.0.2.1".parse().unwrap());
    assert_eq!(throttle.reserve(Direction::Down, 1 << 20, now).bytes, 25);
    assert_eq!(throttle.reserve(Direction::Up, 1 << 20, now), Reservation { bytes: 51, at: now });
    assert!((0..2).any(|_| throttle.reserve(Direction::Up, 1 << 20, now).at > now));
    assert_eq!((both.report().pauses_down, both.report().pauses_up), (0, 1));
}

#[test]
fn a_connection_that_closes_gives_back_what_it_has_reserved() {
    let (limit, now) = limit("64KiB by=ip", 64);
    let peer = "192.0.2.1".parse().unwrap();
    let mut throttle = limit.throttle(peer);
    let first = throttle.reserve(Direction::Down, 64 * 1_024, now);
    assert_eq!(first.at, now);
    // Ten that are about to wait, and close.
    let mut waiting: Vec<_> = (0..10).map(|_| limit.throttle(peer)).collect();
    let last = waiting.iter_mut().map(|throttle| throttle.reserve(Direction::Down, 64 * 1_024, now)).last().unwrap();
    assert!(last.at > now + Duration::from_millis(215), "{:?}", last.at - now);
    for throttle in &mut waiting {
        throttle.give_back(Direction::Down, last.bytes, 0, now);
    }
    assert_eq!(throttle.reserve(Direction::Down, 64 * 1_024, now).at, now);
}

#[test]
fn addresses_beyond_the_table_share_a_bucket_and_are_counted() {
    let (limit, now) = limit("1KiB by=ip", 8);
    let peers = (0..=255_u8).map(|host| IpAddr::from([192, 0, 2, host]));
    let at_once = peers.filter(|peer| takes_all_at_once(&mut limit.throttle(*peer), now)).count();
    let slots = limit.clients.as_ref().unwrap().slots();
    assert_eq!(at_once, slots + 1, "and one for the rest");
    assert_eq!(limit.report().without_slot, 2 * (256 - slots as u64));
    // 50 ms after its last byte, an address needs no slot.
    let later = now + Duration::from_millis(100);
    assert_eq!(limit.throttle("192.0.3.1".parse().unwrap()).reserve(Direction::Down, 25, later).at, later);
    assert_eq!(limit.report().without_slot, 2 * (256 - slots as u64));
}

/// Whether a full bucket of 1 KiB per second was there: 51 bytes.
fn takes_all_at_once(throttle: &mut ClientThrottle, now: Instant) -> bool {
    [0; 2].map(|_| throttle.reserve(Direction::Down, 25, now).at) == [now; 2]
}

#[test]
fn a_request_counts_for_its_client() {
    let (limit, now) = limit("1KiB by=ip", 64);
    let mut throttle = limit.throttle("192.0.2.1".parse().unwrap());
    for client in ["198.51.100.1", "198.51.100.2", "2001:db8:0:1::1"] {
        throttle.set_client(client.parse().unwrap());
        assert!(takes_all_at_once(&mut throttle, now), "{client}");
    }
    for client in ["198.51.100.1", "2001:db8:0:1::2"] {
        throttle.set_client(client.parse().unwrap());
        assert!(throttle.reserve(Direction::Down, 25, now).at > now, "{client}");
    }
}

#[test]
fn threads_that_share_an_address_move_its_rate_together() {
    let (limit, now) = limit("1MiB by=ip", 64);
    let peer = "192.0.2.1".parse().unwrap();
    let last = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let limit = &limit;
                scope.spawn(move || {
                    let mut throttle = limit.throttle(peer);
                    (0..1_024).map(|_| throttle.reserve(Direction::Down, 1_024, now).at).max()
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().unwrap()).max()
    });
    // 4 MiB, less what the bucket held.
    let took = last.unwrap() - now;
    assert!((3_945..=3_955).contains(&took.as_millis()), "{took:?}");
}
