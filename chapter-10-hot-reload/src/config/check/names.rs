//! Names that are defined, and names that are referred to.

use std::collections::BTreeMap;

use crate::config::{
    diagnostic::{Code, Diagnostic, Diagnostics, suggest},
    schema::Namespace,
    source::Span,
};

/// All names of a configuration.
#[derive(Debug, Default)]
pub(super) struct Names {
    defined: BTreeMap<(Namespace, String), Span>,
    references: Vec<Reference>,
}

#[derive(Debug)]
struct Reference {
    to: Namespace,
    name: String,
    span: Span,
    path: String,
}

impl Names {
    /// Defines a name. The place of the first, if it is known already.
    pub(super) fn define(&mut self, namespace: Namespace, name: &str, span: Span) -> Result<(), Span> {
        let known = self.defined.entry((namespace, name.to_owned())).or_insert(span);
        if *known == span { Ok(()) } else { Err(*known) }
    }

    /// Notes that a name is referred to; it may be defined later.
    pub(super) fn refer(&mut self, to: Namespace, name: &str, span: Span, path: String) {
        self.references.push(Reference { to, name: name.to_owned(), span, path });
    }

    /// Reports references to nothing.
    pub(super) fn check(&self, diagnostics: &mut Diagnostics) {
        for Reference { to, name, span, path } in &self.references {
            if self.defined.contains_key(&(*to, name.clone())) {
                continue;
            }
            let kind = to.as_str();
            let known = self.defined.keys().filter(|(namespace, _)| namespace == to).map(|(_, name)| name.as_str());
            let known: Vec<_> = known.collect();
            let help = match (suggest::nearest(name, known.iter().copied()), known.as_slice()) {
                (Some(nearest), _) => format!("did you mean \"{nearest}\"?"),
                (None, []) => format!("no {kind} is defined"),
                (None, known) => format!("known: {}", list(known)),
            };
            let shown = name.escape_debug();
            let diagnostic = Diagnostic::new(Code::DanglingName, *span, format!("there is no {kind} '{shown}'"));
            diagnostics.push(diagnostic.path(path.as_str()).help(help));
        }
    }
}

/// Up to ten names.
fn list(names: &[&str]) -> String {
    let shown = names[..names.len().min(10)].join(", ");
    if names.len() > 10 { format!("{shown} and {} more", names.len() - 10) } else { shown }
}
