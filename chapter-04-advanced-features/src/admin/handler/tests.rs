//! Requests and their responses, as tables.

use std::{io, net::SocketAddr};

use common::clock::now;
use serde_json::Value;

use super::*;
use crate::{
    balance::{
        backend_factory::BackendFactory,
        group::{Affinity, GroupPolicy, LbPolicyConfig, Selection},
        policy::Algorithm,
    },
    routing::RouteTable,
};

/// Resolves all names except those in `.invalid`.
#[derive(Clone)]
struct StaticResolver;

impl load_balancer::dns_refresher::Resolve for StaticResolver {
    fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        if host.ends_with(".invalid") {
            return Err(io::Error::other("no such name"));
        }
        Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))])
    }
}

struct TestRouter {
    router: Arc<Router>,
    factory: BackendFactory,
}

impl AdminOperations for TestRouter {
    fn router(&self) -> Arc<Router> {
        Arc::clone(&self.router)
    }
    fn create_backend(&self, group: &Group, endpoint: &Endpoint) -> io::Result<Arc<Backend>> {
        self.factory.create(group, endpoint, now())
    }
}

impl TestRouter {
    /// Group `default` has `a:1` and `b:1` with wrr, group `plain` has `b:1` and `[::1]:1` with rr.
    fn new() -> Self {
        let factory = BackendFactory::new(StaticResolver);
        let group = |name: &str, algorithm, backends: &[&str]| {
            let lb_policy = LbPolicyConfig { algorithm, ..LbPolicyConfig::default() };
            let policy = GroupPolicy { lb_policy, ..GroupPolicy::default() };
            let group = Arc::new(Group::new(None, name.into(), policy, now()));
            let backend = |text: &&str| factory.create(&group, &text.parse().unwrap(), now()).unwrap();
            group.update_members(|members| members.extend(backends.iter().map(backend)));
            group
        };
        let groups = vec![
            group("default", Algorithm::WeightedRoundRobin, &["a:1", "b:1"]),
            group("plain", Algorithm::RoundRobin, &["b:1", "[::1]:1"]),
        ];
        let (no_rules, default) = (RouteTable::new(Vec::new(), &["default", "plain"]).unwrap(), Arc::clone(&groups[0]));
        let router = Arc::new(Router::new(groups, no_rules, default));
        Self { router, factory }
    }

    fn request(&self, method: &str, target: &str, body: &str) -> (u16, Value) {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let [method, path, query] = [method, path, query].map(str::to_owned);
        let request = AdminRequest { method, path, query, body: body.into(), ..AdminRequest::default() };
        let response = handle_request(self, &request, now()).expect("the path is that of a backend or group");
        (response.status, serde_json::from_str(&response.body).expect("it is JSON"))
    }

    /// The backends of the next picks in the default group, sorted.
    fn picks(&self, count: usize) -> String {
        let pick = |_| match self.router.groups()[0].choose(now(), Affinity::default(), &[]) {
            Selection::Backend(in_flight) => in_flight.backend().name()[..1].to_owned(),
            other => panic!("{other:?}"),
        };
        let mut picks: Vec<_> = (0..count).map(pick).collect();
        picks.sort();
        picks.concat()
    }
}

