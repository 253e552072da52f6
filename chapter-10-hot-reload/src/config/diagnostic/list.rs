//! All diagnostics of one configuration.

use super::{code::Severity, message::Diagnostic};

/// More are counted and not kept: a file of garbage would take gigabytes.
const MAX_KEPT: usize = 1_000;

/// Collects diagnostics.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    kept: Vec<Diagnostic>,
    errors: usize,
    warnings: usize,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        match diagnostic.severity() {
            Severity::Error => self.errors += 1,
            Severity::Warning => self.warnings += 1,
        }
        if self.kept.len() < MAX_KEPT {
            self.kept.push(diagnostic);
        }
    }

    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// How many warnings there are.
    pub fn warnings(&self) -> usize {
        self.warnings
    }

    /// Those that were kept, in the order of the text: files in the order they were read, faults of whole files first.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        let mut sorted: Vec<_> = self.kept.iter().collect();
        sorted.sort_by_key(|diagnostic| diagnostic.span().map(|span| (span.source, span.start)));
        sorted.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        diagnostic::Code,
        source::{Sources, Span},
    };

    #[test]
    fn all_are_counted_and_a_bounded_number_is_kept_in_the_order_of_the_text() {
        let source = Sources::default().add("lb.json", "");
        let mut diagnostics = Diagnostics::default();
        for start in (0..2_000).rev() {
            diagnostics.push(Diagnostic::new(Code::Syntax, Span { source, start, end: start }, "x"));
        }
        diagnostics.push(Diagnostic::new(Code::DrainZero, Span { source, start: 0, end: 0 }, "x"));
        assert_eq!((diagnostics.errors(), diagnostics.warnings(), diagnostics.iter().count()), (2_000, 1, 1_000));
        assert!(diagnostics.iter().is_sorted_by_key(Diagnostic::span));
    }
}
