//! The run as resolved from the command line: every invalid option is rejected here, and the bytes of the request are
//! written once.

use std::{sync::Arc, time::Duration};

use crate::{
    expect::{Expectation, pattern},
    options::{Options, OptionsError},
    schedule::Limit,
    target::Target,
};

const DEFAULT_DURATION: Duration = Duration::from_secs(5);

/// What every thread needs; shared by all.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    /// Head and body, the same for every request.
    pub(crate) request: Vec<u8>,
    pub(crate) is_head: bool,
    pub(crate) expect: Expectation,
    pub(crate) connections: u32,
    pub(crate) threads: u32,
    pub(crate) limit: Limit,
    pub(crate) rate: Option<f64>,
    pub(crate) warm_up: Duration,
    pub(crate) timeout: Duration,
    pub(crate) new_connection: bool,
}

impl Plan {
    /// Resolves the target's name, so it may wait for DNS.
    pub(crate) fn of(options: &Options) -> Result<Arc<Self>, OptionsError> {
        let target = Target::resolve(&options.url, options.allow_remote)?;
        let method = options.method.as_deref().unwrap_or(if options.body_size > 0 { "POST" } else { "GET" });
        let mut expect = Expectation::of_path(&target.path);
        expect.statuses.clone_from(&options.expect_status);
        expect.body_len = options.expect_body_len.or(expect.body_len);
        expect.body_sha256 = options.expect_body_sha256;
        let limit = match options.requests {
            Some(requests) => Limit::Requests(requests),
            None => Limit::For(options.duration.unwrap_or(DEFAULT_DURATION)),
        };
        Ok(Arc::new(Self {
            request: request(method, &target, options)?,
            is_head: method == "HEAD",
            target,
            expect,
            connections: options.connections,
            // A thread without a connection would have nothing to do.
            threads: options.threads.min(options.connections),
            limit,
            rate: options.rate,
            warm_up: options.warm_up.unwrap_or_default(),
            timeout: options.timeout,
            new_connection: options.new_connection,
        }))
    }

    /// The number of connections of thread `index`.
    pub(crate) fn share(&self, index: u32) -> u32 {
        self.connections / self.threads + u32::from(index < self.connections % self.threads)
    }
}

fn request(method: &str, target: &Target, options: &Options) -> Result<Vec<u8>, OptionsError> {
    let has = |name: &str| options.headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name));
    let mut head = format!("{method} {} HTTP/1.1\r\n", target.path);
    let mut field = |name: &str, value: &str| head.extend([name, ": ", value, "\r\n"]);
    if !has("host") {
        field("Host", &target.authority);
    }
    // With `close` the server closes the connection, as after the last request of a real client.
    if options.new_connection && !has("connection") {
        field("Connection", "close");
    }
    if options.body_size > 0 || matches!(method, "POST" | "PUT" | "PATCH") {
        field("Content-Length", &options.body_size.to_string());
    }
    for (name, value) in &options.headers {
        field(name, value);
    }
    head.push_str("\r\n");
    let body_size = usize::try_from(options.body_size)
        .map_err(|_| OptionsError::Usage("--body-size is more than this machine can address".to_owned()))?;
    let mut request = head.into_bytes();
    request.append(&mut pattern(body_size));
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Arc<Plan> {
        let args = std::iter::once("load").chain(line.split(' ')).map(Into::into);
        Plan::of(&Options::read(args).unwrap()).unwrap()
    }

    #[test]
    fn writes_the_request_once() {
        let text = |line: &str| String::from_utf8(plan(line).request.clone()).unwrap();
        assert_eq!(text("127.0.0.1:81/a"), "GET /a HTTP/1.1\r\nHost: 127.0.0.1:81\r\n\r\n");
        assert_eq!(
            text("127.0.0.1:81 --body-size 3 --new-connection -H host:x"),
            "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 3\r\nhost: x\r\n\r\n\0\u{1}\u{2}"
        );
    }

    #[test]
    fn threads_share_all_connections() {
        let plan = plan("127.0.0.1:81 -c 8 -t 3");
        assert_eq!((0..3).map(|index| plan.share(index)).collect::<Vec<_>>(), [3, 3, 2]);
    }
}
