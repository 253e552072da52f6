//! What was found out, as data: for a person and for programs.

use std::fmt::{self, Write as _};

use serde::Serialize;

/// What happens to a request.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// The listener it comes in at.
    pub listener: String,
    /// The route that it takes; `None`: no route is for it.
    pub route: Option<String>,
    /// The group that it goes to; `None` if it goes to none, or if chance decides.
    pub group: Option<String>,
    /// The groups among which chance decides, with their shares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<(String, String)>,
    /// The backend that it goes to; `None` if it goes to none, or if it is not decided by the request alone.
    pub backend: Option<String>,
    /// The status that the balancer itself responds with.
    pub status: Option<u16>,
    /// Why it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The limits that apply to it.
    pub limits: Vec<LimitReport>,
    /// How a backend is picked.
    pub algorithm: Option<String>,
    /// All routes, and why each was or was not taken.
    pub routes: Vec<RouteReport>,
    /// All backends of the group.
    pub backends: Vec<BackendReport>,
}

/// One limit.
#[derive(Clone, Debug, Serialize)]
pub struct LimitReport {
    /// Its name.
    pub name: String,
    /// What it does.
    pub verdict: Verdict,
    /// More about that.
    pub reason: String,
}

/// What a limit does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It counts it.
    Counted,
    /// Its client is exempt.
    Exempt,
    /// It does not apply.
    Skipped,
}

/// One route.
#[derive(Clone, Debug, Serialize)]
pub struct RouteReport {
    /// Its name.
    pub name: String,
    /// Whether the request takes it.
    pub selected: bool,
    /// Why, or why not.
    pub reason: String,
}

/// One backend.
#[derive(Clone, Debug, Serialize)]
pub struct BackendReport {
    /// Its name.
    pub name: String,
    /// Whether the request goes to it.
    pub selected: bool,
    /// Its share of such requests, if chance, turns or load decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<String>,
    /// Why, or why not.
    pub reason: String,
}

impl Explanation {
    /// Of a request that has come in at `listener`.
    pub(super) fn new(listener: &str) -> Self {
        Self {
            listener: listener.to_owned(),
            route: None,
            group: None,
            groups: Vec::new(),
            backend: None,
            status: None,
            why: None,
            limits: Vec::new(),
            algorithm: None,
            routes: Vec::new(),
            backends: Vec::new(),
        }
    }

    /// Of a request that the balancer refuses.
    pub(super) fn refused(listener: &str, status: u16, why: impl Into<String>) -> Self {
        Self { status: Some(status), why: Some(why.into()), ..Self::new(listener) }
    }
}

/// For a person: what happens first, then why nothing else does.
impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let none = || "none".to_owned();
        let mut rows = vec![("listener", self.listener.clone()), ("route", self.route.clone().unwrap_or_else(none))];
        if let Some(status) = self.status {
            let why = self.why.as_deref().map_or_else(String::new, |why| format!(": {why}"));
            rows.push(("status", format!("{status}{why}")));
        } else {
            let shares = self.groups.iter().map(|(name, share)| format!("{name} ({share})"));
            let shares = shares.collect::<Vec<_>>().join(" or ");
            rows.push(("group", self.group.clone().unwrap_or(shares)));
        }
        if let Some(algorithm) = &self.algorithm {
            rows.push(("algorithm", algorithm.clone()));
            rows.push(("backend", self.backend.clone().unwrap_or_else(|| "one of those below".to_owned())));
        }
        let mut text = String::new();
        for (name, value) in rows {
            writeln!(text, "{name:<10}{value}")?;
        }
        let limits =
            self.limits.iter().map(|limit| (limit.verdict == Verdict::Counted, &limit.name, "", &limit.reason));
        section(&mut text, "limits", limits)?;
        let routes = self.routes.iter().map(|route| (route.selected, &route.name, "", &route.reason));
        section(&mut text, "routes", routes)?;
        let backends = self.backends.iter();
        let backends = backends
            .map(|backend| (backend.selected, &backend.name, backend.share.as_deref().unwrap_or(""), &backend.reason));
        section(&mut text, "backends", backends)?;
        f.write_str(text.trim_end())
    }
}

/// A heading and a line for each row; `>` marks what the request meets.
fn section<'a>(
    text: &mut String,
    heading: &str,
    rows: impl Iterator<Item = (bool, &'a String, &'a str, &'a String)> + Clone,
) -> fmt::Result {
    let width = rows.clone().map(|(_, name, ..)| name.chars().count()).max();
    let Some(width) = width else { return Ok(()) };
    writeln!(text, "\n{heading}")?;
    for (selected, name, share, reason) in rows {
        let mark = if selected { '>' } else { ' ' };
        let share = if share.is_empty() { String::new() } else { format!("{share}: ") };
        writeln!(text, "{mark} {name:<width$}  {share}{reason}")?;
    }
    Ok(())
}
