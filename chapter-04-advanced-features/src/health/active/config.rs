//! The configuration of health checks: what is checked, and how often.
//!
//! A TCP check shows that a process listens; an HTTP check shows that it responds, and how. Use HTTP wherever the
//! backend speaks it: a process that hangs still accepts connections. On the command line a check is one word; omitted
//! options have their defaults.
//!
//! ```text
//! tcp                                         connects
//! http:/health                                GET /health, 200-399 expected
//! http:/health,expect=200-299|304,body=ok,port=9100,host=a.example,interval=5s,fast=1s,timeout=500ms,fall=2,rise=3
//! ```

use std::{fmt, str::FromStr, time::Duration};

use common::cli::parse_duration;

use super::{
    health_status::HealthStatusFactory,
    rise_fall::RiseFall,
    status_set::{StatusSet, StatusSetError},
};

/// A health check and its schedule. The defaults are HAProxy's (`inter 2s fall 3 rise 2`).
#[derive(Debug, Clone)]
pub struct CheckConfig {
    /// The kind of check.
    pub kind: CheckKind,
    /// The port to check, if it is not the one that requests go to.
    pub port: Option<u16>,
    /// From the end of one check to the next one of the same backend.
    pub interval: Duration,
    /// The interval while results contradict the status: three failures in a row then take two seconds, not six.
    pub fast_interval: Duration,
    /// The whole check must be over within this: connect, request and response.
    pub timeout: Duration,
    /// Consecutive failures that mark a backend down.
    pub fall: u32,
    /// Consecutive successes that mark it up.
    pub rise: u32,
    /// Each interval is longer or shorter by up to this fraction, so that many balancers do not check in step.
    pub jitter: f64,
    /// What the results add up to: the program's choice, not an option of the command line.
    pub health_status: HealthStatusFactory,
}

/// The kind of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// Connect.
    Tcp,
    /// `GET path`.
    Http {
        /// The path, with its leading slash.
        path: String,
        /// The `Host` header, if it is not the backend's own name.
        host: Option<String>,
        /// The statuses of a healthy backend.
        expected_statuses: StatusSet,
        /// What the first 64 KiB of the body must contain.
        body_contains: Option<String>,
    },
}

impl CheckConfig {
    /// A check of this kind with the default schedule.
    pub fn new(kind: CheckKind) -> Self {
        Self {
            kind,
            port: None,
            interval: Duration::from_secs(2),
            fast_interval: Duration::from_millis(500),
            timeout: Duration::from_secs(1),
            fall: 3,
            rise: 2,
            jitter: 0.05,
            health_status: RiseFall::boxed,
        }
    }
}

impl Default for CheckConfig {
    /// A TCP check.
    fn default() -> Self {
        Self::new(CheckKind::Tcp)
    }
}

/// Why a text is not a valid health check.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckConfigError {
    /// Neither of the two kinds.
    #[error("invalid health check '{0}': expected tcp or http:/path, then options such as ,interval=2s")]
    UnknownKind(String),
    /// Not a valid path for a request line.
    #[error("invalid path '{0}': it must start with / and contain only visible ASCII characters")]
    InvalidPath(String),
    /// Not `name=value`, or an unknown name.
    #[error(
        "unknown health check option '{0}'; known: port, interval, fast, timeout, fall, rise, jitter; http only: expect, body, host"
    )]
    UnknownOption(String),
    /// An option for HTTP checks on a TCP check, where it has no effect.
    #[error("option '{0}' applies to http checks only")]
    HttpOnly(String),
    /// An option that is given twice.
    #[error("option '{0}' is given twice")]
    Duplicate(String),
    /// An invalid value.
    #[error("'{option}': {expected}")]
    InvalidValue {
        /// The whole option.
        option: String,
        /// What was expected.
        expected: String,
    },
}

// ANCHOR: grammar
/// `KIND[,OPTION=VALUE]...`. A value cannot contain a comma; in a path it is written `%2C`.
impl FromStr for CheckConfig {
    type Err = CheckConfigError;

