//! The forms of strings. Most are parsed by the chapter that brought them in, so that a file and a command line accept the
//! same.

use std::{net::SocketAddr, str::FromStr, time::Duration};

use advanced_features::{
    health::{active::status_set::StatusSet, failure_statuses::FailureStatuses},
    routing::{
        HashKey,
        group_spec::MAX_WEIGHT,
        pattern::{HostPattern, PathPattern},
    },
};
use common::{cli::parse_network, endpoint::Endpoint};
use lb_metrics::access_log::{LogFormat, field::Field, sampling::SampleRate};
use rate_limiting::{rate::Rate, rule::KeySource};

use crate::config::diagnostic::Code;

/// A form of a string.
#[derive(Debug)]
pub struct Format {
    /// What it is, with its article.
    pub name: &'static str,
    /// One, without quotes.
    pub example: &'static str,
    /// A regular expression (ECMA 262) that every such string matches, for editors; empty if there is none.
    pub pattern: &'static str,
    /// Checks one.
    pub parse: fn(&str) -> Result<(), Fault>,
}

/// Why a string does not have a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of diagnostic.
    pub code: Code,
    /// One line; empty if "expected such a form" says it all.
    pub message: String,
}

impl Fault {
    fn format() -> Self {
        Self { code: Code::Format, message: String::new() }
    }

    fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

/// By the parser of an earlier chapter.
fn parsed<T: FromStr<Err: std::fmt::Display>>(text: &str) -> Result<(), Fault> {
    text.parse::<T>().map(drop).map_err(|error| Fault::new(Code::Format, error.to_string()))
}

fn is(valid: bool) -> Result<(), Fault> {
    if valid { Ok(()) } else { Err(Fault::format()) }
}

/// The longest duration: longer ones are typing errors, and an instant plus such a one must not overflow.
const MAX_DURATION: Duration = Duration::from_hours(365 * 24);

/// A whole number and its unit; of several units the first that fits.
fn with_unit(text: &str, units: &[(&str, u64)]) -> Result<u64, Fault> {
    let known = units.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    if number.is_empty() {
        return Err(Fault::format());
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let message = match unit {
            "" => format!("the unit is missing, one of {known}"),
            _ => format!("unknown unit '{unit}'; known units are {known}"),
        };
        return Err(Fault::new(Code::Unit, message));
    };
    let value = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
    value.ok_or_else(|| Fault::new(Code::Range, "this is too large"))
}

const TIME_UNITS: [(&str, u64); 6] =
    [("us", 1), ("ms", 1_000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000), ("d", 86_400_000_000)];
const SIZE_UNITS: [(&str, u64); 4] = [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];

/// A duration such as `500ms`, from 0 to one year.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, Fault> {
    let duration = Duration::from_micros(with_unit(text, &TIME_UNITS)?);
    if duration > MAX_DURATION {
        return Err(Fault::new(Code::Range, "the longest duration is one year, 365d"));
    }
    Ok(duration)
}

fn not_zero(is_zero: bool) -> Result<(), Fault> {
    if is_zero { Err(Fault::new(Code::Range, "it must be more than zero")) } else { Ok(()) }
}

