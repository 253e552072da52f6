//! The checks of exercise 8.1.

use integration_tests::rng::Rng;

use crate::exercise_checks;

type SampleLine = fn(&str, &[(&str, &str)], f64) -> String;

exercise_checks!(
    exercises_08,
    e1_sample_line::sample_line,
    [
        a_sample_without_labels_has_no_braces,
        labels_are_separated_by_commas,
        what_could_end_a_label_is_escaped,
        nothing_else_is_escaped,
        numbers_are_read_as_the_same_number_again,
        infinities_and_no_number_have_their_own_names,
    ]
);

fn a_sample_without_labels_has_no_braces(sample_line: SampleLine) {
    assert_eq!(sample_line("lb_up", &[], 1.0), "lb_up 1\n");
}

fn labels_are_separated_by_commas(sample_line: SampleLine) {
    assert_eq!(sample_line("a", &[("b", "c")], 2.0), "a{b=\"c\"} 2\n");
    assert_eq!(sample_line("a", &[("b", "c"), ("d", ""), ("a", "f")], 2.0), "a{b=\"c\",d=\"\",a=\"f\"} 2\n");
}

fn what_could_end_a_label_is_escaped(sample_line: SampleLine) {
    for (value, escaped) in [
        ("a\"b", r#"a\"b"#),
        ("a\\b", r"a\\b"),
        ("a\nb", r"a\nb"),
        ("\\\"\n", r#"\\\"\n"#),
        ("\"} 1\nevil_total 1\n#{x=\"", r#"\"} 1\nevil_total 1\n#{x=\""#),
    ] {
        let line = sample_line("a", &[("b", value)], 1.0);
        assert_eq!(line, format!("a{{b=\"{escaped}\"}} 1\n"), "the value is {value:?}");
        assert_eq!(line.matches('\n').count(), 1, "one line: {line:?}");
    }
}

fn nothing_else_is_escaped(sample_line: SampleLine) {
    for value in ["{a=b,c}", "a\tb\r", "größer", "'#", "€\u{1F980}"] {
        assert_eq!(sample_line("a", &[("b", value)], 1.0), format!("a{{b=\"{value}\"}} 1\n"));
    }
}

fn numbers_are_read_as_the_same_number_again(sample_line: SampleLine) {
    let mut rng = Rng::new(8);
    let random = (0..2_000).map(|_| f64::from_bits(rng.number())).filter(|number| number.is_finite());
    for number in random.chain([0.0, 0.1, 1e-9, 123_456_789.25, f64::MAX, f64::MIN_POSITIVE, 9_007_199_254_740_992.0]) {
        let line = sample_line("a", &[], number);
        let text = line.strip_prefix("a ").and_then(|rest| rest.strip_suffix('\n'));
        let read = text.and_then(|text| text.parse::<f64>().ok());
        assert_eq!(read.map(f64::to_bits), Some(number.to_bits()), "{number:e}: {line:?}");
    }
}

fn infinities_and_no_number_have_their_own_names(sample_line: SampleLine) {
    let number = |value| sample_line("a", &[], value);
    assert_eq!(number(f64::INFINITY), "a +Inf\n");
    assert_eq!(number(f64::NEG_INFINITY), "a -Inf\n");
    assert_eq!(number(f64::NAN), "a NaN\n");
}
