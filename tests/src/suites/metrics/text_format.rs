//! A strict parser of Prometheus's text format 0.0.4, which shares no code with what writes it.
//!
//! Stricter than a scraper: a HELP and a TYPE line before the samples of each metric, all samples of a metric together,
//! no series twice, the same labels on all samples of a metric, `_total` at the end of a counter's name, buckets that
//! add up to the count.

use std::collections::{BTreeMap, BTreeSet};

/// Everything that was exposed.
#[derive(Debug, Default)]
pub(super) struct Exposition {
    families: Vec<Family>,
}

#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) samples: Vec<Sample>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    pub(super) name: String,
    /// Sorted by name.
    pub(super) labels: Labels,
    pub(super) value: f64,
}

pub(super) type Labels = BTreeMap<String, String>;

impl Exposition {
    /// Parses a whole exposition.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut exposition = Self::default();
        let mut help = None;
        for (number, line) in (1..).zip(text[..text.len() - 1].split('\n')) {
            exposition.line(line, &mut help).map_err(|error| format!("line {number}, {line:?}: {error}"))?;
        }
        if help.is_some() {
            return Err("a HELP line at the end".to_owned());
        }
        exposition.families.iter().try_for_each(Family::check)?;
        Ok(exposition)
    }

    fn line(&mut self, line: &str, help: &mut Option<String>) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, text) = rest.split_once(' ').ok_or("no help text")?;
            let is_new = self.families.iter().all(|family| family.name != name);
            if !is_new || help.replace(name.to_owned()).is_some() || text.is_empty() || !is_escaped(text, false) {
                return Err("a metric that was there already, no TYPE line, or a bad help text".to_owned());
            }
            return Ok(());
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("no type")?;
            if help.take().as_deref() != Some(name) || !is_name(name, true) {
                return Err("not behind its HELP line, or no name".to_owned());
            }
            if !["counter", "gauge", "histogram"].contains(&kind) {
                return Err(format!("type {kind}"));
            }
            self.families.push(Family { name: name.to_owned(), kind: kind.to_owned(), samples: Vec::new() });
            return Ok(());
        }
        let family = self.families.last_mut().filter(|_| help.is_none()).ok_or("a sample before its TYPE line")?;
        let sample = parse_sample(line)?;
        let suffix = sample.name.strip_prefix(&family.name).ok_or("a sample of another metric")?;
        let suffixes: &[&str] = if family.kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
        if !suffixes.contains(&suffix) {
            return Err(format!("a sample of a {} named {}", family.kind, sample.name));
        }
        family.samples.push(sample);
        Ok(())
    }

    /// The metric with this name.
    pub(super) fn family(&self, name: &str) -> Option<&Family> {
        self.families.iter().find(|family| family.name == name)
    }

    pub(super) fn families(&self) -> &[Family] {
        &self.families
    }

    /// All series.
    pub(super) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.families.iter().flat_map(|family| &family.samples)
    }

    /// The samples with this name, of a metric or with a histogram's suffix, that have these labels among theirs.
    pub(super) fn with<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&'a str, &'a str)],
    ) -> impl Iterator<Item = &'a Sample> {
        self.samples().filter(move |sample| {
            let has = |(name, value): &(&str, &str)| sample.labels.get(*name).is_some_and(|found| found == value);
            sample.name == name && labels.iter().all(has)
        })
    }

    /// The sum of those samples.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        // `sum` of nothing would be -0.
        self.with(name, labels).fold(0.0, |sum, sample| sum + sample.value)
    }

    /// The value of the only such sample.
    pub(super) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let found: Vec<_> = self.with(name, labels).collect();
        assert_eq!(found.len(), 1, "one {name} with {labels:?}: {found:?}");
        found[0].value
    }

    /// All samples of a metric, a line each, for a message.
    pub(super) fn lines(&self, name: &str) -> String {
        let samples = self.family(name).map_or(&[][..], |family| &family.samples);
        let lines = samples.iter().map(|sample| format!("{}{:?} {}", sample.name, sample.labels, sample.value));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The names and labels of all series.
    pub(super) fn series(&self) -> BTreeSet<(String, Labels)> {
        self.samples().map(|sample| (sample.name.clone(), sample.labels.clone())).collect()
    }

    /// Asserts that no counter, and no part of a histogram, is less than it was, and that none has gone.
    pub(super) fn assert_not_less_than(&self, before: &Self) {
        let now: BTreeMap<_, _> = self.samples().map(|sample| ((&sample.name, &sample.labels), sample.value)).collect();
        for family in before.families.iter().filter(|family| family.kind != "gauge") {
            for Sample { name, labels, value } in &family.samples {
                let later = now.get(&(name, labels));
                assert!(later.is_some_and(|later| later >= value), "{name}{labels:?}: {value}, then {later:?}");
            }
        }
    }
}

