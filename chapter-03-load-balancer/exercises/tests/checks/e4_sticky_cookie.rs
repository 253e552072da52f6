//! The checks of exercise 3.4.

use exercises_03::contracts::KeyedHash;
use sha2::{Digest, Sha256};

use crate::exercise_checks;

type Choose = fn(Option<&str>, &[&str], &[bool], usize, &KeyedHash) -> (usize, Option<String>);

exercise_checks!(
    exercises_03,
    e4_sticky_cookie::choose,
    [
        a_new_client_gets_the_next_backend_and_a_cookie,
        the_cookie_selects_its_backend,
        a_restart_and_another_order_change_nothing,
        a_client_whose_backend_is_down_or_gone_gets_another,
        the_cookie_value_reveals_nothing,
        a_forged_cookie_is_ignored,
        other_cookies_may_surround_it,
        malformed_cookies_are_ignored,
    ]
);

const BACKENDS: [&str; 3] = ["10.0.0.7:80", "a-backend-with-a-longer-name.internal:8080", "[::1]:9001"];
const ALL_UP: [bool; 3] = [true; 3];

/// The failure message if a new client gets no cookie.
const NO_COOKIE: &str = "a new client should get a cookie, but gets none";

/// A hash with the key `secret`. (Truncated SHA-256 over both: enough for a check.)
fn with_secret(secret: &'static str) -> impl Fn(&str) -> u64 {
    move |text| {
        let digest: [u8; 32] =
            Sha256::new().chain_update(secret).chain_update([0]).chain_update(text).finalize().into();
        u64::from_be_bytes(digest[..8].try_into().unwrap())
    }
}

/// The cookie that a new client of backend `next` sends with its second request.
fn cookie_for(choose: Choose, next: usize, keyed_hash: &KeyedHash) -> String {
    let (backend, set_cookie) = choose(None, &BACKENDS, &ALL_UP, next, keyed_hash);
    assert_eq!(backend, next, "the backend without a cookie, when the next is {next}");
    let set_cookie = set_cookie.expect(NO_COOKIE);
    set_cookie.split(';').next().unwrap().trim().to_owned()
}

/// The meaning of the result of [`sent_to`], for failure messages.
const BACKEND_AND_NEW: &str = "(the backend, whether there is a new cookie)";

/// The backend that a client with these cookies gets, and whether it gets a new cookie.
fn sent_to(choose: Choose, cookies: &str, next: usize) -> (usize, bool) {
    let (backend, set_cookie) = choose(Some(cookies), &BACKENDS, &ALL_UP, next, &with_secret("s"));
    (backend, set_cookie.is_some())
}

fn a_new_client_gets_the_next_backend_and_a_cookie(choose: Choose) {
    for next in 0..3 {
        let (backend, set_cookie) = choose(None, &BACKENDS, &ALL_UP, next, &with_secret("s"));
        assert_eq!(backend, next, "the backend without a cookie, when the next is {next}");
        let set_cookie = set_cookie.expect(NO_COOKIE);
        let mut parts = set_cookie.split(';').map(str::trim);
        let pair = parts.next().unwrap();
        assert!(
            pair.starts_with("lb=") && pair.len() > 3,
            "the cookie should begin with `lb=`, and a value, but it is {set_cookie:?}"
        );
        let mut attributes: Vec<_> = parts.map(str::to_ascii_lowercase).collect();
        attributes.sort_unstable();
        assert_eq!(attributes, ["httponly", "path=/", "samesite=lax"], "the attributes of {set_cookie:?}");
    }
}

fn the_cookie_selects_its_backend(choose: Choose) {
    for backend in 0..3 {
        let cookie = cookie_for(choose, backend, &with_secret("s"));
        for next in 0..3 {
            let sent_to = sent_to(choose, &cookie, next);
            assert_eq!(sent_to, (backend, false), "{BACKEND_AND_NEW}, for {cookie:?} when the next is {next}");
        }
    }
}

fn a_restart_and_another_order_change_nothing(choose: Choose) {
    for (backend, name) in BACKENDS.iter().enumerate() {
        let cookie = cookie_for(choose, backend, &with_secret("s"));
        let reordered = ["new:80", BACKENDS[2], BACKENDS[0], BACKENDS[1]];
        // Another closure with the same secret: only the secret survives a restart.
        let (now, set_cookie) = choose(Some(&cookie), &reordered, &[true; 4], 0, &with_secret("s"));
        assert_eq!(reordered[now], *name, "{cookie:?} was made for {name}, and should select it");
        assert_eq!(set_cookie, None, "{cookie:?} is still valid, and should not be replaced");
    }
}

