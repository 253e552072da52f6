//! The resources of the admin API: their paths, and the methods that each allows.
//!
//! Paths and methods are matched separately, because an unknown path (404) and a method that a resource does not allow
//! (405, with the allowed ones) are different errors.

use super::request::{AdminRequest, AdminResponse};

/// The response to `GET /`: the endpoints.
pub const ENDPOINTS: &[&str] = &[
    "GET /backends[?group=NAME]",
    "POST /backends[?group=NAME] {\"backend\": \"host:port[:weight]\"}",
    "GET /backends/NAME",
    "POST /backends/NAME/drain",
    "POST /backends/NAME/enable",
    "PUT /backends/NAME/weight {\"weight\": 5}",
    "PUT /backends/NAME/max-connections {\"max_connections\": 100, or null}",
    "DELETE /backends/NAME[?force=true]",
    "GET /groups",
];

/// A resource of the admin API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The list of endpoints.
    Help,
    /// All groups.
    Groups,
    /// All backends, or those of one group.
    Backends,
    /// The backend with this name.
    Backend(String),
    /// Drains the backend: it gets no new clients.
    Drain(String),
    /// Ends the drain.
    Enable(String),
    /// The backend's weight.
    Weight(String),
    /// The backend's limit on concurrent requests.
    MaxConnections(String),
}

impl Resource {
    /// The resource of a request.
    ///
    /// # Errors
    /// Status 404 for an unknown path, 405 for a method that the resource does not allow.
    pub fn from_request(request: &AdminRequest) -> Result<Self, AdminResponse> {
        let segments = request.path_segments().unwrap_or_default();
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        let named = |name: &str| name.to_owned();
        let resource = match segments.as_slice() {
            [""] => Self::Help,
            ["groups"] => Self::Groups,
            ["backends"] => Self::Backends,
            ["backends", name] => Self::Backend(named(name)),
            ["backends", name, "drain"] => Self::Drain(named(name)),
            ["backends", name, "enable"] => Self::Enable(named(name)),
            ["backends", name, "weight"] => Self::Weight(named(name)),
            ["backends", name, "max-connections"] => Self::MaxConnections(named(name)),
            _ => return Err(AdminResponse::error(404, "not found; GET / lists the endpoints")),
        };
        let methods = resource.methods();
        if methods.split(", ").any(|method| method == request.method) {
            Ok(resource)
        } else {
            Err(AdminResponse::method_not_allowed(methods))
        }
    }

    /// The allowed methods, as listed in the `Allow` header.
    fn methods(&self) -> &'static str {
        match self {
            Self::Help | Self::Groups => "GET, HEAD",
            Self::Backends => "GET, HEAD, POST",
            Self::Backend(_) => "GET, HEAD, DELETE",
            Self::Drain(_) | Self::Enable(_) => "POST",
            Self::Weight(_) | Self::MaxConnections(_) => "PUT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_path_is_404_and_wrong_method_405() {
        const NAME: &str = "127.0.0.1:9001";
        let name = || NAME.to_owned();
        for (method, path, expected) in [
            ("GET", "/", Ok(Resource::Help)),
            ("HEAD", "/groups", Ok(Resource::Groups)),
            ("POST", "/backends", Ok(Resource::Backends)),
            ("DELETE", "/backends/127.0.0.1%3A9001", Ok(Resource::Backend(name()))),
            ("POST", "/backends/127.0.0.1:9001/drain", Ok(Resource::Drain(name()))),
            ("POST", "/backends/127.0.0.1:9001/enable", Ok(Resource::Enable(name()))),
            ("PUT", "/backends/127.0.0.1:9001/weight", Ok(Resource::Weight(name()))),
            ("PUT", "/backends/127.0.0.1:9001/max-connections", Ok(Resource::MaxConnections(name()))),
            ("POST", "/", Err((405, Some("GET, HEAD")))),
            ("PUT", "/backends", Err((405, Some("GET, HEAD, POST")))),
            ("get", "/backends/x", Err((405, Some("GET, HEAD, DELETE")))),
            ("GET", "/backends/x/drain", Err((405, Some("POST")))),
            ("POST", "/backends/x/weight", Err((405, Some("PUT")))),
            ("GET", "/backend", Err((404, None))),
            ("GET", "/backends/x/", Err((404, None))),
            ("GET", "/backends/x/y", Err((404, None))),
            ("GET", "/backends/%/drain", Err((404, None))),
            ("OPTIONS", "*", Err((404, None))),
        ] {
            let request = AdminRequest { method: method.into(), path: path.into(), ..AdminRequest::default() };
            let actual = Resource::from_request(&request).map_err(|response| (response.status, response.allow));
            assert_eq!(actual, expected, "{method} {path}");
        }
    }
}
