//! Everything that can be wrong with a configuration that is JSON.
//!
//! [`documents`] goes through each document with its section's declaration, key by key; then it looks at what several keys
//! say together: names, routes, addresses. All faults are collected.

mod addresses;
mod names;
mod path;
mod resolution;
mod routes;
mod walk;

use self::{names::Names, walk::Walk};
use super::{
    diagnostic::Diagnostics,
    jsonc::{Object, Value},
    schema::Section,
    source::Sources,
};

/// A document, and what it must be.
pub type Document = (Value, &'static Section);

/// Checks the documents of one configuration: the file itself, and then what it includes.
pub fn documents(documents: &[Document], sources: &Sources, diagnostics: &mut Diagnostics) {
    let mut names = Names::default();
    for (root, section) in documents {
        Walk::new(sources, diagnostics, &mut names).root(root, section);
    }
    names.check(diagnostics);
    let roots: Vec<&Object> = documents.iter().filter_map(|(root, _)| root.as_object()).collect();
    routes::check(&roots, diagnostics);
    routes::check_names(&roots, diagnostics);
    routes::check_any(&roots, diagnostics);
    addresses::check(&roots, diagnostics);
    if diagnostics.errors() == 0 {
        resolution::check(&roots, diagnostics);
    }
}
