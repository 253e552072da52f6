//! The checks of exercise 2.5.

use std::time::{Duration, SystemTime};

use exercises_02::contracts::{BackendResponse, CacheRequest, LookupResult, Store, Validators};

use crate::exercise_checks;

exercise_checks!(
    exercises_02,
    e5_cache::cache,
    [
        a_fresh_response_is_found_until_it_expires,
        lifetime_and_age_follow_the_rules_for_shared_caches,
        only_shareable_responses_are_stored,
        responses_to_authorized_requests_are_not_shared,
        vary_selects_the_matching_response,
        a_stale_response_gives_its_validators,
        a_newer_response_replaces_the_older,
        the_least_recently_used_response_is_evicted,
        data_chosen_by_clients_counts_towards_the_limit,
    ]
);

const URI: &str = "http://shop.example/tea";
const LARGE: usize = 1 << 20;

type Fields<'a> = &'a [(&'a str, &'a str)];

fn get<'a>(uri: &'a str, fields: Fields<'a>) -> CacheRequest<'a> {
    CacheRequest { method: "GET", uri, fields }
}

fn ok<'a>(fields: Fields<'a>, body: &'a [u8]) -> BackendResponse<'a> {
    BackendResponse { status: 200, fields, body }
}

/// 12:00:00 on 20 November 2026, and then some.
fn noon_and(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_176_000 + seconds)
}

/// The result of a lookup, as text for failure messages.
fn describe(result: &LookupResult) -> String {
    match result {
        LookupResult::Fresh { response, age } => format!("{} at {}", response.body.escape_ascii(), age.as_secs()),
        LookupResult::Stale(_) => String::from("stale"),
        LookupResult::Miss => String::from("miss"),
    }
}

fn lookup<C: Store>(cache: &mut C, uri: &str, fields: Fields<'_>, seconds: u64) -> String {
    describe(&cache.lookup(&get(uri, fields), noon_and(seconds)))
}

/// A cache that stores one response with these headers, at noon.
fn cache_with<C: Store>(new: fn(usize) -> C, fields: Fields<'_>) -> C {
    let mut cache = new(LARGE);
    cache.store(&get(URI, &[]), &ok(fields, b"tea"), noon_and(0));
    cache
}