    fn from_str(text: &str) -> Result<Self, CheckConfigError> {
        let mut words = text.split(',');
        let mut check = Self::new(parse_kind(words.next().unwrap_or_default())?);
        let (mut seen, mut fast) = (Vec::new(), None);
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| CheckConfigError::UnknownOption(word.into()))?;
            if seen.contains(&name) {
                return Err(CheckConfigError::Duplicate(name.into()));
            }
            seen.push(name);
            let invalid_value = |expected: String| CheckConfigError::InvalidValue { option: word.into(), expected };
            match name {
                "port" => check.port = Some(parse_integer(value, 1, u16::MAX).map_err(invalid_value)?),
                "interval" => check.interval = parse_duration(value).map_err(invalid_value)?,
                "fast" => fast = Some(parse_duration(value).map_err(invalid_value)?),
                "timeout" => check.timeout = parse_duration(value).map_err(invalid_value)?,
                "fall" => check.fall = parse_integer(value, 1, 100).map_err(invalid_value)?,
                "rise" => check.rise = parse_integer(value, 1, 100).map_err(invalid_value)?,
                "jitter" => check.jitter = parse_percent(value).map_err(invalid_value)?,
                "expect" | "body" | "host" => check.kind.set_http_option(name, value, word)?,
                _ => return Err(CheckConfigError::UnknownOption(word.into())),
            }
        }
        // With an interval below the default fast interval, the fast interval is not slower.
        check.fast_interval = fast.unwrap_or(check.fast_interval.min(check.interval));
        Ok(check)
    }
}
// ANCHOR_END: grammar

impl CheckKind {
    fn set_http_option(&mut self, name: &str, value: &str, word: &str) -> Result<(), CheckConfigError> {
        let Self::Http { host, expected_statuses, body_contains, .. } = self else {
            return Err(CheckConfigError::HttpOnly(word.into()));
        };
        let invalid_value =
            |reason: &str| CheckConfigError::InvalidValue { option: word.into(), expected: reason.into() };
        match name {
            "expect" => {
                *expected_statuses =
                    value.parse().map_err(|error: StatusSetError| invalid_value(&error.to_string()))?;
            }
            "host" if !is_visible_ascii(value) => return Err(invalid_value("not a valid Host header value")),
            "host" => *host = Some(value.into()),
            _ if value.is_empty() => return Err(invalid_value("must not be empty")),
            _ => *body_contains = Some(value.into()),
        }
        Ok(())
    }
}

fn parse_kind(word: &str) -> Result<CheckKind, CheckConfigError> {
    match word.split_once(':') {
        None if word == "tcp" => Ok(CheckKind::Tcp),
        Some(("http", path)) if path.starts_with('/') && is_visible_ascii(path) && !path.contains('#') => {
            Ok(CheckKind::Http {
                path: path.into(),
                host: None,
                expected_statuses: StatusSet::default(),
                body_contains: None,
            })
        }
        Some(("http", path)) => Err(CheckConfigError::InvalidPath(path.into())),
        _ => Err(CheckConfigError::UnknownKind(word.into())),
    }
}

