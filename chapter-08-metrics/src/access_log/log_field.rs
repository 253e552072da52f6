//! What the fields of a line have in common, whatever the line is about.
//!
//! A line of this chapter is about a request. A program that logs something else, such as TCP connections, has fields of
//! its own, and the formats, the queues and the writer of this module.

use super::style::Style;

/// A field of a line. Implemented by an enum, which is closed: a format is checked when the program starts.
pub trait LogField: Copy + PartialEq + Sized + 'static {
    /// What a line is about.
    type Entry<'a>;

    /// All fields with their names: first those of a JSON line, in its order.
    const ALL: &'static [(Self, &'static str)];
    /// How many of them a JSON line has.
    const JSON_FIELDS: usize;
    /// The templates that have a name.
    const TEMPLATES: &'static [(&'static str, &'static str)];

    /// Whether its value is a text, which JSON has in quotes.
    fn is_text(self) -> bool;

    /// Appends its value, without quotes.
    fn write(self, style: Style, out: &mut Vec<u8>, entry: &Self::Entry<'_>);
}
