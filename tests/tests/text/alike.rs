//! Compares printed output with the page's, except for what differs between runs.

/// Whether the lines match. A line `...` on the page stands for any number of lines.
pub(crate) fn alike(page: &[impl AsRef<str>], printed: &[impl AsRef<str>]) -> bool {
    let Some((first, rest)) = page.split_first() else { return printed.is_empty() };
    if first.as_ref().trim() == "..." {
        return (0..=printed.len()).any(|skipped| alike(rest, &printed[skipped..]));
    }
    printed.split_first().is_some_and(|(line, more)| matches(first.as_ref(), line.as_ref()) && alike(rest, more))
}

/// Whether a line matches. `...` on the page stands for any text.
pub(crate) fn matches(page: &str, printed: &str) -> bool {
    let (page, printed) = (steady(page), steady(printed));
    let mut parts = page.split("...");
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    last.map_or(rest.is_empty(), |part| part.is_empty() || rest.is_empty() || printed.ends_with(part))
}

/// The port numbers in a line, in order.
pub(crate) fn ports(line: &str) -> Vec<u16> {
    let after = |(at, _): (usize, &str)| {
        let digits: String = line[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    line.match_indices(':').filter_map(after).collect()
}

/// The line with values that differ between runs normalized: ports, times, durations, identifiers, dates.
fn steady(line: &str) -> String {
    let line = line.trim_end();
    let name = line.split_once(':').map_or("", |(name, _)| name);
    // The length changes with the digits of the port in the body; the body itself is compared.
    if ["date", "content-length"].iter().any(|volatile| name.eq_ignore_ascii_case(volatile)) {
        return name.to_ascii_lowercase();
    }
    // A line and a column follow the name of a file, not a port.
    let is_place = line.trim_start().starts_with("--> ");
    let mut out = String::new();
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        let word: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '.').collect();
        if word.is_empty() {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        }
        let is_port = !is_place && out.ends_with(':') && !out.ends_with("\":") && word.parse::<u16>().is_ok();
        out.push_str(if is_port { "PORT" } else { kind(&word) });
        rest = &rest[word.len()..];
    }
    // The width of columns depends on their content.
    out.split(' ').filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// The normalized form of a word: itself, unless it is a time, a duration or an identifier.
fn kind(word: &str) -> &str {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_decimal = word.split_once('.').is_some_and(|(whole, part)| is_number(whole) && is_number(part));
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    match word.len() {
        _ if is_decimal => "DECIMAL",
        10.. if digits == word.len() => "TIME",
        8 | 32 if is_hex && digits > 0 => "ID",
        _ => word,
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn what_differs_from_run_to_run_is_alike() {
    for (page, printed) in [
        ("listening on 127.0.0.1:8080", "listening on 127.0.0.1:40123"),
        (r#"{"port":9001,"timestamp":1767225600,"#, r#"{"port":9001,"timestamp":1767229999,"#),
        ("--- statistics after 3.1 s", "--- statistics after 12.25 s"),
        ("date: Thu, 01 Jan 1970 00:00:00 GMT", "Date: Fri, 02 Jan 1970 00:00:01 GMT"),
        ("Content-Length: 113", "Content-Length: 114"),
        ("via: 1.1 reverse_proxy-0a1b2c3d", "via: 1.1 reverse_proxy-99999999"),
        ("x-request-id: 0123456789abcdef0123456789abcdef", "x-request-id: ffffffffffffffff0000000000000001"),
        ("a ... z", "a b c z"),
        ("HTTP/1.1 200 OK...", "HTTP/1.1 200 OK"),
        ("127.0.0.1:9001  UP  0", "127.0.0.1:40123      UP      0"),
    ] {
        assert!(matches(page, printed), "{page} | {printed}");
    }
}

#[test]
fn other_differences_are_not_alike() {
    for (page, printed) in [
        ("HTTP/1.1 200 OK", "HTTP/1.1 502 Bad Gateway"),
        (r#"{"port":9001}"#, r#"{"port":9002}"#),
        ("backend-1", "backend-2"),
        ("a ... z", "a b c"),
        ("a", "a b"),
        ("127.0.0.1:9001  UP  0  3  0", "127.0.0.1:9001  UP  0  4  0"),
        ("127.0.0.1:9001  UP", "127.0.0.1:9001  DOWN"),
        ("  --> lb.json:12:30", "  --> lb.json:12:31"),
    ] {
        assert!(!matches(page, printed), "{page} | {printed}");
    }
    assert!(alike(&["a", "...", "d"], &["a", "b", "c", "d"]) && alike(&["a", "..."], &["a"]));
    assert!(!alike(&["a", "...", "d"], &["a", "b"]) && !alike(&["a"], &["a", "b"]) && !alike(&["a"], &[] as &[&str]));
}

#[test]
fn ports_stand_behind_colons() {
    assert_eq!(ports("  backend-1 on 127.0.0.1:9001 and localhost:9002"), [9001, 9002]);
}