impl Family {
    fn check(&self) -> Result<(), String> {
        let fail = |why: &str| Err(format!("{}: {why}", self.name));
        if self.samples.is_empty() {
            return fail("no samples");
        }
        if (self.kind == "counter") != self.name.ends_with("_total") {
            return fail("counters, and only they, end in _total");
        }
        let mut seen = BTreeSet::new();
        let label_names =
            |sample: &Sample| sample.labels.keys().filter(|name| *name != "le").cloned().collect::<Vec<_>>();
        let expected = label_names(&self.samples[0]);
        for sample in &self.samples {
            if !seen.insert((&sample.name, &sample.labels)) {
                return fail(&format!("{sample:?} twice"));
            }
            if label_names(sample) != expected {
                return fail(&format!("other labels: {sample:?}"));
            }
            if self.kind != "gauge" && !(sample.value >= 0.0 && sample.value.is_finite()) {
                return fail(&format!("not a count: {sample:?}"));
            }
        }
        if self.kind == "histogram" { self.check_histograms() } else { Ok(()) }
    }

    fn check_histograms(&self) -> Result<(), String> {
        let mut by_labels: BTreeMap<Labels, Vec<&Sample>> = BTreeMap::new();
        for sample in &self.samples {
            let mut labels = sample.labels.clone();
            labels.remove("le");
            by_labels.entry(labels).or_default().push(sample);
        }
        for (labels, samples) in by_labels {
            let named = |suffix: &str| {
                samples.iter().filter(|s| s.name == format!("{}{suffix}", self.name)).collect::<Vec<_>>()
            };
            let (buckets, sums, counts) = (named("_bucket"), named("_sum"), named("_count"));
            let bound = |sample: &&&Sample| parse_value(sample.labels.get("le")?).ok();
            let bounds: Option<Vec<f64>> = buckets.iter().map(bound).collect();
            let bounds = bounds.ok_or_else(|| format!("{}{labels:?}: a bucket without `le`", self.name))?;
            let is_right = sums.len() == 1
                && counts.len() == 1
                && bounds.last() == Some(&f64::INFINITY)
                && bounds.is_sorted_by(|one, next| one < next)
                && buckets.is_sorted_by(|one, next| one.value <= next.value)
                && buckets.last().is_some_and(|last| (last.value - counts[0].value).abs() < 0.5)
                && (counts[0].value > 0.0 || sums[0].value == 0.0);
            if !is_right {
                return Err(format!("{}{labels:?}: not a histogram: {samples:?}", self.name));
            }
        }
        Ok(())
    }
}

fn is_name(text: &str, may_have_colons: bool) -> bool {
    let is_valid = |(at, letter): (usize, char)| {
        letter.is_ascii_alphabetic()
            || letter == '_'
            || letter == ':' && may_have_colons
            || at > 0 && letter.is_ascii_digit()
    };
    !text.is_empty() && text.chars().enumerate().all(is_valid)
}

/// Whether a text has nothing that should have been escaped, and no unknown escape.
fn is_escaped(text: &str, quotes: bool) -> bool {
    unescape(text, quotes).is_some()
}

fn unescape(text: &str, quotes: bool) -> Option<String> {
    let (mut plain, mut letters) = (String::new(), text.chars());
    while let Some(letter) = letters.next() {
        plain.push(match letter {
            '\\' => match letters.next()? {
                'n' => '\n',
                '\\' => '\\',
                '"' if quotes => '"',
                _ => return None,
            },
            '\n' => return None,
            '"' if quotes => return None,
            letter => letter,
        });
    }
    Some(plain)
}

fn parse_sample(line: &str) -> Result<Sample, String> {
    let (series, value) = line.rsplit_once(' ').ok_or("no value")?;
    let (name, labels) = match series.split_once('{') {
        None => (series, Labels::new()),
        Some((name, rest)) => (name, parse_labels(rest.strip_suffix('}').ok_or("no `}`")?)?),
    };
    if !is_name(name, true) {
        return Err(format!("{name:?} is no name"));
    }
    Ok(Sample { name: name.to_owned(), labels, value: parse_value(value)? })
}

