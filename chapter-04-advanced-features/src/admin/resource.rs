//! What a path names, and which methods it takes.
//!
//! Paths and methods apart, because a path that is not there (404) and a method that is not for it (405, with the
//! list of those that are) are two mistakes.

use super::request::{AdminRequest, AdminResponse};

/// What `GET /` answers: the routes, in the order in which one meets them.
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

/// What there is to ask about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resource {
    /// The list of all this.
    Help,
    /// All groups.
    Groups,
    /// All backends, or those of one group.
    Backends,
    /// The backend of this name.
    Backend(String),
    /// That it gets no new clients.
    Drain(String),
    /// That it gets them again.
    Enable(String),
    /// Its weight.
    Weight(String),
    /// The limit on requests at once to it.
    MaxConnections(String),
}

impl Resource {
    /// What the request is about.
    ///
    /// # Errors
    /// Status 404 for a path that names nothing, 405 for a method that is not for what it names.
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

    /// The methods that it takes, as `Allow` lists them.
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
    fn a_path_and_a_method_are_two_mistakes() {
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
            let got = Resource::from_request(&request).map_err(|response| (response.status, response.allow));
            assert_eq!(got, expected, "{method} {path}");
        }
    }
}
