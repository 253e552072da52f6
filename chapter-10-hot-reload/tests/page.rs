//! What the chapter's page says of keys is held to the schema.

use std::collections::BTreeSet;

use serde_json::Value;

/// Adds the names of all properties and the values of all choices.
fn collect_words(schema: &Value, words: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        words.extend(properties.keys().cloned());
    }
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        words.extend(choices.iter().filter_map(Value::as_str).map(str::to_owned));
    }
    match schema {
        Value::Object(object) => object.values().for_each(|value| collect_words(value, words)),
        Value::Array(array) => array.iter().for_each(|value| collect_words(value, words)),
        _ => {}
    }
}

/// The words of the inline code in a column of a table; what a user would name is in capitals, and left out.
fn code_words(table: &str, column: usize) -> Vec<&str> {
    let cells = table.lines().skip(1).filter_map(|row| row.split('|').nth(column));
    let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let words = code.flat_map(|code| code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'));
    words.filter(|word| !word.is_empty() && *word != "NAME").collect()
}

#[test]
fn each_key_in_the_tables_of_the_page_is_in_the_schema() {
    let schema = serde_json::from_str(include_str!("../lb.schema.json")).unwrap();
    let mut known = BTreeSet::from(["default".to_owned()]); // the name of what the short form stands for
    collect_words(&schema, &mut known);
    for (heading, columns, least) in [("| nginx | HAProxy | here |", &[3][..], 60), ("| short form |", &[1, 3], 40)] {
        let (_, rest) = include_str!("../README.md").split_once(heading).expect("the table is there");
        let table = rest.split("\n\n").next().unwrap();
        let words: Vec<_> = columns.iter().flat_map(|column| code_words(table, *column)).collect();
        let unknown: Vec<_> = words.iter().filter(|word| !known.contains(**word)).collect();
        assert!(unknown.is_empty(), "{heading}: {unknown:?}");
        assert!(words.len() >= least, "{heading}: {} words", words.len());
    }
}
