//! Which request goes where.

use crate::config::schema::{
    Key,
    Kind::{ByReference, Dictionary, Integer, List, Object, OneOfNumbers, OneOrMore, OrNull, Reference, Text},
    Namespace, Section, format, rules,
};

static MATCH: Section = Section {
    name: "the conditions of a route",
    keys: &[
        Key::new("host", Text(&format::HOST), "The host: exact, or with all its subdomains as *.HOST.")
            .computed("any")
            .flag("--route host="),
        Key::new("path", Text(&format::PATH), "The path: exact, a prefix as /api/*, or a suffix as *.png.")
            .computed("any")
            .flag("--route path="),
        Key::new("method", OneOrMore(&Text(&format::METHOD)), "The methods.").computed("any").flag("--route method="),
        Key::new(
            "header",
            Dictionary(&format::HEADER_NAME, &OrNull(&Text(&format::HEADER_VALUE))),
            "Headers and their values; null: present with any value.",
        )
        .flag("--route header="),
        Key::new(
            "query",
            Dictionary(&format::PARAMETER, &OrNull(&Text(&format::ANY_TEXT))),
            "Parameters of the query, compared decoded; null: any value.",
        )
        .flag("--route query="),
        Key::new(
            "cookie",
            Dictionary(&format::COOKIE_NAME, &OrNull(&Text(&format::HEADER_VALUE))),
            "Cookies; null: any value.",
        )
        .flag("--route cookie="),
    ],
    rules: &[],
};

static REDIRECT: Section = Section {
    name: "a redirect",
    keys: &[
        Key::new("status", OneOfNumbers(&[301, 302, 303, 307, 308]), "Its status.").default("308"),
        Key::new("to", Text(&format::REDIRECT_TARGET), "Where to; {path} and {query} are the request's.").required(),
    ],
    rules: &[],
};

static RESPOND: Section = Section {
    name: "a response",
    keys: &[
        Key::new("status", Integer(200, 599), "Its status.").default("200"),
        Key::new("body", Text(&format::ANY_TEXT), "Its body.").default("\"\""),
        Key::new("content_type", Text(&format::CONTENT_TYPE), "The Content-Type header.").default("\"text/plain\""),
    ],
    rules: &[],
};

static REWRITE: Section = Section {
    name: "a rewritten prefix",
    keys: &[
        Key::new("from", Text(&format::PATH_PREFIX), "The prefix that a path has.").required(),
        Key::new("to", Text(&format::PATH_PREFIX), "What stands there instead.").required(),
    ],
    rules: &[],
};

static HEADERS: Section = Section {
    name: "a header policy",
    keys: &[
        Key::new(
            "set",
            Dictionary(&format::HEADER_NAME, &Text(&format::HEADER_VALUE)),
            "Replaces all headers of this name.",
        ),
        Key::new("add", Dictionary(&format::HEADER_NAME, &Text(&format::HEADER_VALUE)), "Adds one of this name."),
        Key::new("remove", List(&Text(&format::HEADER_NAME)), "Removes all of these names."),
    ],
    rules: &[],
};

pub(super) static ROUTE: Section = Section {
    name: "a route",
    keys: &[
        Key::new("name", Text(&format::NAME), "Its name in logs, metrics and explanations.").computed("\"route N\", its number in the file"),
        Key::new("listeners", List(&Reference(Namespace::Listener)), "The listeners whose requests it is for.").computed("all http listeners"),
        Key::new("match", Object(&MATCH), "What a request must have, all of it. The most specific route wins, whatever its place: host, then path, then the most conditions.").computed("any request").flag("--route"),
        Key::new("group", Reference(Namespace::Group), "Where such requests go."),
        Key::new("groups", ByReference(Namespace::Group, &Integer(0, 65_535)), "Several groups with their weights, for canaries."),
        Key::new("redirect", Object(&REDIRECT), "A redirect instead."),
        Key::new("respond", Object(&RESPOND), "A response of the balancer's own instead."),
        Key::new("rewrite_prefix", Object(&REWRITE), "Replaces the start of the path."),
        Key::new("request_headers", Object(&HEADERS), "Changes of the request's headers."),
        Key::new("response_headers", Object(&HEADERS), "Changes of the response's headers."),
        Key::new("timeouts", Object(&super::timeouts::ROUTE_TIMEOUTS), "Its own timeouts."),
        Key::new("max_body", Text(&format::SIZE), "The largest request body; beyond it 413."),
        Key::new("allow", OneOrMore(&Text(&format::NETWORK)), "Clients that may use it; all others get 403. If a client is in networks of both, the most specific one wins, and allow on a tie."),
        Key::new("deny", OneOrMore(&Text(&format::NETWORK)), "Clients that get 403."),
        Key::new("limits", List(&Reference(Namespace::Limit)), "Its limits, in order.").flag("--limit"),
    ],
    rules: &[rules::route_target],
};
