//! The admin interface as a list of handlers: each chapter puts its own before those of the chapters it builds on.

use super::{
    request::{AdminRequest, AdminResponse},
    status::Help,
};

/// Serves some paths of the admin interface. Several threads may call it concurrently, and it may block: client traffic
/// does not wait for it.
pub trait AdminHandler: Send + Sync + 'static {
    /// What it serves, for the list at `GET /`: the method, the path and an example of the body.
    fn endpoints(&self) -> &'static [&'static str];

    /// The response; `None` if the path is none of its own.
    fn handle(&self, request: &AdminRequest) -> Option<AdminResponse>;
}

/// All handlers of an admin interface. The first that serves a path wins.
pub struct AdminHandlers {
    handlers: Vec<Box<dyn AdminHandler>>,
    read_only: bool,
}

impl AdminHandlers {
    /// These handlers, asked in this order.
    pub fn new(handlers: Vec<Box<dyn AdminHandler>>) -> Self {
        Self { handlers, read_only: false }
    }

    /// The same, but a request that would change something gets 403.
    #[must_use]
    pub fn read_only(self) -> Self {
        Self { read_only: true, ..self }
    }

    /// The response to a request: 404 if no handler serves its path. `GET /` lists the endpoints, unless a handler
    /// serves that path.
    pub fn handle(&self, request: &AdminRequest) -> AdminResponse {
        if self.read_only && !matches!(request.method.as_str(), "GET" | "HEAD") {
            return AdminResponse::error(
                403,
                "this interface is read-only; start the program with --admin to change it",
            );
        }
        let handled = self.handlers.iter().find_map(|handler| handler.handle(request));
        handled.unwrap_or_else(|| match (request.path.as_str(), request.method.as_str()) {
            ("/", "GET" | "HEAD") => {
                let endpoints: Vec<_> = self.handlers.iter().flat_map(|handler| handler.endpoints()).copied().collect();
                AdminResponse::json(200, &Help { help: &endpoints })
            }
            ("/", _) => AdminResponse::method_not_allowed("GET, HEAD"),
            _ => AdminResponse::error(404, "not found; GET / lists the endpoints"),
        })
    }
}

impl std::fmt::Debug for AdminHandlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.handlers.iter().map(|handler| handler.endpoints())).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers its path with its name.
    struct Named(&'static str, &'static [&'static str]);

    impl AdminHandler for Named {
        fn endpoints(&self) -> &'static [&'static str] {
            self.1
        }

        fn handle(&self, request: &AdminRequest) -> Option<AdminResponse> {
            self.1.contains(&&*request.path).then(|| AdminResponse::error(200, self.0))
        }
    }

    fn response(handlers: &AdminHandlers, method: &str, path: &str) -> (u16, String) {
        let request = AdminRequest { method: method.into(), path: path.into(), ..AdminRequest::default() };
        let AdminResponse { status, body, .. } = handlers.handle(&request);
        (status, body)
    }

    #[test]
    fn the_first_handler_that_serves_a_path_wins() {
        let handlers: Vec<Box<dyn AdminHandler>> =
            vec![Box::new(Named("one", &["/a", "/b"])), Box::new(Named("two", &["/b", "/c"]))];
        let handlers = AdminHandlers::new(handlers);
        for (path, name) in [("/a", "one"), ("/b", "one"), ("/c", "two")] {
            assert!(response(&handlers, "GET", path).1.contains(name), "{path}");
        }
        let (status, body) = response(&handlers, "GET", "/d");
        assert!(status == 404 && body.contains("GET / lists"), "{body}");
    }

    #[test]
    fn a_read_only_interface_refuses_all_but_reads() {
        let handlers = || AdminHandlers::new(vec![Box::new(Named("one", &["/a"]))]);
        for (method, status) in
            [("GET", 200), ("HEAD", 200), ("POST", 403), ("PUT", 403), ("DELETE", 403), ("get", 403)]
        {
            assert_eq!(response(&handlers().read_only(), method, "/a").0, status, "{method}");
            assert_eq!(response(&handlers(), method, "/a").0, 200, "{method}");
        }
        assert_eq!(response(&handlers().read_only(), "POST", "/d").0, 403, "whatever the path");
    }

    #[test]
    fn the_root_lists_the_endpoints_of_all_unless_a_handler_serves_it() {
        let listing = AdminHandlers::new(vec![Box::new(Named("one", &["/a"])), Box::new(Named("two", &["/c"]))]);
        let (status, body) = response(&listing, "GET", "/");
        assert_eq!(
            (status, serde_json::from_str::<serde_json::Value>(&body).unwrap()["help"].as_array().unwrap().len()),
            (200, 2)
        );
        assert_eq!(response(&listing, "POST", "/").0, 405);
        let page = AdminHandlers::new(vec![Box::new(Named("page", &["/"])), Box::new(Named("one", &["/a"]))]);
        assert!(response(&page, "GET", "/").1.contains("page"));
    }
}