/// Text that is sent in a request line or a header must not contain a line end.
fn is_visible_ascii(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn parse_integer<T: FromStr + PartialOrd + fmt::Display + Copy>(text: &str, min: T, max: T) -> Result<T, String> {
    // Digits only: `parse` alone would also take `+3`.
    let number = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number
        .filter(|number| (&min..=&max).contains(&number))
        .ok_or_else(|| format!("expected an integer from {min} to {max}"))
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').ok_or_else(|| "expected a percentage such as 5%".to_owned())?;
    parse_integer(number, 0, 50).map(|percent: u8| f64::from(percent) / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn omitted_options_have_defaults() {
        let check: CheckConfig = "http:/health".parse().unwrap();
        assert_eq!((check.fall, check.rise, check.port), (3, 2, None));
        assert_eq!((check.interval, check.timeout), (Duration::from_secs(2), Duration::from_secs(1)));
        assert_eq!(check.fast_interval, Duration::from_millis(500));
        assert_eq!("tcp".parse::<CheckConfig>().unwrap().kind, CheckKind::Tcp);
        let CheckKind::Http { path, host: None, expected_statuses, body_contains: None } = check.kind else {
            panic!("{check:?}")
        };
        assert_eq!((path.as_str(), expected_statuses.to_string().as_str()), ("/health", "200-399"));
        assert_eq!("tcp,interval=100ms".parse::<CheckConfig>().unwrap().fast_interval, Duration::from_millis(100));
    }

    #[test]
    fn parses_every_option() {
        let text = "http:/h?x=1,expect=200-299|304,body=all ok=1,host=a.example:80,port=9100,interval=5s,fast=1s,\
                    timeout=500ms,fall=2,rise=4,jitter=10%";
        let check: CheckConfig = text.parse().unwrap();
        let CheckKind::Http { path, host, expected_statuses, body_contains } = &check.kind else { panic!("{check:?}") };
        assert_eq!((path.as_str(), host.as_deref()), ("/h?x=1", Some("a.example:80")));
        assert_eq!(
            (expected_statuses.to_string().as_str(), body_contains.as_deref()),
            ("200-299|304", Some("all ok=1"))
        );
        assert_eq!((check.port, check.fall, check.rise), (Some(9_100), 2, 4));
        let times = [check.interval, check.fast_interval, check.timeout].map(|time| time.as_millis());
        assert_eq!(times, [5_000, 1_000, 500]);
        assert!((check.jitter - 0.1).abs() < 1e-9);
    }

    #[test]
    fn errors_name_the_word_and_the_reason() {
        for (text, word, reason) in [
            ("", "''", "expected tcp or http:/path"),
            ("https:/x", "'https:/x'", "expected tcp or http:/path"),
            ("tcp:/x", "'tcp:/x'", "expected tcp or http:/path"),
            ("HTTP:/x", "'HTTP:/x'", "expected tcp or http:/path"),
            ("http", "'http'", "expected tcp or http:/path"),
            ("http:", "''", "must start with / and contain only visible"),
            ("http:health", "'health'", "must start with / and contain only visible"),
            ("http:/a b", "'/a b'", "must start with / and contain only visible"),
            ("http:/a\r\nX: 1", "'/a", "must start with / and contain only visible"),
            ("tcp,", "''", "unknown health check option"),
            ("tcp,interval", "'interval'", "unknown health check option"),
            ("tcp,inter=2s", "'inter=2s'", "unknown health check option"),
            ("tcp,expect=200", "'expect=200'", "applies to http checks only"),
            ("tcp,fall=1,fall=2", "'fall'", "given twice"),
            ("tcp,fall=0", "'fall=0'", "from 1 to 100"),
            ("tcp,rise=+1", "'rise=+1'", "from 1 to 100"),
            ("tcp,port=0", "'port=0'", "from 1 to 65535"),
            ("tcp,port=65536", "'port=65536'", "from 1 to 65535"),
            ("tcp,interval=2", "'interval=2'", "the unit is missing"),
            ("tcp,timeout=0s", "'timeout=0s'", "greater than zero"),
            ("tcp,jitter=5", "'jitter=5'", "percentage"),
            ("tcp,jitter=51%", "'jitter=51%'", "from 0 to 50"),
            ("http:/,expect=", "'expect='", "expected statuses"),
            ("http:/,expect=299-200", "'expect=299-200'", "expected statuses"),
            ("http:/,expect=200|600", "'expect=200|600'", "expected statuses"),
            ("http:/,body=", "'body='", "must not be empty"),
            ("http:/,host=a b", "'host=a b'", "not a valid Host header value"),
        ] {
            let error = text.parse::<CheckConfig>().expect_err(text).to_string();
            assert!(error.contains(reason) && error.contains(word), "{text:?}: {error}");
        }
    }
}
