//! The checks of exercise 9.6.

use exercises_09::contracts::{Freshness, Malformed};
use integration_tests::rng::Rng;

use crate::exercise_checks;

type Refresh = fn(&mut [u8], u32, usize) -> Result<Freshness, Malformed>;

exercise_checks!(
    exercises_09,
    e6_dns_response::refresh,
    [
        the_addresses_take_turns,
        names_stay_where_others_point_to,
        the_time_to_live_becomes_less_in_all_sections,
        a_response_expires_with_its_first_record,
        flags_are_no_time_to_live,
        a_malformed_response_is_refused_unchanged,
        random_responses_become_what_their_records_say,
        mutated_responses_are_refreshed_or_left_alone,
    ]
);

const A: u16 = 1;
const NS: u16 = 2;
const CNAME: u16 = 5;
const AAAA: u16 = 28;
const OPT: u16 = 41;
/// In the order of the message.
const ANSWER: usize = 0;
const AUTHORITY: usize = 1;
const ADDITIONAL: usize = 2;
/// A pointer to the name in the question.
const QUESTION: &[u8] = &[0xc0, 12];

#[derive(Debug, Clone)]
struct Record {
    section: usize,
    owner: Vec<u8>,
    kind: u16,
    time_to_live: u32,
    data: Vec<u8>,
}

fn record(section: usize, kind: u16, time_to_live: u32, data: &[u8]) -> Record {
    Record { section, owner: QUESTION.into(), kind, time_to_live, data: data.into() }
}

fn a(time_to_live: u32, last: u8) -> Record {
    record(ANSWER, A, time_to_live, &[192, 0, 2, last])
}

fn aaaa(time_to_live: u32, last: u8) -> Record {
    record(ANSWER, AAAA, time_to_live, &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last])
}

fn labels(name: &str) -> Vec<u8> {
    let label = |label: &str| [&[u8::try_from(label.len()).unwrap()], label.as_bytes()].concat();
    name.split('.').flat_map(label).chain([0]).collect()
}

/// A response of one question, and these records in the order of their sections.
fn response(records: &[Record]) -> Vec<u8> {
    let mut bytes = vec![0x12, 0x34, 0x81, 0x80, 0, 1];
    for section in [ANSWER, AUTHORITY, ADDITIONAL] {
        let count = records.iter().filter(|record| record.section == section).count();
        bytes.extend(u16::try_from(count).unwrap().to_be_bytes());
    }
    bytes.extend(labels("www.example"));
    bytes.extend([0, 1, 0, 1]);
    for Record { owner, kind, time_to_live, data, .. } in records {
        bytes.extend(owner);
        bytes.extend(kind.to_be_bytes());
        bytes.extend([0, 1]);
        bytes.extend(time_to_live.to_be_bytes());
        bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        bytes.extend(data);
    }
    bytes
}

/// What becomes of the records: the obvious way, since each is a value of its own.
fn expected(records: &[Record], age: u32, turn: usize) -> (Freshness, Vec<Record>) {
    let mut records = records.to_vec();
    let is_over = |record: &Record| record.time_to_live <= age || record.time_to_live >= 1 << 31;
    if records.iter().any(|record| record.kind != OPT && is_over(record)) {
        return (Freshness::Expired, records);
    }
    for kind in [A, AAAA] {
        let is_one = |record: &Record| record.section == ANSWER && record.kind == kind;
        let addresses: Vec<_> = records.iter().filter(|one| is_one(one)).map(|record| record.data.clone()).collect();
        for (index, record) in records.iter_mut().filter(|one| is_one(one)).enumerate() {
            record.data.clone_from(&addresses[(index + turn % addresses.len()) % addresses.len()]);
        }
    }
    for record in records.iter_mut().filter(|record| record.kind != OPT) {
        record.time_to_live -= age;
    }
    (Freshness::Fresh, records)
}

/// Refreshes a response of these records, and compares the outcome.
fn assert_refreshed(refresh: Refresh, records: &[Record], age: u32, turn: usize) {
    let mut bytes = response(records);
    let (freshness, left) = expected(records, age, turn);
    let said = format!("age {age}, turn {turn}, of {records:?}");
    assert_eq!(refresh(&mut bytes, age, turn), Ok(freshness), "{said}");
    assert!(bytes == response(&left), "{said}:\n{bytes:x?}\nshould be\n{:x?}", response(&left));
}

