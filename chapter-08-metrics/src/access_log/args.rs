//! The command line of the access log.

use std::time::Duration;

use clap::Args;
use common::cli::parse_duration;

use super::{
    AccessLogConfig, LogFormat, line_log::LineLogConfig, log_field::LogField, log_file::Target, sampling::SampleRate,
};

/// The options of the access log.
#[derive(Args, Clone, Debug)]
pub struct AccessLogArgs {
    /// File that gets a line per request, or - for standard output; --log-requests is --access-log -
    #[arg(long, value_name = "FILE", value_parser = parse_target)]
    access_log: Option<Target>,
    /// Format of a line: json, common, combined, or a template such as '{time} {client} {status} {end}' [default: json]
    #[arg(long, value_name = "FORMAT")]
    access_log_format: Option<String>,
    /// Log one of N requests that went well; all others are always logged [default: 1/1]
    #[arg(long, value_name = "1/N")]
    access_log_sample: Option<SampleRate>,
    /// Log and show [redacted] instead of the query of a URL
    #[arg(long)]
    access_log_redact_query: bool,
    /// From when on a request is slow, so that the admin interface lists it at /requests
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_duration)]
    slow: Duration,
}

fn parse_target(text: &str) -> Result<Target, String> {
    if text.is_empty() {
        return Err("expected a file, or - for standard output".to_owned());
    }
    Ok(Target::from(text))
}

impl AccessLogArgs {
    /// What they ask for. `log_requests`: --log-requests was given; `has_admin`: there is an interface that shows recent
    /// requests.
    ///
    /// # Errors
    /// They contradict each other, in one line.
    pub fn into_config(self, log_requests: bool, has_admin: bool) -> Result<AccessLogConfig, String> {
        let (redact_query, slow) = (self.access_log_redact_query, self.slow);
        Ok(AccessLogConfig { lines: self.into_lines(log_requests)?, redact_query, keeps_recent: has_admin, slow })
    }

    /// What they ask for, of a log whose lines have fields `F`; `None`: there is no log. `log_requests`: --log-requests
    /// was given, which asks for a log on standard output.
    ///
    /// # Errors
    /// They contradict each other, or there is no such format, in one line.
    pub fn into_lines<F: LogField>(self, log_requests: bool) -> Result<Option<LineLogConfig<F>>, String> {
        let Self { access_log, access_log_format, access_log_sample, .. } = self;
        if log_requests && access_log.as_ref().is_some_and(|target| *target != Target::Stdout) {
            return Err("--log-requests is --access-log -; choose one of the two".to_owned());
        }
        let target = access_log.or(log_requests.then_some(Target::Stdout));
        for (option, is_given) in
            [("--access-log-format", access_log_format.is_some()), ("--access-log-sample", access_log_sample.is_some())]
        {
            if is_given && target.is_none() {
                return Err(format!("{option} needs --access-log FILE"));
            }
        }
        // Not by the parser of the command line: it does not know which fields there are.
        let format = access_log_format.map_or_else(|| Ok(LogFormat::json()), |text| text.parse());
        let format = format.map_err(|reason| format!("--access-log-format: {reason}"))?;
        Ok(target.map(|target| LineLogConfig { target, format, sample: access_log_sample.unwrap_or_default() }))
    }
}
