//! The resources of the admin API: their paths, and the methods that each allows.
//!
//! Paths and methods are matched separately, because an unknown path (404) and a method that a resource does not allow
//! (405, with the allowed ones) are different errors.

use super::request::{AdminRequest, AdminResponse};

/// The endpoints, for the list at `GET /`.
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
    /// The resource of a request; `None` for another path.
    pub fn from_path(request: &AdminRequest) -> Option<Self> {
        let segments = request.path_segments()?;
        let segments: Vec<_> = segments.iter().map(String::as_str).collect();
        let named = |name: &str| name.to_owned();
        Some(match segments.as_slice() {
            ["groups"] => Self::Groups,
            ["backends"] => Self::Backends,
            ["backends", name] => Self::Backend(named(name)),
            ["backends", name, "drain"] => Self::Drain(named(name)),
            ["backends", name, "enable"] => Self::Enable(named(name)),
            ["backends", name, "weight"] => Self::Weight(named(name)),
            ["backends", name, "max-connections"] => Self::MaxConnections(named(name)),
            _ => return None,
        })
    }

    /// Checks the method of a request for this resource.
    ///
    /// # Errors
    /// Status 405 for a method that it does not allow.
    pub fn check_method(&self, request: &AdminRequest) -> Result<(), AdminResponse> {
        let methods = self.methods();
        if methods.split(", ").any(|method| method == request.method) {
            Ok(())
        } else {
            Err(AdminResponse::method_not_allowed(methods))
        }
    }

    /// The allowed methods, as listed in the `Allow` header.
    fn methods(&self) -> &'static str {
        match self {
            Self::Groups => "GET, HEAD",
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
            ("HEAD", "/groups", Ok(Resource::Groups)),
            ("POST", "/backends", Ok(Resource::Backends)),
            ("DELETE", "/backends/127.0.0.1%3A9001", Ok(Resource::Backend(name()))),
            ("POST", "/backends/127.0.0.1:9001/drain", Ok(Resource::Drain(name()))),
            ("POST", "/backends/127.0.0.1:9001/enable", Ok(Resource::Enable(name()))),
            ("PUT", "/backends/127.0.0.1:9001/weight", Ok(Resource::Weight(name()))),
            ("PUT", "/backends/127.0.0.1:9001/max-connections", Ok(Resource::MaxConnections(name()))),
            ("POST", "/groups", Err((405, Some("GET, HEAD")))),
            ("PUT", "/backends", Err((405, Some("GET, HEAD, POST")))),
            ("get", "/backends/x", Err((405, Some("GET, HEAD, DELETE")))),
            ("GET", "/backends/x/drain", Err((405, Some("POST")))),
            ("POST", "/backends/x/weight", Err((405, Some("PUT")))),
            ("GET", "/", Err((404, None))),
            ("GET", "/backend", Err((404, None))),
            ("GET", "/backends/x/", Err((404, None))),
            ("GET", "/backends/x/y", Err((404, None))),
            ("GET", "/backends/%/drain", Err((404, None))),
            ("OPTIONS", "*", Err((404, None))),
        ] {
            let request = AdminRequest { method: method.into(), path: path.into(), ..AdminRequest::default() };
            let actual = match Resource::from_path(&request) {
                Some(resource) => resource.check_method(&request).map(|()| resource),
                None => Err(AdminResponse::error(404, "no such path")),
            };
            let actual = actual.map_err(|response| (response.status, response.allow));
            assert_eq!(actual, expected, "{method} {path}");
        }
    }
}