fn assert_malformed(refresh: Refresh, bytes: &[u8], why: &str) {
    let mut refused = bytes.to_vec();
    assert_eq!(refresh(&mut refused, 10, 1), Err(Malformed), "{why}: {bytes:x?}");
    assert!(refused == bytes, "{why}: it was changed");
}

fn the_addresses_take_turns(refresh: Refresh) {
    let three = [a(60, 1), a(60, 2), a(60, 3)];
    for turn in [0, 1, 2, 3, 4, 1_000_000, usize::MAX - 1] {
        assert_refreshed(refresh, &three, 0, turn);
    }
    assert_refreshed(refresh, &[], 0, 1);
    assert_refreshed(refresh, &three[..1], 0, 1);
    let both = [a(60, 1), aaaa(60, 2), a(60, 3), aaaa(60, 4), aaaa(60, 5)];
    (0..7).for_each(|turn| assert_refreshed(refresh, &both, 0, turn));
    let others = [AUTHORITY, ADDITIONAL].map(|section| Record { section, ..a(60, 4) });
    let others = others.into_iter().flat_map(|record| [record.clone(), Record { data: vec![9; 4], ..record }]);
    let with_others: Vec<_> = three.into_iter().chain(others).collect();
    assert_refreshed(refresh, &with_others, 0, 1);
}

/// A name in a record, and pointers to it from others.
fn names_stay_where_others_point_to(refresh: Refresh) {
    let alias = record(ANSWER, CNAME, 60, &labels("lb.example"));
    let canonical_at = response(&[record(ANSWER, CNAME, 60, &[])]).len();
    let to = |at: usize| vec![0xc0 | u8::try_from(at >> 8).unwrap(), u8::try_from(at & 0xff).unwrap()];
    let [second, third] = [2, 3].map(|last| Record { owner: to(canonical_at), ..a(60, last) });
    assert_refreshed(refresh, &[alias, second, third], 5, 1);

    let first_at = response(&[]).len();
    let first = Record { owner: labels("lb.example"), ..a(60, 1) };
    let [second, third] = [2, 3].map(|last| Record { owner: to(first_at), ..a(60 + u32::from(last), last) });
    let ends_in_a_pointer = Record { owner: [&[1, b'x'], QUESTION].concat(), ..a(70, 4) };
    let root = Record { owner: vec![0], ..a(80, 5) };
    assert_refreshed(refresh, &[first, second, third, ends_in_a_pointer, root], 5, 2);
    // It points to itself: nobody has to follow it.
    let points_to_itself = Record { owner: to(first_at), ..a(60, 1) };
    assert_refreshed(refresh, &[points_to_itself, a(60, 2)], 5, 1);
    let longest = Record { owner: [vec![63], vec![b'x'; 63], vec![0]].concat(), ..a(60, 1) };
    assert_refreshed(refresh, &[longest, a(60, 2)], 5, 1);
}

fn of_all_sections(times: [u32; 3]) -> [Record; 3] {
    let [answer, authority, additional] = times;
    let address = [192, 0, 2, 53];
    let name_server = record(AUTHORITY, NS, authority, &labels("ns.example"));
    [a(answer, 1), name_server, record(ADDITIONAL, A, additional, &address)]
}

fn the_time_to_live_becomes_less_in_all_sections(refresh: Refresh) {
    for age in [0, 1, 255, 256, 299] {
        assert_refreshed(refresh, &of_all_sections([300, 86_400, 2_147_483_647]), age, 0);
    }
    let mut bytes = [response(&of_all_sections([300, 300, 300])), b"after the last record".to_vec()].concat();
    assert_eq!(refresh(&mut bytes, 7, 0), Ok(Freshness::Fresh));
    assert!(bytes.ends_with(b"after the last record"), "{bytes:x?}");
}

fn a_response_expires_with_its_first_record(refresh: Refresh) {
    for times in [[60, 90, 90], [90, 60, 90], [90, 90, 60]] {
        for age in [59, 60, 61, 90, u32::MAX] {
            assert_refreshed(refresh, &of_all_sections(times), age, 1);
        }
    }
    assert_refreshed(refresh, &of_all_sections([0, 90, 90]), 0, 1);
    for large in [1 << 31, u32::MAX] {
        assert_refreshed(refresh, &of_all_sections([90, large, 90]), 0, 1);
    }
}

