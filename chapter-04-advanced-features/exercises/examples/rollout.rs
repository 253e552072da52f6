//! Runs your solution of 4.6 on a running balancer: `cargo run -p chapter-04-exercises --example rollout -- --help`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use common::{cli, outln};
use exercises_04::contracts::{AdminApi, AdminError, BackendStatus, Rollout, RolloutPlan, RolloutStatus};
use exercises_04::e6_rollout;
use integration_tests::{third_party::hyper_exchange, wait};
use serde_json::{Value, json};

/// Moves the traffic of a running balancer from blue backends to green ones, with the rollout that you wrote.
#[derive(Debug, Parser)]
#[command(name = "rollout")]
struct Args {
    /// Address of the balancer's admin interface, such as 127.0.0.1:9900
    admin: SocketAddr,
    /// Backends that serve now, such as 127.0.0.1:9001,127.0.0.1:9002
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    blue: Vec<String>,
    /// Backends that take over; they have weight 0 now
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    green: Vec<String>,
    /// Percent of the traffic for green, step by step
    #[arg(long, value_name = "PERCENT", value_delimiter = ',', default_value = "10,50,100")]
    steps: Vec<u32>,
    /// Minimum time that each step is observed
    #[arg(long, default_value = "5s", value_parser = cli::parse_duration)]
    hold: Duration,
    /// Requests that green must have had in a step before the next one
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    min_requests: u64,
    /// Percentage of them that may fail
    #[arg(long, value_name = "PERCENT", default_value_t = 5)]
    max_failed: u64,
}

fn main() -> ExitCode {
    let Args { admin, blue, green, steps, hold, min_requests, max_failed } = cli::parse();
    if !steps.is_sorted() || steps.first() == Some(&0) || steps.last() != Some(&100) {
        return cli::usage_error("--steps: expected numbers that rise from 1 or more to 100, such as 10,50,100");
    }
    let green = green.into_iter().map(|name| (name, 1)).collect();
    let plan = RolloutPlan { blue, green, steps, hold, min_requests, max_failed_percent: max_failed };
    match follow(&mut e6_rollout::rollout(plan), &mut HttpAdminApi(admin)) {
        RolloutStatus::Done => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// Ticks once a second until the rollout has ended, and prints each new status.
fn follow(rollout: &mut impl Rollout, admin: &mut HttpAdminApi) -> RolloutStatus {
    let mut previous = None;
    loop {
        let status = rollout.tick(now(), admin);
        if previous.as_ref() != Some(&status) {
            outln!("{status:?}");
        }
        if !matches!(status, RolloutStatus::InProgress(_) | RolloutStatus::RollingBack(_)) {
            return status;
        }
        previous = Some(status);
        wait::pause(Duration::from_secs(1));
    }
}

/// The admin interface of chapter 4's balancer.
struct HttpAdminApi(SocketAddr);

impl HttpAdminApi {
    /// Sends a request, and returns the JSON of a successful response.
    fn request(&self, method: &str, target: &str, body: Vec<u8>) -> Result<Value, AdminError> {
        let response = hyper_exchange(self.0, method, target, body).map_err(|_| AdminError::Unreachable)?;
        let json: Value = serde_json::from_slice(&response.body).map_err(|_| AdminError::Unreachable)?;
        match response.status.as_u16() {
            200..=299 => Ok(json),
            400..=499 => Err(AdminError::Rejected(json["error"].to_string())),
            _ => Err(AdminError::Unreachable),
        }
    }
}

impl AdminApi for HttpAdminApi {
    fn list(&mut self) -> Result<Vec<BackendStatus>, AdminError> {
        let json = self.request("GET", "/backends", Vec::new())?;
        let listed = |backend: &Value| {
            Some(BackendStatus {
                name: backend["name"].as_str()?.to_owned(),
                is_up: backend["state"] == "UP",
                weight: u32::try_from(backend["weight"].as_u64()?).ok()?,
                total: backend["total"].as_u64()?,
                failed: backend["failed"].as_u64()?,
            })
        };
        let backends = json["backends"].as_array().ok_or(AdminError::Unreachable)?;
        backends.iter().map(listed).collect::<Option<_>>().ok_or(AdminError::Unreachable)
    }

    fn set_weight(&mut self, name: &str, weight: u32) -> Result<(), AdminError> {
        let body = json!({ "weight": weight }).to_string().into_bytes();
        self.request("PUT", &format!("/backends/{name}/weight"), body).map(|_| ())
    }
}

#[expect(clippy::disallowed_methods, reason = "this example drives the rollout, so it reads the clock")]
fn now() -> Instant {
    Instant::now()
}
