//! Exercise 8.1: a line that no label can break (warm-up).
//!
//! **Contract.** [`sample_line`] returns a sample in Prometheus's text format 0.0.4, with its line feed.
//!
//! - `name{label="value",…} number`, the labels in the order given, without a comma at the end; without labels there
//!   are no braces.
//! - In a label's value a backslash becomes `\\`, a quotation mark `\"`, and a line feed `\n` (a backslash and an `n`).
//!   Everything else stays as it is.
//! - Infinities are `+Inf` and `-Inf`, no number is `NaN`; other numbers are written so that they are read as the same
//!   `f64` again.
//! - Names are valid: they come from the program.

/// The line of a sample.
pub fn sample_line(name: &str, labels: &[(&str, &str)], value: f64) -> String {
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\",")).collect();
    format!("{name}{{{}}} {value:.2}\n", labels.concat())
}