/// A percentage as a whole number.
fn parse_percent(text: &str) -> Result<u64, Fault> {
    let digits = text.strip_suffix('%').ok_or_else(|| match text.parse::<u64>() {
        Ok(_) => Fault::new(Code::Unit, "the percent sign is missing"),
        Err(_) => Fault::format(),
    })?;
    is(!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    match digits.parse() {
        Ok(percent @ 0..=100) => Ok(percent),
        _ => Err(Fault::new(Code::Range, "it must be from 0% to 100%")),
    }
}

/// Whether a name consists of the characters of RFC 9110 §5.6.2, as those of headers, methods and cookies do.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// Whether a header can have this value: visible characters, blanks and tabs, none at its ends (RFC 9110 §5.5).
fn is_header_value(text: &str) -> bool {
    text.trim_matches([' ', '\t']) == text && text.chars().all(|c| c == '\t' || !c.is_control())
}

macro_rules! formats {
    ($($id:ident $name:literal $example:literal $pattern:literal $parse:expr;)+) => {
        $(
            #[doc = concat!("Such as `", $example, "`.")]
            pub(in crate::config) static $id: Format = Format { name: $name, example: $example, pattern: $pattern, parse: $parse };
        )+

        /// All of them, for tests.
        #[cfg(test)]
        pub(crate) static ALL: &[&Format] = &[$(&$id),+];
    };
}

formats! {
    DURATION "a duration" "500ms" "^[0-9]+(us|ms|s|m|h|d)$" |text| not_zero(parse_duration(text)?.is_zero());
    DURATION_OR_ZERO "a duration" "0s" "^[0-9]+(us|ms|s|m|h|d)$" |text| parse_duration(text).map(drop);
    SIZE "a size" "64KiB" "^[0-9]+(B|KiB|MiB|GiB)$" |text| not_zero(with_unit(text, &SIZE_UNITS)? == 0);
    BYTE_RATE "a rate of bytes" "1MiB/s" "^[0-9]+(B|KiB|MiB|GiB)/s$" |text| match text.strip_suffix("/s") {
        Some(size) => not_zero(with_unit(size, &SIZE_UNITS)? == 0),
        None => Err(Fault::new(Code::Unit, "it must end with '/s'")),
    };
    RATE "a rate of requests" "100/s" "^[0-9]+/[smh]$" parsed::<Rate>;
    PERCENT "a percentage" "20%" "^[0-9]{1,3}%$" |text| not_zero(parse_percent(text)? == 0);
    PERCENT_OR_ZERO "a percentage" "0%" "^[0-9]{1,3}%$" |text| parse_percent(text).map(drop);
    ADDRESS "an address and a port" "127.0.0.1:8080" "" |text| is(text.parse::<SocketAddr>().is_ok());
    LOOPBACK_ADDRESS "a loopback address and a port" "127.0.0.1:9900" "" |text| match text.parse::<SocketAddr>() {
        Ok(address) if !address.ip().is_loopback() =>
            Err(Fault::new(Code::Range, "only a loopback address is allowed: the admin interface changes the balancer")),
        address => is(address.is_ok()),
    };
    IP "an IP address" "127.0.0.1" "" |text| is(common::cli::parse_ip(text).is_ok());
    NETWORK "an address or a network" "10.0.0.0/8" "" |text| is(parse_network(text).is_ok());
    BACKEND "a backend" "127.0.0.1:9001:3" "" |text| match text.parse::<Endpoint>() {
        Ok(Endpoint { weight: Some(weight), .. }) if weight > MAX_WEIGHT =>
            Err(Fault::new(Code::Range, format!("a weight is at most {MAX_WEIGHT}"))),
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(Code::Format, error.to_string())),
    };
    BACKEND_HOST "a host name or an IP address" "10.0.0.1" "" |text| {
        let host = if text.contains(':') && !text.starts_with('[') { format!("[{text}]:1") } else { format!("{text}:1") };
        is(host.parse::<Endpoint>().is_ok_and(|endpoint| endpoint.weight.is_none()))
    };
    HOST "a host pattern" "*.example.com" "" parsed::<HostPattern>;
    PATH "a path pattern" "/api/*" "" parsed::<PathPattern>;
    PATH_PREFIX "a path that begins and ends with '/'" "/api/" "^/([^?#]*/)?$" |text| {
        is(text.starts_with('/') && text.ends_with('/') && format!("{text}*").parse::<PathPattern>().is_ok())
    };
    CHECK_PATH "a path" "/health" "^/" |text| is(text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'));
    METHOD "a method" "GET" "^[A-Z0-9!#$%&'*+.^_`|~-]+$" |text| is(is_token(text) && !text.bytes().any(|byte| byte.is_ascii_lowercase()));
    HEADER_NAME "the name of a header" "X-Env" "" |text| is(is_token(text));
    HEADER_VALUE "the value of a header" "beta" "" |text| is(is_header_value(text));
    PARAMETER "the name of a query parameter" "v" "" |text| is(!text.is_empty());
    COOKIE_NAME "the name of a cookie" "LB" "" |text| is(is_token(text));
    ANY_TEXT "a string" "ok" "" |_| Ok(());
    NAME "a name of 1 to 64 letters a-z, digits, '-' and '_'" "api" "^[a-z0-9_-]{1,64}$" |text| {
        let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        is((1..=64).contains(&text.len()) && text.bytes().all(is_right))
    };
    HASH_KEY "a hash key" "header:X-User" "" parsed::<HashKey>;
    LIMIT_KEY "ip, header:NAME, cookie:NAME, route, global or connection," "ip" "" |text| is(text == "connection" || text.parse::<KeySource>().is_ok());
    STATUSES "statuses and ranges of them" "200-299" "" parsed::<StatusSet>;
    FAILURE_STATUSES "statuses and ranges of them" "500-599" "" parsed::<FailureStatuses>;
    STATUS_OR_CLASS "a status or a class of them" "5xx" "^[45]([0-9]{2}|xx)$" |text| {
        is(matches!(text.as_bytes(), [b'4' | b'5', b'x', b'x']) || text.parse::<u16>().is_ok_and(|status| (400..600).contains(&status)))
    };
    SAMPLE "a sample" "1/100" "^1/[1-9][0-9]*$" parsed::<SampleRate>;
    LOG_FORMAT "a log format: json, common, combined or a template" "json" "" |text| match text {
        "json" | "common" | "combined" => Ok(()),
        template => LogFormat::<Field>::template(template).map(drop).map_err(|error| Fault::new(Code::Format, error)),
    };
    FILE_NAME "the name of a file" "access.log" "" |text| is(!text.is_empty() && !text.contains('\0'));
    CONTENT_TYPE "a media type" "text/plain" "" |text| is(is_header_value(text) && text.contains('/'));
    VARIABLE "the name of an environment variable" "TOKEN" "" |text| is(!text.is_empty() && !text.contains(['=', '\0']));
    UPSTREAM_HOST "client, backend or a host" "client" "" |text| is(text.parse::<HostPattern>().is_ok_and(|_| !text.starts_with('*')) || text.parse::<Endpoint>().is_ok());
    REDIRECT_TARGET "an absolute http or https URL, or a path" "https://example.com{path}" "" |text| {
        if text.starts_with("//") || text.starts_with("/\\") {
            return Err(Fault::new(Code::Format, "this would lead to another host, by whatever scheme; write https:// before it"));
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        is(text.bytes().all(|byte| byte.is_ascii_graphic()) && (text.starts_with('/') || rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_format_accepts_its_example() {
        for format in ALL {
            assert_eq!((format.parse)(format.example), Ok(()), "{}", format.name);
        }
    }

    #[test]
    fn units_are_required_and_bounded() {
        for (format, text, code) in [
            (&DURATION, "5", Code::Unit),
            (&DURATION, "5x", Code::Unit),
            (&DURATION, "5 s", Code::Unit),
            (&DURATION, "0s", Code::Range),
            (&DURATION, "366d", Code::Range),
            (&DURATION, "99999999999999999999s", Code::Range),
            (&DURATION, "s", Code::Format),
            (&DURATION, "-1s", Code::Format),
            (&SIZE, "64kB", Code::Unit),
            (&SIZE, "0B", Code::Range),
            (&BYTE_RATE, "1MiB", Code::Unit),
            (&BYTE_RATE, "1/s", Code::Unit),
            (&PERCENT, "20", Code::Unit),
            (&PERCENT, "101%", Code::Range),
            (&PERCENT, "0%", Code::Range),
            (&PERCENT, "1.5%", Code::Format),
            (&RATE, "100", Code::Format),
            (&LOOPBACK_ADDRESS, "0.0.0.0:1", Code::Range),
            (&ADDRESS, "localhost:80", Code::Format),
            (&REDIRECT_TARGET, "//evil.example/", Code::Format),
            (&REDIRECT_TARGET, "/\\evil.example/", Code::Format),
            (&REDIRECT_TARGET, "javascript:x", Code::Format),
            (&REDIRECT_TARGET, "https:///x", Code::Format),
            (&BACKEND_HOST, "a:1", Code::Format),
            (&STATUS_OR_CLASS, "200", Code::Format),
            (&NAME, "Api", Code::Format),
        ] {
            assert_eq!((format.parse)(text).map_err(|fault| fault.code), Err(code), "{} {text}", format.name);
        }
        for (format, text) in [
            (&DURATION, "100us"),
            (&DURATION, "365d"),
            (&DURATION_OR_ZERO, "0s"),
            (&BACKEND_HOST, "::1"),
            (&UPSTREAM_HOST, "a.example:80"),
        ] {
            assert_eq!((format.parse)(text), Ok(()), "{text}");
        }
    }
}
