//! The solution of exercise 8.1.

use std::fmt::Write as _;

/// The line of a sample.
pub fn sample_line(name: &str, labels: &[(&str, &str)], value: f64) -> String {
    let mut line = name.to_owned();
    for (at, (label, value)) in labels.iter().enumerate() {
        line.push(if at == 0 { '{' } else { ',' });
        line.push_str(label);
        line.push_str("=\"");
        value.chars().for_each(|letter| push_escaped(&mut line, letter));
        line.push('"');
    }
    if !labels.is_empty() {
        line.push('}');
    }
    let number = match value {
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        // Rust writes as many digits as are needed to read the same number again, and NaN as `NaN`.
        value => value.to_string(),
    };
    writeln!(line, " {number}").expect("writing to a String cannot fail");
    line
}

fn push_escaped(line: &mut String, letter: char) {
    match letter {
        '\\' => line.push_str("\\\\"),
        '"' => line.push_str("\\\""),
        '\n' => line.push_str("\\n"),
        letter => line.push(letter),
    }
}