fn a_fresh_response_is_found_until_it_expires<C: Store>(new: fn(usize) -> C) {
    let fields = [("Content-Type", "text/plain"), ("Cache-Control", "max-age=60"), ("Age", "0"), ("X-A", "1")];
    let mut cache = cache_with(new, &fields);
    assert_eq!(lookup(&mut cache, URI, &[], 0), "tea at 0");
    assert_eq!(lookup(&mut cache, URI, &[("Accept", "x")], 59), "tea at 59");
    for other in ["http://other.example/tea", "http://shop.example/tea?", "http://shop.example/"] {
        assert_eq!(lookup(&mut cache, other, &[], 1), "miss", "what is found for {other}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let result = cache.lookup(&CacheRequest { method, ..get(URI, &[]) }, noon_and(1));
        assert_eq!(describe(&result), "miss", "what is found for a {method}");
    }
    let result = cache.lookup(&get(URI, &[]), noon_and(1));
    let LookupResult::Fresh { response, .. } = result else {
        panic!("it should be fresh after 1 s, but is {result:?}")
    };
    let kept = [("Content-Type", "text/plain"), ("Cache-Control", "max-age=60"), ("X-A", "1")];
    let kept = kept.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(response.fields, kept, "the headers should be as received, without Age");
    assert_eq!(lookup(&mut cache, URI, &[], 60), "miss", "what is found after 60 s, without a validator");
}

fn lifetime_and_age_follow_the_rules_for_shared_caches<C: Store>(new: fn(usize) -> C) {
    let noon = ("Date", "Fri, 20 Nov 2026 12:00:00 GMT");
    let cases: [(Fields<'_>, Option<u64>); 17] = [
        (&[("cache-control", "Public, MAX-AGE=60")], Some(60)),
        (&[("Cache-Control", "max-age=5, s-maxage=60")], Some(60)),
        (&[("Cache-Control", "s-maxage=5"), ("Cache-Control", "max-age=60")], Some(5)),
        (&[("Cache-Control", "x=\"a, max-age=9\"  ,max-age=\"60\"")], Some(60)),
        (&[("Cache-Control", "xmax-age=9,,\tmax-age=60")], Some(60)),
        (&[("Expires", "Fri, 20 Nov 2026 12:01:00 GMT"), noon], Some(60)),
        (&[("Expires", "Fri, 20 Nov 2026 12:01:00 GMT")], Some(60)),
        (&[("Expires", "Fri, 20 Nov 2026 13:00:00 GMT"), ("Cache-Control", "max-age=60"), noon], Some(60)),
        (&[("Expires", "Fri, 20 Nov 2026 11:00:00 GMT"), noon], None),
        (&[("Expires", "0"), noon], None),
        (&[("Cache-Control", "max-age=60"), ("Age", "50")], Some(10)),
        (&[("Cache-Control", "max-age=60"), ("Age", "60")], None),
        (&[("Cache-Control", "max-age=60"), ("Age", "5"), ("Date", "Fri, 20 Nov 2026 11:59:20 GMT")], Some(20)),
        (&[("Cache-Control", "max-age=-1")], None),
        (&[("Cache-Control", "max-age=soon")], None),
        (&[("Cache-Control", "max-age")], None),
        (&[("Cache-Control", "max-age=60, no-cache")], None),
    ];
    for (fields, fresh_for) in cases {
        let mut cache = cache_with(new, fields);
        let is_fresh = |cache: &mut C, seconds| lookup(cache, URI, &[], seconds).starts_with("tea");
        match fresh_for {
            None => assert!(!is_fresh(&mut cache, 0), "{fields:?} should never be fresh, but is at once"),
            Some(seconds) => {
                let last = seconds - 1;
                let fresh = is_fresh(&mut cache, last);
                assert!(fresh, "{fields:?} should be fresh for {seconds} s, but is not after {last} s");
                let too_long = is_fresh(&mut cache, seconds);
                assert!(!too_long, "{fields:?} should not be fresh after {seconds} s, but still is");
            }
        }
    }
    let mut cache = cache_with(new, &[("Cache-Control", "max-age=99999999999999999999")]);
    assert_eq!(
        lookup(&mut cache, URI, &[], 86_400),
        "tea at 86400",
        "a number that is too large should be a long time"
    );
}

fn only_shareable_responses_are_stored<C: Store>(new: fn(usize) -> C) {
    let good = ("Cache-Control", "max-age=60");
    let assert_not_stored = |request: CacheRequest<'_>, response: BackendResponse<'_>| {
        let mut cache = new(LARGE);
        let (status, fields) = (response.status, response.fields);
        let shown = format!("a {status} with {fields:?} to {request:?}");
        assert!(!cache.may_store(&request, &response), "this should not be stored, but may be: {shown}");
        cache.store(&request, &response, noon_and(0));
        assert_eq!(lookup(&mut cache, URI, request.fields, 1), "miss", "what is found after storing {shown}");
    };
    let may_store = new(LARGE).may_store(&get(URI, &[]), &ok(&[good], b"tea"));
    assert!(may_store, "a 200 to a GET with max-age=60 should be stored, but may not be");
    for method in ["POST", "HEAD", "PUT", "get"] {
        assert_not_stored(CacheRequest { method, ..get(URI, &[]) }, ok(&[good], b"tea"));
    }
    for status in [206, 301, 304, 404, 500] {
        assert_not_stored(get(URI, &[]), BackendResponse { status, ..ok(&[good], b"tea") });
    }
    let not_storable: [Fields<'_>; 9] = [
        &[],
        &[("Cache-Control", "public")],
        &[("ETag", "\"1\""), ("Last-Modified", "Fri, 20 Nov 2026 11:00:00 GMT")],
        &[("Cache-Control", "max-age=60, no-store")],
        &[good, ("cache-control", "NO-STORE")],
        &[good, ("Cache-Control", "s-maxage=60 , Private")],
        &[good, ("Cache-Control", "private=\"set-cookie, x-a\"")],
        &[good, ("Set-Cookie", "session=1")],
        &[good, ("Vary", "Accept, *")],
    ];
    for fields in not_storable {
        assert_not_stored(get(URI, &[]), ok(fields, b"tea"));
    }
    assert_not_stored(get(URI, &[("Cache-Control", "no-store")]), ok(&[good], b"tea"));
}

fn responses_to_authorized_requests_are_not_shared<C: Store>(new: fn(usize) -> C) {
    let alice = [("authorization", "Basic YWxpY2U6dGVh")];
    for (cache_control, is_shared) in [
        ("max-age=60", false),
        ("private, max-age=60", false),
        ("private, s-maxage=60", false),
        ("max-age=60, proxy-revalidate", false),
        ("max-age=60, x=\"1, public\"", false),
        ("max-age=60, public", true),
        ("max-age=60, Must-Revalidate", true),
        ("s-maxage=60", true),
    ] {
        let mut cache = new(LARGE);
        cache.store(&get(URI, &alice), &ok(&[("Cache-Control", cache_control)], b"tea"), noon_and(0));
        let expected = if is_shared { "tea at 1" } else { "miss" };
        for client in [&[][..], &[("Authorization", "Basic Ym9iOnRlYQ==")], &alice] {
            let result = lookup(&mut cache, URI, client, 1);
            assert_eq!(result, expected, "what is found of {cache_control}, for a request with {client:?}");
        }
    }
}

fn vary_selects_the_matching_response<C: Store>(new: fn(usize) -> C) {
    let mut cache = new(LARGE);
    let fields = [("Cache-Control", "max-age=60"), ("Vary", "Accept-Language ,"), ("vary", "X-Kind,\tX-Kind")];
    let german: Fields<'_> = &[("accept-language", "de"), ("X-Other", "1")];
    let english: Fields<'_> = &[("Accept-Language", "en"), ("x-kind", "green"), ("X-Kind", "black")];
    cache.store(&get(URI, german), &ok(&fields, b"Tee"), noon_and(0));
    cache.store(&get(URI, english), &ok(&fields, b"tea"), noon_and(1));
    for (request, expected) in [
        (german, "Tee at 2"),
        (english, "tea at 1"),
        (&[("ACCEPT-LANGUAGE", "de")], "Tee at 2"),
        (&[("X-KIND", "green"), ("x-kind", "black"), ("Accept-language", "en")], "tea at 1"),
        (&[("Accept-Language", "en")], "miss"),
        (&[("Accept-Language", "en"), ("X-Kind", "green")], "miss"),
        (&[("Accept-Language", "d")], "miss"),
        (&[("Accept-Language", "fr")], "miss"),
        (&[], "miss"),
    ] {
        assert_eq!(lookup(&mut cache, URI, request, 2), expected, "what is found for {request:?}");
    }
}

fn a_stale_response_gives_its_validators<C: Store>(new: fn(usize) -> C) {
    let fields = [("ETag", "W/\"1\""), ("Last-Modified", "Fri, 20 Nov 2026 11:00:00 GMT")];
    let both = Validators { etag: Some(fields[0].1.to_owned()), last_modified: Some(fields[1].1.to_owned()) };
    for (cache_control, request, at) in [
        ("max-age=60", &[][..], 60),
        ("max-age=60, no-cache", &[], 0),
        ("no-cache=\"x, y\", max-age=60", &[], 0),
        ("max-age=60", &[("cache-control", "x, No-Cache")], 0),
    ] {
        let mut cache = cache_with(new, &[("Cache-Control", cache_control), fields[0], fields[1]]);
        let result = cache.lookup(&get(URI, request), noon_and(at));
        assert_eq!(
            result,
            LookupResult::Stale(both.clone()),
            "what is found of {cache_control}, for a request with {request:?}"
        );
    }
    let mut cache = cache_with(new, &[("Cache-Control", "max-age=60"), fields[1]]);
    let one = Validators { etag: None, ..both };
    assert_eq!(cache.lookup(&get(URI, &[]), noon_and(99)), LookupResult::Stale(one), "what is found after 99 s");
    assert_eq!(lookup(&mut cache, URI, &[], 59), "tea at 59", "a stale response should stay in the store");
}

fn a_newer_response_replaces_the_older<C: Store>(new: fn(usize) -> C) {
    let mut cache = new(100_000);
    let (good, green) = (("Cache-Control", "max-age=60"), [("X-Kind", "green")]);
    cache.store(&get(URI, &green), &ok(&[good], b"old"), noon_and(0));
    cache.store(&get(URI, &green), &ok(&[good, ("Vary", "X-Kind")], b"new"), noon_and(1));
    assert_eq!(lookup(&mut cache, URI, &green, 2), "new at 1", "what is found of two responses");
    cache.store(&get("http://a/kept", &[]), &ok(&[good], b"kept"), noon_and(2));
    for number in 0..100 {
        let body = vec![b'0' + number % 10; 40_000];
        cache.store(&get(URI, &[]), &ok(&[good], &body), noon_and(3));
    }
    let result = lookup(&mut cache, URI, &[], 4);
    let is_newest = result.starts_with("999");
    assert!(is_newest, "the newest of a hundred responses should be found, but it is {result:.20}…");
    assert_eq!(
        lookup(&mut cache, "http://a/kept", &[], 4),
        "kept at 2",
        "a replaced response should not count any more"
    );
}

fn the_least_recently_used_response_is_evicted<C: Store>(new: fn(usize) -> C) {
    let mut cache = new(35_000);
    let put = |cache: &mut C, uri: &str, length: usize| {
        let fields = [("Cache-Control", "max-age=60"), ("ETag", "\"1\"")];
        cache.store(&get(uri, &[]), &ok(&fields, &vec![b'x'; length]), noon_and(0));
    };
    let has = |cache: &mut C, uri: &str, at: u64| lookup(cache, uri, &[], at) != "miss";
    for uri in ["http://a/1", "http://a/2", "http://a/3"] {
        put(&mut cache, uri, 10_000);
    }
    assert!(
        has(&mut cache, "http://a/1", 1),
        "three responses of 10,000 bytes should fit in 35,000, but http://a/1 is gone"
    );
    assert!(has(&mut cache, "http://a/2", 99), "http://a/2 should be stale and still stored, but it is gone");
    put(&mut cache, "http://a/4", 10_000);
    let has_3 = has(&mut cache, "http://a/3", 1);
    assert!(!has_3, "http://a/3 was least recently used and should be evicted, but it is still stored");
    assert!(has(&mut cache, "http://a/1", 1), "http://a/3 should be evicted, but http://a/1 is gone");
    put(&mut cache, "http://a/huge", 40_000);
    let has_huge = has(&mut cache, "http://a/huge", 1);
    assert!(!has_huge, "40,000 bytes should not be stored in a cache of 35,000, but they are");
    for uri in ["http://a/1", "http://a/2", "http://a/4"] {
        assert!(
            has(&mut cache, uri, 1),
            "{uri} should not be evicted for a response that does not fit, but it is gone"
        );
    }
    put(&mut cache, "http://a/5", 20_000);
    let left = ["http://a/1", "http://a/2", "http://a/4", "http://a/5"].map(|uri| has(&mut cache, uri, 1));
    assert_eq!(
        left,
        [false, false, true, true],
        "1, 2, 4 and 5: which are stored; as few as possible should be evicted"
    );
}

/// Stores responses without a body, more than fit, and counts those that are still stored.
fn data_chosen_by_clients_counts_towards_the_limit<C: Store>(new: fn(usize) -> C) {
    let kept = |name: &str, request: &dyn Fn(usize) -> (String, String), response: &dyn Fn(usize) -> String| {
        let mut cache = new(100_000);
        for number in 0..300 {
            let ((uri, value), header) = (request(number), response(number));
            let fields = [("Cache-Control", "max-age=60"), ("Vary", "X-Kind"), ("X-Header", header.as_str())];
            cache.store(&get(&uri, &[("X-Kind", &value)]), &ok(&fields, b""), noon_and(0));
        }
        let is_kept = |number: &usize| {
            let (uri, value) = request(*number);
            lookup(&mut cache, &uri, &[("X-Kind", &value)], 1) != "miss"
        };
        let kept = (0..300).rev().filter(is_kept).count();
        assert!(kept > 0, "{name}: some should be stored, but none is");
        assert!(kept <= 100, "{name}: of 1,000 bytes each at most 100 should fit in 100,000, but {kept} are stored");
    };
    let long = |number: usize| format!("{number:01000}");
    let short = |number: usize| format!("http://a/{number}");
    kept("URIs", &|number| (format!("http://a/{}", long(number)), String::new()), &|_| String::new());
    kept("values that Vary names", &|number| (short(number), long(number)), &|_| String::new());
    kept("headers", &|number| (short(number), String::new()), &long);
}
