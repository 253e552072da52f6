//! A configuration with everything it includes: read, parsed and checked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    check::{self, Document},
    diagnostic::{Code, Diagnostic, Diagnostics},
    jsonc::{Data, Member, Object, Value, parse},
    read::{io_reason, text_of},
    schema::{Section, keys},
    short_form,
    source::{SourceId, Sources},
};

/// A configuration as it was found.
#[derive(Debug)]
pub struct Loaded {
    /// Its texts.
    pub sources: Sources,
    /// What is wrong with it.
    pub diagnostics: Diagnostics,
    /// The whole of it in the full form, without defaults; `None` if there is an error.
    pub config: Option<Object>,
}

/// Loads a file and what it includes.
pub fn load(path: &Path) -> Loaded {
    let mut loader = Loader { sources: Sources::default(), diagnostics: Diagnostics::default() };
    let mut documents = Vec::new();
    if let Some((source, mut root)) = loader.parse_file(path) {
        let section = form_of(&mut root, &mut loader.diagnostics);
        let included = loader.include(source, &root);
        documents.push((root, section));
        documents.extend(included.into_iter().map(|root| (root, &keys::INCLUDED)));
    }
    let Loader { sources, mut diagnostics } = loader;
    check::documents(&documents, &sources, &mut diagnostics);
    let config = (diagnostics.errors() == 0).then(|| whole(&documents));
    Loaded { sources, diagnostics, config }
}

/// The keys that make a file one of the short form.
const SHORT_KEYS: [&str; 2] = ["listen_port", "backends"];
/// The keys that the short form stands for.
const FULL_KEYS: [&str; 4] = ["listeners", "groups", "routes", "include"];

/// Which form a document has. Keys of the other one are reported and taken out: they mean nothing here.
fn form_of(root: &mut Value, diagnostics: &mut Diagnostics) -> &'static Section {
    let Data::Object(object) = &mut root.data else { return &keys::ROOT };
    let of = |keys: &[&str]| {
        let is_one = |member: &&Member| keys.contains(&member.key.as_str());
        object.0.iter().find(is_one).map(|member| (member.key.clone(), member.key_span))
    };
    let (short, full) = match (of(&SHORT_KEYS), of(&FULL_KEYS)) {
        (Some(short), Some(full)) => (short, full),
        (Some(_), None) => return &keys::SHORT,
        (None, _) => return &keys::ROOT,
    };
    let is_short = short.1 < full.1;
    let (first, second) = if is_short { (short, full) } else { (full, short) };
    let message = format!("'{}' and '{}' exclude each other", second.0, first.0);
    let diagnostic = Diagnostic::new(Code::Conflict, second.1, message).path(second.0);
    let help =
        "'listen_port' and 'backends' are the short form of 'listeners', 'routes' and 'groups'; use one of the forms";
    diagnostics.push(diagnostic.related(first.1, "the other one").help(help));
    let others: &[&str] = if is_short { &FULL_KEYS } else { &SHORT_KEYS };
    object.0.retain(|member| !others.contains(&member.key.as_str()));
    if is_short { &keys::SHORT } else { &keys::ROOT }
}

struct Loader {
    sources: Sources,
    diagnostics: Diagnostics,
}

impl Loader {
    fn parse_file(&mut self, path: &Path) -> Option<(SourceId, Value)> {
        match text_of(path) {
            Ok(text) => {
                let source = self.sources.add(path, &text);
                Some((source, parse(&self.sources, source, &mut self.diagnostics)))
            }
            Err(diagnostic) => {
                self.diagnostics.push(*diagnostic);
                None
            }
        }
    }

    /// The documents that a root names, in order.
    fn include(&mut self, source: SourceId, root: &Value) -> Vec<Value> {
        let Some(included) = root.as_object().and_then(|object| object.get("include")) else { return Vec::new() };
        let mut documents = Vec::new();
        for value in included.one_or_more() {
            let Some(name) = value.as_text().filter(|name| !name.is_empty()) else { continue };
            let path = self.sources.get(source).resolve(name);
            match files_at(&path) {
                Ok(files) => {
                    documents.extend(files.iter().filter_map(|file| self.parse_file(file)).map(|(_, root)| root));
                }
                Err(error) => {
                    let message = format!("{}: {}", path.display(), io_reason(&error));
                    self.diagnostics.push(Diagnostic::new(Code::Include, value.span, message).path("include"));
                }
            }
        }
        documents
    }
}

/// A file, or the `*.json` files of a directory in the order of their names.
fn files_at(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !fs::metadata(path)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
    let is_config = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).filter(is_config).collect();
    files.sort();
    Ok(files)
}

/// All documents as one, in the full form.
fn whole(documents: &[Document]) -> Object {
    let mut whole = Object::default();
    for (root, section) in documents {
        let Some(object) = root.as_object() else { continue };
        let expanded = if std::ptr::eq(*section, &raw const keys::SHORT) {
            short_form::expand(object, root.span)
        } else {
            object.clone()
        };
        for member in expanded.0.into_iter().filter(|member| member.key != "include") {
            let known = whole.0.iter_mut().find(|known| known.key == member.key);
            match (known.map(|known| &mut known.value.data), member.value.data) {
                (Some(Data::Object(known)), Data::Object(more)) => known.0.extend(more.0),
                (Some(Data::Array(known)), Data::Array(more)) => known.extend(more),
                (_, data) => {
                    let value = Value { span: member.value.span, data };
                    whole.0.push(Member { value, ..member });
                }
            }
        }
    }
    whole
}
