//! Messages of real TLS software, however they are split.

use super::messages::{Contents, contents, from_rustls, message_of, records};
use crate::client_hello::{ClientHelloRead, read};

/// `openssl s_client -connect 127.0.0.1:PORT -servername Shop.Example -alpn h2,http/1.1`, OpenSSL 3.0.19.
const OPENSSL: &str = "
160301014b010001470303dd482c16a6d077833d33d19f552e686ceb8d0ff3a21f13820bf633a9f04669cc2042ef31b1ff37a8c71fd2603389976fa1
010870f4fcc4f915081ad6141194fde6003e130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039
c009c0130033009d009c003d003c0035002f00ff010000c000000011000f00000c53686f702e4578616d706c65000b000403000102000a0016001400
1d0017001e0019001801000101010201030104002300000010000e000c02683208687474702f312e310016000000170000000d002a00280403050306
03080708080809080a080b080408050806040105010601030303010302040205020602002b0009080304030303020301002d00020101003300260024
001d00206ea43b71ca706d770a75bfd4afdc8c9a874cdf97307c9de8af749433bbc1de2e";
/// The same with `-noservername -tls1_2` and without `-alpn`.
const OPENSSL_WITHOUT_NAME: &str = "
16030100b7010000b3030330620e75472792bbdfc4a65fb0776e12b3b9a50b2e02cbce3a3d61787be71828000038c02cc030009fcca9cca8ccaac02b
c02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff01000052000b000403000102000a000c000a
001d0017001e00190018002300000016000000170000000d002a0028040305030603080708080809080a080b08040805080604010501060103030301
0302040205020602";
/// The same with `-servername a.example -alpn h2 -tls1_2 -split_send_frag 40 -max_send_frag 512`: six records.
const OPENSSL_SPLIT: &str = "
1603010028010000ce0303ad19cc2b04d03a198a35f368cad603ba032b174c18cfb8478945328ec32d82cc0000160301002838c02cc030009fcca9cc
a8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c01603010028130033009d009c003d003c0035002f00ff0100006d0000000e
000c000009612e6578616d706c650016030100280b000403000102000a000c000a001d0017001e001900180023000000100005000302683200160000
160301002800170000000d002a0028040305030603080708080809080a080b0804080508060401050106010303160301000a03010302040205020602";

pub(super) fn from_hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.chars().filter_map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// Messages of OpenSSL and rustls, and what they say.
pub(super) fn all() -> Vec<(Vec<u8>, Contents)> {
    let says = |name: Option<&str>, protocols: &[&str]| {
        (name.map(str::to_owned), protocols.iter().map(|name| (*name).to_owned()).collect())
    };
    vec![
        (from_hex(OPENSSL), says(Some("Shop.Example"), &["h2", "http/1.1"])),
        (from_hex(OPENSSL_WITHOUT_NAME), says(None, &[])),
        (from_hex(OPENSSL_SPLIT), says(Some("a.example"), &["h2"])),
        (from_rustls("a.example", &["h2", "http/1.1"], None), says(Some("a.example"), &["h2", "http/1.1"])),
        (from_rustls("b.example", &[], Some(64)), says(Some("b.example"), &[])),
        (from_rustls("127.0.0.1", &["h2"], None), says(None, &["h2"])),
    ]
}

#[test]
fn a_message_of_openssl_or_rustls_is_read_in_any_segments_and_records() {
    for (bytes, expected) in all() {
        for length in 0..bytes.len() {
            assert_eq!(read(&bytes[..length]), Ok(ClientHelloRead::Incomplete), "{expected:?} {length}");
        }
        assert_eq!(contents(&bytes), Ok(Some(expected.clone())));
        // A client may send data at once, in TLS 1.3 with a key of an earlier connection: first a record of type 20.
        assert_eq!(contents(&[&bytes[..], b"\x14\x03\x03\0\x01\x01\x17"].concat()), Ok(Some(expected.clone())));
        let message = message_of(&bytes);
        for size in 1..=message.len() {
            let split = records(&message, size);
            assert_eq!(contents(&split), Ok(Some(expected.clone())), "records of {size}");
            assert_eq!(read(&split[..split.len() - 1]), Ok(ClientHelloRead::Incomplete), "records of {size}");
        }
    }
}

#[test]
fn a_message_is_copied_only_if_it_is_split_over_records() {
    let (bytes, _) = all().swap_remove(0);
    let name_is_inside = |bytes: &[u8]| {
        let Ok(ClientHelloRead::Complete(hello)) = read(bytes) else { panic!("{bytes:?}") };
        bytes.as_ptr_range().contains(&hello.server_name().unwrap().as_ptr())
    };
    assert!(name_is_inside(&bytes));
    assert!(!name_is_inside(&records(&message_of(&bytes), 100)));
}