fn flags_are_no_time_to_live(refresh: Refresh) {
    for flags in [0, 0x8000, u32::MAX] {
        let options = Record { owner: vec![0], ..record(ADDITIONAL, OPT, flags, &[0, 10, 0, 2, 1, 2]) };
        assert_refreshed(refresh, &[a(60, 1), a(60, 2), options], 59, 1);
    }
}

fn a_malformed_response_is_refused_unchanged(refresh: Refresh) {
    let whole = response(&[a(60, 1), aaaa(60, 2), record(AUTHORITY, NS, 60, &labels("ns.example"))]);
    for length in 0..whole.len() {
        assert_malformed(refresh, &whole[..length], "it ends too early");
    }
    for first in [0x40, 0x80, 0xbf] {
        let strange = Record { owner: vec![first, 0], ..a(60, 1) };
        assert_malformed(refresh, &response(&[a(60, 2), strange]), "a label of another kind");
    }
    for (kind, lengths) in [(A, [0, 3, 5, 16]), (AAAA, [0, 4, 15, 17])] {
        for length in lengths {
            let wrong = record(ANSWER, kind, 60, &[1; 32][..length]);
            assert_malformed(refresh, &response(&[a(60, 2), wrong]), "an address of another length");
        }
    }
    let mut promises_more = response(&[a(60, 1)]);
    promises_more[10..12].copy_from_slice(&[0xff, 0xff]);
    assert_malformed(refresh, &promises_more, "it announces more records");
}

fn random_record(rng: &mut Rng, section: usize) -> Record {
    let time_to_live = match rng.below(20) {
        0 => u32::MAX,
        1 => 30,
        seconds => 60 + 100 * u32::try_from(seconds).unwrap(),
    };
    let last = u8::try_from(rng.below(256)).unwrap();
    let one = match rng.below(6) {
        0 | 1 => a(time_to_live, last),
        2 | 3 => aaaa(time_to_live, last),
        4 => record(section, CNAME, time_to_live, &labels("other.example")),
        _ => record(section, OPT, time_to_live, &[]),
    };
    let owners = [QUESTION.into(), labels("a.b.example"), vec![0], vec![2, b'x', b'y', 0xc0, 12]];
    Record { section, owner: rng.pick(&owners).clone(), ..one }
}

fn random_records(rng: &mut Rng) -> Vec<Record> {
    let sections = [ANSWER, AUTHORITY, ADDITIONAL].map(|section| (section, rng.below(7)));
    sections.into_iter().flat_map(|(section, count)| vec![section; count]).map(|at| random_record(rng, at)).collect()
}

fn random_responses_become_what_their_records_say(refresh: Refresh) {
    let mut rng = Rng::new(96);
    let mut fresh = 0;
    for _ in 0..3_000 {
        let (records, age, turn) = (random_records(&mut rng), rng.below(70), rng.below(9));
        let age = u32::try_from(age).unwrap();
        fresh += usize::from(expected(&records, age, turn).0 == Freshness::Fresh);
        assert_refreshed(refresh, &records, age, turn);
    }
    assert!((500..2_500).contains(&fresh), "{fresh} of 3,000 are fresh");
}

fn mutated_responses_are_refreshed_or_left_alone(refresh: Refresh) {
    let mut rng = Rng::new(69);
    let mut outcomes = [0; 3];
    for _ in 0..20_000 {
        let mut bytes = response(&random_records(&mut rng));
        for _ in 0..=rng.below(3) {
            let at = rng.below(bytes.len());
            bytes[at] = *rng.pick(&[0, 1, 4, 16, 28, 41, 63, 64, 128, 192, 255]);
        }
        let mut after = bytes.clone();
        let outcome = refresh(&mut after, 10, 1);
        outcomes[match outcome {
            Ok(Freshness::Fresh) => 0,
            Ok(Freshness::Expired) => 1,
            Err(Malformed) => 2,
        }] += 1;
        assert_eq!(after.len(), bytes.len());
        assert!(after[..12] == bytes[..12], "the header was changed: {bytes:x?}");
        assert!(outcome == Ok(Freshness::Fresh) || after == bytes, "{outcome:?}, but it was changed: {bytes:x?}");
    }
    assert!(outcomes.iter().all(|count| *count > 300), "fresh, expired, malformed: {outcomes:?}");
}
