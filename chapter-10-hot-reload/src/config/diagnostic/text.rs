//! Diagnostics for a person: the line, and a caret under what is wrong in it.

use annotate_snippets::{Annotation, AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostics, Severity, message::Diagnostic};
use crate::config::source::{SourceId, Sources, Span};

/// More would not be read: the first ones often cause the others.
const MAX_SHOWN: usize = 20;

/// Up to 20 diagnostics, then "and N more". Empty if there are none. Ends without a newline.
///
/// `in_color`: with the escape sequences of a terminal.
pub fn render(diagnostics: &Diagnostics, sources: &Sources, in_color: bool) -> String {
    let renderer = if in_color { Renderer::styled() } else { Renderer::plain() };
    let mut shown: Vec<_> =
        diagnostics.iter().take(MAX_SHOWN).map(|diagnostic| one(&renderer, diagnostic, sources)).collect();
    let hidden = diagnostics.errors() + diagnostics.warnings() - shown.len();
    if hidden > 0 {
        shown.push(format!("and {hidden} more"));
    }
    shown.join("\n\n")
}

fn one(renderer: &Renderer, diagnostic: &Diagnostic, sources: &Sources) -> String {
    let level = match diagnostic.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = match diagnostic.key_path() {
        "" => diagnostic.message().to_owned(),
        path => format!("{path}: {}", diagnostic.message()),
    };
    let mut elements: Vec<Element<'_>> = Vec::new();
    if let Some(file) = diagnostic.file() {
        elements.push(Origin::path(file).into());
    }
    let places = places(diagnostic);
    let whole: Vec<_> = places.iter().filter(|place| is_small(place.span, sources)).collect();
    elements.extend(snippets(&whole, sources).into_iter().map(Into::into));
    elements.extend(places.iter().filter(|place| !is_small(place.span, sources)).map(|place| excerpt(place, sources)));
    if let Some(help) = diagnostic.help_text() {
        elements.push(Level::HELP.message(help).into());
    }
    let title = level.primary_title(title).id(diagnostic.code().as_str());
    renderer.render(&[Group::with_title(title).elements(elements)])
}

/// What a caret points at.
struct Place<'a> {
    span: Span,
    kind: AnnotationKind,
    label: Option<&'a str>,
}

impl Place<'_> {
    /// The caret in a text that starts `offset` bytes after the file.
    fn annotation(&self, offset: usize) -> Annotation<'_> {
        let range = self.span.start as usize - offset..self.span.end as usize - offset;
        self.kind.span(range).label(self.label)
    }
}

fn places(diagnostic: &Diagnostic) -> Vec<Place<'_>> {
    let primary = diagnostic.span().map(|span| Place { span, kind: AnnotationKind::Primary, label: None });
    let related = diagnostic.related_places().iter().map(|related| Place {
        span: related.span,
        kind: AnnotationKind::Context,
        label: Some(&related.message),
    });
    primary.into_iter().chain(related).collect()
}

/// The renderer goes through the whole text for each diagnostic, and shows all that stands between two places of a line.
const MAX_WHOLE_BYTES: usize = 64 << 10;
/// A line without breaks can be megabytes long: it is not shown, and otherwise ends soon behind the place.
const MAX_BEFORE_BYTES: usize = 4 << 10;
const MAX_BEHIND_BYTES: usize = 60;

fn is_small(span: Span, sources: &Sources) -> bool {
    sources.get(span.source).text().len() <= MAX_WHOLE_BYTES
}

/// One excerpt for each file, with all its places.
fn snippets<'a>(places: &[&'a Place<'a>], sources: &'a Sources) -> Vec<Snippet<'a, Annotation<'a>>> {
    let mut by_file: Vec<(SourceId, Vec<Annotation<'a>>)> = Vec::new();
    for place in places {
        match by_file.iter_mut().find(|(source, _)| *source == place.span.source) {
            Some((_, annotations)) => annotations.push(place.annotation(0)),
            None => by_file.push((place.span.source, vec![place.annotation(0)])),
        }
    }
    let snippet = |(source, annotations)| {
        let file = sources.get(source);
        Snippet::source(file.text()).path(file.name()).annotations(annotations)
    };
    by_file.into_iter().map(snippet).collect()
}

/// The line of one place of a large file.
fn excerpt<'a>(place: &'a Place<'a>, sources: &'a Sources) -> Element<'a> {
    let file = sources.get(place.span.source);
    let (text, at) = (file.text(), sources.position(place.span));
    let (start, end) = (place.span.start as usize, place.span.end as usize);
    let line = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    if end - line > MAX_BEFORE_BYTES {
        return Origin::path(file.name()).line(at.line).char_column(at.column).into();
    }
    let last = text.floor_char_boundary((end + MAX_BEHIND_BYTES).min(text.len()));
    let last = text[end..last].find('\n').map_or(last, |newline| end + newline);
    Snippet::source(&text[line..last]).path(file.name()).line_start(at.line).annotation(place.annotation(line)).into()
}