#[test]
fn invalid_requests_get_a_one_line_error_and_change_nothing() {
    const ADD: &str = "/backends";
    let long = format!(r#"{{"backend": "{}:1"}}"#, "x".repeat(300));
    for (method, target, body, status, expected) in [
        ("GET", "/backends/c:1", "", 404, "unknown backend 'c:1'"),
        ("GET", "/backends?group=x", "", 404, "unknown group 'x'"),
        ("GET", "/backends?grup=x", "", 400, "unknown query parameter 'grup=x'"),
        ("GET", "/backends?group=%", "", 400, "query"),
        ("PATCH", "/backends", "", 405, "GET, HEAD, POST"),
        ("POST", ADD, "", 400, "expected a body such as"),
        ("POST", ADD, "{", 400, "expected a body such as"),
        ("POST", ADD, "\u{0}\u{1}", 400, "expected a body such as"),
        ("POST", ADD, "[]", 400, "expected a body such as"),
        ("POST", ADD, r#"{"backend": 1}"#, 400, "expected a body such as"),
        ("POST", ADD, r#"{"backend": "c:1", "wight": 1}"#, 400, "unknown field `wight`"),
        ("POST", ADD, r#"{"backend": "c:1"} x"#, 400, "trailing"),
        ("POST", ADD, r#"{"backend": "c"}"#, 400, "is not host:port"),
        ("POST", ADD, r#"{"backend": "c:0"}"#, 400, "port"),
        ("POST", ADD, r#"{"backend": "c:1:-1"}"#, 400, "weight"),
        ("POST", ADD, r#"{"backend": "c:1:65536"}"#, 400, "more than 65535"),
        ("POST", ADD, r#"{"backend": "c\r\n:1"}"#, 400, "host"),
        ("POST", ADD, &long, 400, "host"),
        ("POST", ADD, r#"{"backend": "c.invalid:1"}"#, 400, "no such name"),
        ("POST", ADD, r#"{"backend": "a:1"}"#, 409, "already contains a:1"),
        ("POST", ADD, r#"{"backend": "A.:1:7"}"#, 409, "already"),
        ("POST", "/backends?group=x", r#"{"backend": "c:1"}"#, 404, "unknown group 'x'"),
        ("POST", "/backends?group=plain", r#"{"backend": "c:1:2"}"#, 409, "ignores weights"),
        ("POST", "/backends/b:1/drain", "", 409, "?group=default|plain"),
        ("POST", "/backends/c:1/drain", "", 404, "unknown backend"),
        ("PUT", "/backends/a:1/weight", r#"{"weight": -1}"#, 400, "expected a body such as"),
        ("PUT", "/backends/a:1/weight", r#"{"weight": 1.5}"#, 400, "expected a body such as"),
        ("PUT", "/backends/a:1/weight", r#"{"weight": 70000}"#, 400, "more than 65535"),
        ("PUT", "/backends/b:1/weight?group=plain", r#"{"weight": 2}"#, 409, "ignores weights"),
        ("PUT", "/backends/a:1/max-connections", r#"{"max_connections": 0}"#, 400, "drain the backend"),
        ("PUT", "/backends/a:1/max-connections", "{}", 400, "missing field"),
        ("DELETE", "/backends/a:1?force=yes", "", 400, "force=true"),
    ] {
        let router = TestRouter::new();
        let (_, before) = router.request("GET", "/backends", "");
        let (actual, json) = router.request(method, target, body);
        let error = json["error"].as_str().unwrap_or_default();
        assert_eq!(actual, status, "{method} {target} {body}: {json}");
        assert!(error.contains(expected) && !error.contains('\n'), "{method} {target} {body}: {error}");
        assert_eq!(router.request("GET", "/backends", "").1, before, "{method} {target}");
    }
}

#[test]
fn lists_show_backends_and_groups() {
    let router = TestRouter::new();
    let (status, json) = router.request("GET", "/backends", "");
    let names = |json: &Value| -> Vec<String> {
        let rows = json["backends"].as_array().unwrap();
        rows.iter().map(|row| format!("{} {}", row["group"], row["name"]).replace('"', "")).collect()
    };
    assert_eq!(status, 200);
    assert_eq!(names(&json), ["default a:1", "default b:1", "plain b:1", "plain [::1]:1"]);
    let expected = serde_json::json!({
        "group": "default", "name": "a:1", "state": "UP", "draining": false, "weight": 1, "in_flight": 0,
        "max_connections": null, "total": 0, "failed": 0
    });
    assert_eq!(json["backends"][0], expected);
    assert_eq!(router.request("GET", "/backends/a:1", ""), (200, expected));
    assert_eq!(names(&router.request("GET", "/backends?group=plain", "").1), ["plain b:1", "plain [::1]:1"]);
    assert_eq!(router.request("GET", "/backends/%5B0:0::1%5D:1", "").1["name"], "[::1]:1", "another spelling");
    let groups = router.request("GET", "/groups", "").1;
    assert_eq!(groups["groups"][1]["name"], "plain");
    assert_eq!(groups["groups"][0]["backends"], 2);
}

#[test]
fn added_backend_gets_its_share_and_removed_one_nothing() {
    let router = TestRouter::new();
    assert_eq!(router.picks(4), "aabb");
    let (status, json) = router.request("POST", "/backends?group=default", r#"{"backend": "c:1:2"}"#);
    assert_eq!((status, &json["name"], &json["weight"]), (201, &"c:1".into(), &2.into()));
    assert_eq!(router.picks(8), "aabbcccc");
    assert_eq!(router.request("DELETE", "/backends/a:1", "").0, 200);
    assert_eq!(router.picks(6), "bbcccc");
    assert_eq!(router.request("DELETE", "/backends/a:1", "").0, 404, "it was removed");
    assert_eq!(router.request("POST", "/backends", r#"{"backend": "a:1"}"#).0, 201, "it may be added again");
}

#[test]
fn removing_the_last_backend_needs_force() {
    let router = TestRouter::new();
    assert_eq!(router.request("DELETE", "/backends/a:1", "").0, 200);
    let (status, json) = router.request("DELETE", "/backends/b:1?group=default", "");
    assert_eq!(status, 409, "{json}");
    assert!(json["error"].as_str().unwrap().contains("?force=true"));
    assert_eq!(router.request("DELETE", "/backends/b:1?group=default&force=true", "").0, 200);
    assert!(matches!(router.router.groups()[0].choose(now(), Affinity::default(), &[]), Selection::NoBackend));
    assert_eq!(router.request("POST", "/backends", r#"{"backend": "a:1:0"}"#).0, 400, "no client would be served");
    assert_eq!(router.request("POST", "/backends", r#"{"backend": "a:1"}"#).0, 201);
}

#[test]
fn drained_backend_gets_nothing_until_enabled() {
    let router = TestRouter::new();
    let (status, json) = router.request("POST", "/backends/a:1/drain", "");
    assert_eq!((status, &json["state"], &json["draining"]), (200, &"DRAIN".into(), &true.into()));
    assert_eq!(router.picks(3), "bbb");
    assert_eq!(router.request("POST", "/backends/a:1/enable", "").1["state"], "UP");
    assert_eq!(router.picks(4), "aabb");
}

#[test]
fn weight_applies_from_the_next_pick_and_not_all_may_be_0() {
    let router = TestRouter::new();
    assert_eq!(router.request("PUT", "/backends/a:1/weight", r#"{"weight": 3}"#).1["weight"], 3);
    assert_eq!(router.picks(8), "aaaaaabb");
    assert_eq!(router.request("PUT", "/backends/a:1/weight", r#"{"weight": 0}"#).0, 200);
    assert_eq!(router.picks(3), "bbb");
    assert_eq!(router.request("PUT", "/backends/b:1/weight?group=default", r#"{"weight": 0}"#).0, 409);
    assert_eq!(router.request("DELETE", "/backends/b:1?group=default", "").0, 409, "the remaining one has weight 0");
}

#[test]
fn limit_is_set_and_removed_and_wakes_the_queue() {
    let router = TestRouter::new();
    let limit = |limit: &str| {
        router.request("PUT", "/backends/a:1/max-connections", &format!(r#"{{"max_connections": {limit}}}"#))
    };
    assert_eq!(limit("1").1["max_connections"], 1);
    let group = &router.router.groups()[0];
    let woken = Arc::new(WakeFlag::default());
    let ticket = group.queue.enqueue(Arc::clone(&woken).into(), common::clock::now()).unwrap();
    assert_eq!(router.request("GET", "/groups", "").1["groups"][0]["queued"], 1);
    assert_eq!(limit("null"), (200, router.request("GET", "/backends/a:1", "").1));
    assert!(woken.0.load(std::sync::atomic::Ordering::SeqCst), "the queued request tries again");
    drop(ticket);
}

#[derive(Default)]
struct WakeFlag(std::sync::atomic::AtomicBool);

impl std::task::Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}
