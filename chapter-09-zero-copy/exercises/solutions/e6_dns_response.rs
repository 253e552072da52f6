//! A solution of exercise 9.6.

use std::ops::Range;

use crate::contracts::{Freshness, Malformed};

const HEADER_BYTES: usize = 12;
const A: u16 = 1;
const AAAA: u16 = 28;
const OPT: u16 = 41;

/// Prepares a response that was received `age` seconds ago to be sent with its addresses moved by `turn` places.
pub fn refresh(response: &mut [u8], age: u32, turn: usize) -> Result<Freshness, Malformed> {
    let records = records(response)?;
    let timed = || records.iter().filter(|record| record.kind != OPT);
    if timed().any(|record| record.time_to_live(response) <= age) {
        return Ok(Freshness::Expired);
    }
    for record in timed() {
        let left = record.time_to_live(response) - age;
        response[record.time_to_live_at..][..4].copy_from_slice(&left.to_be_bytes());
    }
    rotate(response, &records, A, turn);
    rotate(response, &records, AAAA, turn);
    Ok(Freshness::Fresh)
}

/// Where a record is in the response.
struct Record {
    is_answer: bool,
    kind: u16,
    time_to_live_at: usize,
    data: Range<usize>,
}

impl Record {
    fn time_to_live(&self, response: &[u8]) -> u32 {
        let bytes = response[self.time_to_live_at..][..4].try_into().expect("four bytes");
        let seconds = u32::from_be_bytes(bytes);
        if seconds > u32::MAX / 2 { 0 } else { seconds }
    }
}

/// Finds all records.
fn records(response: &[u8]) -> Result<Vec<Record>, Malformed> {
    let mut reader = Reader { bytes: response, at: 4 };
    let (questions, answers) = (reader.number()?, reader.number()?);
    let others = usize::from(reader.number()?) + usize::from(reader.number()?);
    debug_assert_eq!(reader.at, HEADER_BYTES, "after the counts");
    for _ in 0..questions {
        reader.skip_name()?;
        reader.take(4)?; // type and class
    }
    let answers = usize::from(answers);
    (0..answers + others).map(|index| reader.record(index < answers)).collect()
}

/// Moves the addresses of the answers of this type: the data only, since names elsewhere may point into a record.
fn rotate(response: &mut [u8], records: &[Record], kind: u16, turn: usize) {
    let places = || records.iter().filter(|record| record.is_answer && record.kind == kind).map(|record| &record.data);
    let mut addresses: Vec<_> = places().map(|place| response[place.clone()].to_vec()).collect();
    if !addresses.is_empty() {
        let middle = turn % addresses.len();
        addresses.rotate_left(middle);
    }
    for (place, address) in places().zip(addresses) {
        response[place.clone()].copy_from_slice(&address);
    }
}

/// The response, and how much of it was read.
struct Reader<'r> {
    bytes: &'r [u8],
    at: usize,
}

impl<'r> Reader<'r> {
    fn take(&mut self, count: usize) -> Result<&'r [u8], Malformed> {
        let taken = self.bytes.get(self.at..).and_then(|rest| rest.get(..count)).ok_or(Malformed)?;
        self.at += count;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u16, Malformed> {
        let bytes = self.take(2)?;
        Ok(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn skip_name(&mut self) -> Result<(), Malformed> {
        loop {
            match usize::from(self.take(1)?[0]) {
                0 => return Ok(()),
                length @ 1..=63 => drop(self.take(length)?),
                192.. => return self.take(1).map(drop),
                _ => return Err(Malformed),
            }
        }
    }

    fn record(&mut self, is_answer: bool) -> Result<Record, Malformed> {
        self.skip_name()?;
        let kind = self.number()?;
        self.take(2)?; // class
        let time_to_live_at = self.at;
        self.take(4)?;
        let length = usize::from(self.number()?);
        let data = self.at..self.at + length;
        self.take(length)?;
        if kind == A && length != 4 || kind == AAAA && length != 16 {
            return Err(Malformed);
        }
        Ok(Record { is_answer, kind, time_to_live_at, data })
    }
}
