//! The extensions of a version 2 header (§2.2): a type, a length of two bytes, and a value.

use super::error::ProxyHeaderError;

const TYPE_AND_LENGTH_BYTES: usize = 3;
const CRC32C: u8 = 0x03;

/// Checks that the TLVs from `start` on end where `header` ends, and the checksum if there is one. All other types are
/// skipped: nothing here needs what they say, and a receiver may ignore them.
pub(super) fn check(header: &[u8], start: usize) -> Result<(), ProxyHeaderError> {
    let (mut at, mut checksum) = (start, None);
    while at < header.len() {
        let [kind, high, low, rest @ ..] = &header[at..] else { return Err(ProxyHeaderError::TruncatedTlv) };
        let value = rest.get(..u16::from_be_bytes([*high, *low]).into()).ok_or(ProxyHeaderError::TruncatedTlv)?;
        at += TYPE_AND_LENGTH_BYTES;
        if *kind == CRC32C {
            let value = value.try_into().map_err(|_| ProxyHeaderError::InvalidChecksumTlv)?;
            if checksum.replace((at, u32::from_be_bytes(value))).is_some() {
                return Err(ProxyHeaderError::InvalidChecksumTlv);
            }
        }
        at += value.len();
    }
    match checksum {
        Some((at, sent)) if sent != header_checksum(header, at) => Err(ProxyHeaderError::ChecksumMismatch),
        _ => Ok(()),
    }
}

/// The checksum of a header, with the field at `at` taken as zeros (§2.2.3).
///
/// CRC-32C is the Castagnoli polynomial, which the `crc32fast` of gzip does not have. `crc32c` has no dependencies,
/// uses the processor's instruction where there is one, and continues over slices, so that nothing is copied.
fn header_checksum(header: &[u8], at: usize) -> u32 {
    let zeros = [0; size_of::<u32>()];
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[..at]), &zeros);
    crc32c::crc32c_append(checksum, &header[at + zeros.len()..])
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A TLV's bytes.
    pub(crate) fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap().to_be_bytes();
        [&[kind], &length[..], value].concat()
    }

    /// Appends the TLV with the checksum of `header` to it, whose length must count it already.
    pub(crate) fn append_checksum(header: &mut Vec<u8>) {
        header.extend(tlv(CRC32C, &[0; 4]));
        let at = header.len() - 4;
        // Bit by bit, as in RFC 9260, Appendix A: the other side of what is tested.
        let mut crc = !0_u32;
        for byte in header.iter() {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
            }
        }
        header[at..].copy_from_slice(&(!crc).to_be_bytes());
    }

    #[test]
    fn tlvs_must_end_with_the_header() {
        let (noop, unique_id) = (tlv(0x04, &[]), tlv(0x05, b"id"));
        for (tlvs, expected) in [
            (vec![], Ok(())),
            (noop.clone(), Ok(())),
            (tlv(0xEE, &[7; 300]), Ok(())),
            ([&noop[..], &unique_id].concat(), Ok(())),
            (noop[..1].to_vec(), Err(ProxyHeaderError::TruncatedTlv)),
            (noop[..2].to_vec(), Err(ProxyHeaderError::TruncatedTlv)),
            (unique_id[..4].to_vec(), Err(ProxyHeaderError::TruncatedTlv)),
            ([&unique_id[..], &[4]].concat(), Err(ProxyHeaderError::TruncatedTlv)),
            (tlv(CRC32C, &[0; 3]), Err(ProxyHeaderError::InvalidChecksumTlv)),
            (tlv(CRC32C, &[0; 5]), Err(ProxyHeaderError::InvalidChecksumTlv)),
        ] {
            let header = [b"before", &tlvs[..]].concat();
            assert_eq!(check(&header, 6), expected, "{tlvs:?}");
        }
    }

    #[test]
    fn a_header_that_was_changed_has_another_checksum() {
        let mut header = b"123456789".to_vec();
        append_checksum(&mut header);
        assert_eq!(check(&header, 9), Ok(()));
        for at in (0..9).chain(12..16) {
            let mut changed = header.clone();
            changed[at] ^= 0x10;
            assert_eq!(check(&changed, 9), Err(ProxyHeaderError::ChecksumMismatch), "{at}");
        }
        header.extend(tlv(0x04, &[]));
        assert_eq!(check(&header, 9), Err(ProxyHeaderError::ChecksumMismatch));
        let twice = [&header[..], &header[9..16]].concat();
        assert_eq!(check(&twice, 9), Err(ProxyHeaderError::InvalidChecksumTlv));
    }
}
