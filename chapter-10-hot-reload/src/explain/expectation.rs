//! A table of requests and where they must go, for use in CI.
//!
//! ```text
//! # comment
//! GET http://api.example.com/v1 -H 'X-Env: beta' => route=api group=api backend=127.0.0.1:9001
//! GET http://old.example.com/    => status=308
//! ```

use super::{
    report::Explanation,
    request::{Request, RequestError},
};

/// One line of the table.
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The line, from 1.
    pub line: usize,
    /// The request.
    pub request: Request,
    expected: Vec<(Field, String)>,
}

/// What can be expected of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Listener,
    Route,
    Group,
    Backend,
    Status,
}

impl Field {
    const ALL: [(&str, Self); 5] = [
        ("listener", Self::Listener),
        ("route", Self::Route),
        ("group", Self::Group),
        ("backend", Self::Backend),
        ("status", Self::Status),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, field)| *field == self).map_or("", |(name, _)| name)
    }

    /// What the explanation says; `none` for nothing.
    fn of(self, explanation: &Explanation) -> String {
        let value = match self {
            Self::Listener => Some(explanation.listener.clone()),
            Self::Route => explanation.route.clone(),
            Self::Group => explanation.group.clone(),
            Self::Backend => explanation.backend.clone(),
            Self::Status => explanation.status.map(|status| status.to_string()),
        };
        value.unwrap_or_else(|| "none".to_owned())
    }
}

/// A line is no expectation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectationError {
    /// It has another form.
    #[error(
        "line {0}: expected REQUEST [-H 'NAME: VALUE']… => route=NAME group=NAME backend=NAME status=CODE listener=NAME, any of them"
    )]
    Format(usize),
    /// A field that does not exist.
    #[error("line {0}: '{1}' is not one of listener=, route=, group=, backend=, status=")]
    UnknownField(usize, String),
    /// The request is wrong.
    #[error("line {0}: {1}")]
    Request(usize, RequestError),
}

impl Expectation {
    /// The expectations of a table.
    ///
    /// # Errors
    /// The first line that is none.
    pub fn parse_table(text: &str) -> Result<Vec<Self>, ExpectationError> {
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
        lines.map(|(number, line)| Self::parse(number, line)).collect()
    }

    fn parse(line: usize, text: &str) -> Result<Self, ExpectationError> {
        let wrong = || ExpectationError::Format(line);
        let (request, expected) = text.rsplit_once("=>").ok_or_else(wrong)?;
        let mut words = words(request).ok_or_else(wrong)?.into_iter();
        let (mut bare, mut headers) = (Vec::new(), Vec::new());
        while let Some(word) = words.next() {
            match word.as_str() {
                "-H" => headers.push(words.next().ok_or_else(wrong)?),
                _ => bare.push(word),
            }
        }
        let request =
            Request::parse(&bare.join(" "), &headers).map_err(|error| ExpectationError::Request(line, error))?;
        let field = |word: &str| {
            let (name, value) = word.split_once('=').ok_or_else(wrong)?;
            let known = Field::ALL.iter().find(|(known, _)| *known == name);
            let unknown = || ExpectationError::UnknownField(line, word.to_owned());
            Ok((known.ok_or_else(unknown)?.1, value.to_owned()))
        };
        let expected = expected.split_whitespace().map(field).collect::<Result<Vec<_>, _>>()?;
        if expected.is_empty() { Err(wrong()) } else { Ok(Self { line, request, expected }) }
    }

    /// What is otherwise than expected: `route is none, not api`; empty if nothing is.
    pub fn failures(&self, explanation: &Explanation) -> Vec<String> {
        let differs = |(field, expected): &(Field, String)| {
            let actual = field.of(explanation);
            (actual != *expected).then(|| format!("{} is {actual}, not {expected}", field.name()))
        };
        self.expected.iter().filter_map(differs).collect()
    }
}

/// Words as a shell reads them: separated by blanks, and in quotes with them. `None`: a quote is not closed.
fn words(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for character in text.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, blank) if blank.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}
