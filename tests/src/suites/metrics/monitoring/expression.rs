//! What an expression names: metrics, the labels that it matches, and those that it groups by. Not a parser: Prometheus
//! has one, and says what is wrong. This only tells names from functions and keywords.

/// What an expression names.
#[derive(Debug, Default)]
pub(super) struct Expression {
    pub(super) selectors: Vec<Selector>,
    /// The labels of `by`, `on`, `group_left` and their opposites.
    pub(super) grouping: Vec<String>,
}

/// `metric{label="value"}`.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Selector {
    pub(super) metric: String,
    /// Each label with the values that it is compared with: `a|b` are two.
    pub(super) matchers: Vec<(String, Vec<String>)>,
}

/// Keywords that a list of labels follows.
const GROUPING: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];
/// Keywords that look like a metric.
const OPERATORS: [&str; 7] = ["and", "or", "unless", "bool", "offset", "inf", "nan"];

impl Expression {
    /// Reads an expression.
    ///
    /// # Panics
    /// If a list has no end, or a selector has no metric.
    pub(super) fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let (mut expression, mut rest) = (Self::default(), &tokens[..]);
        while let Some((token, behind)) = rest.split_first() {
            rest = behind;
            let next = rest.first().map_or("", String::as_str);
            let is_keyword = |keywords: &[&str]| keywords.contains(&token.as_str());
            if next == "(" && is_keyword(&GROUPING) {
                let list = up_to(")", &mut rest, text);
                expression.grouping.extend(list.iter().filter(|token| is_name(token)).cloned());
            } else if is_name(token)
                && !["(", "by", "without"].contains(&next)
                && !is_keyword(&GROUPING)
                && !is_keyword(&OPERATORS)
            {
                let list = if next == "{" { up_to("}", &mut rest, text) } else { &[] };
                expression.selectors.push(Selector { metric: token.clone(), matchers: matchers(list) });
            } else {
                assert_ne!(token, "{", "a selector without a metric: {text}");
            }
        }
        expression
    }
}

/// The tokens between the bracket at the start of `rest` and the closing one; `rest` goes on behind it.
fn up_to<'a>(close: &str, rest: &mut &'a [String], text: &str) -> &'a [String] {
    let end = rest.iter().position(|token| token == close).unwrap_or_else(|| panic!("no `{close}`: {text}"));
    let list = &rest[1..end];
    *rest = &rest[end + 1..];
    list
}

fn matchers(list: &[String]) -> Vec<(String, Vec<String>)> {
    let comparisons = list.split(|token| token == ",").filter(|tokens| !tokens.is_empty());
    let matcher = |tokens: &[String]| {
        let value = tokens.last().map_or("", |value| value.trim_matches(['"', '\'']));
        (tokens[0].clone(), value.split('|').map(str::to_owned).collect())
    };
    comparisons.map(matcher).collect()
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || first == ':')
}

/// Names, strings with their quotation marks, numbers with their units, and everything else letter by letter.
fn tokens(text: &str) -> Vec<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || "_:.$".contains(letter);
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            _ if is_word(first) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(metric: &str, matchers: &[(&str, &str)]) -> Selector {
        let matcher = |(label, values): &(&str, &str)| {
            ((*label).to_owned(), values.split('|').map(str::to_owned).collect::<Vec<_>>())
        };
        Selector { metric: metric.to_owned(), matchers: matchers.iter().map(matcher).collect() }
    }

    #[test]
    fn metrics_are_told_from_functions_keywords_and_labels() {
        let text = r#"histogram_quantile(0.9, sum by (le, route) (rate(a_bucket{x="1",end=~"b|c d",}[5m]))) > 1e3
            and on (job) group_left () b:c offset 5m unless count(d) without (e) or vector(0) == bool inf"#;
        let read = Expression::parse(text);
        let expected =
            [selector("a_bucket", &[("x", "1"), ("end", "b|c d")]), selector("b:c", &[]), selector("d", &[])];
        assert_eq!(read.selectors, expected);
        assert_eq!(read.grouping, ["le", "route", "job", "e"]);
    }

    #[test]
    fn names_in_strings_are_no_metrics() {
        let read = Expression::parse(r#"a{b="sum(c)} d"} + -1.5 * e"#);
        assert_eq!(read.selectors, [selector("a", &[("b", "sum(c)} d")]), selector("e", &[])]);
    }

    #[test]
    #[should_panic(expected = "a selector without a metric")]
    fn a_selector_without_a_metric_is_reported() {
        Expression::parse(r#"sum({job="lb"})"#);
    }
}