fn a_client_whose_backend_is_down_or_gone_gets_another(choose: Choose) {
    let keyed_hash = with_secret("s");
    let cookie = cookie_for(choose, 1, &keyed_hash);
    let (backend, set_cookie) = choose(Some(&cookie), &BACKENDS, &[true, false, true], 2, &keyed_hash);
    assert_eq!(backend, 2, "the backend when the next is 2, for the cookie of 1, which is down");
    let set_cookie = set_cookie.expect("a client with a new backend should get a new cookie, but gets none");
    let new = set_cookie.split(';').next().unwrap();
    assert_eq!(sent_to(choose, new, 0), (2, false), "{BACKEND_AND_NEW}, for the cookie of 2, after 1 is back");
    let (backend, set_cookie) = choose(Some(&cookie), &[BACKENDS[0], BACKENDS[2]], &[true; 2], 1, &keyed_hash);
    assert_eq!(
        (backend, set_cookie.is_some()),
        (1, true),
        "{BACKEND_AND_NEW}, for the cookie of a backend that is not listed any more"
    );
}

fn the_cookie_value_reveals_nothing(choose: Choose) {
    let values = |secret| {
        BACKENDS.map(|name| {
            let index = BACKENDS.iter().position(|backend| *backend == name).unwrap();
            cookie_for(choose, index, &with_secret(secret))
        })
    };
    let (one, other) = (values("s"), values("t"));
    for value in one.iter().chain(&other) {
        assert_eq!(value.len(), one[0].len(), "the length should not depend on the backend: {one:?} {other:?}");
    }
    // Bytes that are equal with two secrets do not come from the hash.
    for (one, other) in one.iter().zip(&other) {
        let pairs = one.trim_start_matches("lb=").bytes().zip(other.trim_start_matches("lb=").bytes());
        let equal = pairs.filter(|(one, other)| one == other).count();
        assert!(one != other && equal < 8, "{one:?} and, with another secret, {other:?} have {equal} bytes in common");
    }
    // The index is not in it: otherwise the cookies of the first backend of any list would begin alike.
    let first = |name| choose(None, &[name], &[true], 0, &with_secret("s")).1.unwrap_or_default();
    let all = ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1", "g:1", "h:1"].map(first);
    let start = |value: &String| value.chars().take(5).collect::<String>();
    assert!(
        all.iter().any(|value| start(value) != start(&all[0])),
        "the value should not reveal the index, but for the first backend it always begins with {:?}",
        start(&all[0])
    );
}

fn a_forged_cookie_is_ignored(choose: Choose) {
    let cookie = cookie_for(choose, 1, &with_secret("s"));
    let flipped = |index: usize| {
        let mut bytes = cookie.clone().into_bytes();
        bytes[index] = if bytes[index] == b'0' { b'1' } else { b'0' };
        String::from_utf8(bytes).unwrap()
    };
    let mut forged: Vec<_> = (3..cookie.len()).map(flipped).collect();
    forged.extend((3..cookie.len()).map(|end| cookie[..end].to_owned()));
    forged.extend([format!("{cookie}0"), cookie_for(choose, 1, &with_secret("another secret"))]);
    forged.extend(["lb=0", "lb=1", "lb=2", "lb=10.0.0.7:80", "lb=[::1]:9001"].map(str::to_owned));
    for forged in forged {
        for next in [0, 2] {
            let sent_to = sent_to(choose, &forged, next);
            assert_eq!(sent_to, (next, true), "{BACKEND_AND_NEW}, for {forged:?}, forged from {cookie:?}");
        }
    }
}

fn other_cookies_may_surround_it(choose: Choose) {
    let cookie = cookie_for(choose, 1, &with_secret("s"));
    let value = cookie.strip_prefix("lb=").unwrap();
    for cookies in [
        format!("a=1; {cookie}"),
        format!("{cookie}; z=2"),
        format!("a=1; {cookie}; z=\"2\""),
        format!("a=b=c; {cookie}"),
        format!("nonsense; {cookie}"),
        format!("lb=old; {cookie}"),
        format!("a=1;{cookie}"),
    ] {
        assert_eq!(sent_to(choose, &cookies, 0), (1, false), "{BACKEND_AND_NEW}, for {cookies:?}");
    }
    for cookies in [format!("xlb={value}"), format!("LB={value}"), format!("lbx={value}"), format!("a=\"{cookie}\"")] {
        assert_eq!(sent_to(choose, &cookies, 0), (0, true), "{BACKEND_AND_NEW}, for {cookies:?}, without an `lb`");
    }
}

fn malformed_cookies_are_ignored(choose: Choose) {
    for cookies in ["", "lb", "lb=", "=", ";", ";;;=;", "lb;", "lb==", "lb=é", "é=lb", "lb=+", " lb = ", "lb=\u{1f36a}"]
    {
        assert_eq!(sent_to(choose, cookies, 2), (2, true), "{BACKEND_AND_NEW}, for {cookies:?}");
    }
    let long = "lb=".to_owned() + &"a".repeat(100_000);
    assert_eq!(sent_to(choose, &long, 2), (2, true), "{BACKEND_AND_NEW}, for 100,000 bytes");
}