/// `name="value",…` without a comma at the end.
fn parse_labels(mut text: &str) -> Result<Labels, String> {
    let mut labels = Labels::new();
    loop {
        let (name, rest) = text.split_once("=\"").ok_or("a label without a value")?;
        let end = end_of_value(rest).ok_or("a value without an end")?;
        let value = unescape(&rest[..end], true).ok_or("a wrong escape")?;
        if !is_name(name, false) || name.starts_with("__") || labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("label {name:?}"));
        }
        match &rest[end + 1..] {
            "" => return Ok(labels),
            more => text = more.strip_prefix(',').ok_or("no comma between labels")?,
        }
    }
}

/// Where the quotation mark is that ends a value.
fn end_of_value(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let ends = letter == '"' && !is_escaped;
        is_escaped = letter == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

fn parse_value(text: &str) -> Result<f64, String> {
    match text {
        "+Inf" => Ok(f64::INFINITY),
        _ if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') => {
            text.parse().map_err(|error| format!("{text:?}: {error}"))
        }
        _ => Err(format!("{text:?} is no number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a_total help\n# TYPE a_total counter\na_total{x=\"1\"} 2\na_total{x=\"a\\\"b\\\\\\nc}\"} 3\n\
        # HELP h a \\\\ b\n# TYPE h histogram\nh_bucket{le=\"0.1\"} 1\nh_bucket{le=\"+Inf\"} 2\nh_sum 0.5\nh_count 2\n\
        # HELP g help\n# TYPE g gauge\ng -1.5\n";

    #[test]
    fn a_good_exposition_is_read() {
        let read = Exposition::parse(GOOD).unwrap();
        assert_eq!(read.value("a_total", &[("x", "a\"b\\\nc}")]).to_string(), "3");
        assert_eq!(read.sum("a_total", &[]).to_string(), "5");
        assert_eq!((read.samples().count(), read.value("g", &[]).to_string()), (7, "-1.5".to_owned()));
        read.assert_not_less_than(&Exposition::parse(&GOOD.replace("} 3", "} 2")).unwrap());
    }

    #[test]
    fn what_a_strict_parser_must_refuse_is_refused() {
        for (part, instead) in [
            ("g -1.5\n", "g -1.5"),
            ("g -1.5\n", ""),
            ("g -1.5", "g x"),
            ("g -1.5", "g NaN"),
            ("g -1.5", "g 1 2"),
            ("g -1.5", "g{} 1"),
            ("g -1.5", "g{x=\"1\",} 1"),
            ("g -1.5", "g{x=\"1\" ,y=\"1\"} 1"),
            ("g -1.5", "g{x=\"1\",x=\"1\"} 1"),
            ("g -1.5", "g{__x=\"1\"} 1"),
            ("g -1.5", "g{x=\"a\\q\"} 1"),
            ("g -1.5", "g{x=\"a\"b\"} 1"),
            ("g -1.5", "g 1\n\ng{x=\"1\"} 1"),
            ("g -1.5", "g 1\n# a comment"),
            ("g -1.5", "g 1\ng{x=\"1\"} 1"),
            ("g -1.5", "other 1"),
            ("# HELP g help\n", ""),
            ("# TYPE g gauge\n", ""),
            ("# HELP g help", "# HELP h help"),
            ("# HELP g help", "# HELP g a\\q"),
            ("TYPE g gauge", "TYPE g counter"),
            ("TYPE a_total counter", "TYPE a_total gauge"),
            ("TYPE a_total counter", "TYPE a_total untyped"),
            ("a_total{x=\"1\"} 2", "a_total{x=\"1\"} -2"),
            ("a_total{x=\"1\"} 2", "a_total{x=\"1\"} 2\na_total{x=\"1\"} 2"),
            ("a_total{x=\"1\"} 2", "a_total{y=\"1\"} 2"),
            ("h_count 2", "h_count 3"),
            ("h_sum 0.5\n", ""),
            ("h_bucket{le=\"+Inf\"} 2\n", ""),
            ("{le=\"0.1\"} 1", "{le=\"0.1\"} 3"),
            ("{le=\"0.1\"} 1", "{lx=\"0.1\"} 1"),
        ] {
            let text = GOOD.replacen(part, instead, 1);
            assert_ne!(text, GOOD, "{part}");
            assert!(Exposition::parse(&text).is_err(), "{instead:?} for {part:?}");
        }
    }

    #[test]
    #[should_panic(expected = "a_total")]
    fn a_counter_that_goes_back_is_found() {
        let before = Exposition::parse(GOOD).unwrap();
        Exposition::parse(&GOOD.replace("} 3", "} 2")).unwrap().assert_not_less_than(&before);
    }
}
