//! The effective configuration: complete, with the origin of each value, and itself a configuration that means the same.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use hot_reload::config::{
    jsonc::Value,
    load::load,
    schema::{Kind, Section, keys},
};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/valid")
}

fn dump(path: &Path) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_config_test"));
    let output = command.arg("--dump-config").arg(path).current_dir(directory()).output().expect("the program starts");
    assert!(output.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}

/// The lines without their origins.
fn without_origins(text: &str) -> Vec<&str> {
    let line = |line| str::rsplit_once(line, " // ").map_or(line, |(line, _)| line);
    text.lines().map(line).collect()
}

fn names() -> [&'static str; 3] {
    ["every-key.json", "short.json", "nine-lines.json"]
}

#[test]
fn a_dump_is_a_configuration_that_means_the_same() {
    for name in names() {
        let text = dump(Path::new(name));
        // In the same directory, because of the files that it names.
        let copy = directory().join(format!("dumped-{name}"));
        fs::write(&copy, &text).unwrap();
        let again = dump(&copy);
        fs::remove_file(&copy).unwrap();
        assert_eq!(without_origins(&text), without_origins(&again), "{name}");
    }
}

#[test]
fn a_dump_is_what_is_checked_in() {
    for name in names() {
        let snapshot = directory().join(name).with_extension("dump.txt");
        let text = dump(Path::new(name));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&snapshot, &text).unwrap();
        }
        assert!(fs::read_to_string(&snapshot).unwrap_or_default() == text, "{name} differs from its snapshot:\n{text}");
    }
}

/// Each value's line ends with where it comes from.
#[test]
fn each_value_has_its_origin() {
    for name in names() {
        for line in dump(Path::new(name)).lines() {
            let is_closing = ["{", "}", "},", "]", "],"].contains(&line.trim());
            let has_origin = line.ends_with("// default")
                || line.contains(" // every-key.json:")
                || line.contains(&format!(" // {name}:"))
                || line.contains(" // included/");
            assert!(is_closing || has_origin, "{name}: {line}");
        }
    }
}

/// The values that are of a section, of which a list or a dictionary has several.
fn instances<'a>(kind: &Kind, value: &'a Value) -> Vec<&'a Value> {
    match (kind, value.as_object(), value.as_array()) {
        (Kind::Named(..) | Kind::Dictionary(..), Some(object), _) => {
            object.0.iter().map(|member| &member.value).collect()
        }
        (_, _, Some(elements)) => elements.iter().collect(),
        _ => vec![value],
    }
}

fn unset(section: &'static Section, values: &[&Value], path: &str, missing: &mut Vec<String>) {
    for key in section.keys {
        let path = format!("{path}.{}", key.name);
        let set: Vec<_> = values.iter().filter_map(|value| value.as_object()?.get(key.name)).collect();
        if set.is_empty() {
            missing.push(path);
        } else if let Some(section) = key.kind.section() {
            let inside: Vec<_> = set.iter().flat_map(|value| instances(&key.kind, value)).collect();
            unset(section, &inside, &path, missing);
        }
    }
}

/// So a new key comes with a test that sets it.
#[test]
fn every_key_is_set_in_a_test() {
    let loaded = load(&directory().join("every-key.json"));
    let config = loaded.config.expect("it is valid");
    let mut missing = Vec::new();
    let root = config.get("listeners").unwrap();
    let whole = Value { span: root.span, data: hot_reload::config::jsonc::Data::Object(config.clone()) };
    unset(&keys::ROOT, &[&whole], "", &mut missing);
    // Exclusive alternatives of it are set in other files, or it is gone once the files are one.
    missing.retain(|path| {
        ![".include", ".routes.group", ".groups.sticky.secret.env", ".admin.token.file"].contains(&path.as_str())
    });
    assert_eq!(missing, [""; 0]);
}
