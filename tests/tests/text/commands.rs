//! Commands on pages: the packages, programs, aliases and flags exist.

use std::fs;

use toml_edit::Document as Toml;

use crate::{
    document::Document,
    programs::{Package, Program, help, packages},
    root,
};

/// Commands that a page may use, besides cargo and files of the repository.
const KNOWN: [&str; 35] = [
    "cat",
    "cd",
    "curl",
    "dig",
    "diff",
    "echo",
    "export",
    "for",
    "git",
    "grep",
    "head",
    "kill",
    "ls",
    "lsof",
    "nc",
    "printf",
    "prometheus",
    "promtool",
    "ps",
    "python3",
    "rustup",
    "sed",
    "sleep",
    "sort",
    "ss",
    "strace",
    "tail",
    "timeout",
    "tr",
    "ulimit",
    "uniq",
    "valgrind",
    "watch",
    "wc",
    "xargs",
];
/// The built-in cargo commands that pages use.
const SUBCOMMANDS: [&str; 9] = ["bench", "build", "check", "clean", "clippy", "doc", "fmt", "run", "test"];

/// The typed lines of a console block, each with the output below it. A backslash continues a line.
pub(crate) fn typed(content: &str) -> Vec<(String, Vec<String>)> {
    let mut commands: Vec<(String, Vec<String>)> = Vec::new();
    let mut continued = false;
    for line in content.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (_, Some((command, _))) if continued => {
                command.push(' ');
                command.push_str(line.trim());
            }
            (Some(command), _) => commands.push((command.to_owned(), Vec::new())),
            (None, Some((_, output))) => output.push(line.to_owned()),
            (None, None) => {}
        }
        continued = line.ends_with('\\');
        if let Some((command, _)) = commands.last_mut().filter(|_| continued) {
            command.truncate(command.trim_end_matches('\\').trim_end().len());
        }
    }
    commands
}

pub(crate) fn faults(document: &Document) -> Vec<String> {
    let mut faults = Vec::new();
    for fence in document.fences.iter().filter(|fence| fence.language == "console") {
        let commands = typed(document.content(fence));
        if commands.is_empty() {
            faults.push(document.fault(fence.line, "a console block in which nothing is typed (`$ …`)"));
        }
        for (command, _) in commands {
            let parts = simple_commands(&command);
            let why = parts.iter().filter_map(|words| wrong(words));
            faults.extend(why.map(|why| document.fault(fence.line, &format!("`{command}`: {why}"))));
        }
    }
    faults
}

/// Splits words as a shell would: quotes kept together, comments dropped, cut at `|`, `;` and `&`.
fn simple_commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let (mut word, mut quote, mut open, mut shells) = (String::new(), None, false, 0);
    for letter in line.chars().chain([' ']) {
        match (quote, letter) {
            (Some(end), _) if letter == end => quote = None,
            (None, '\'' | '"') => (quote, open) = (Some(letter), true),
            (None, '#') if word.is_empty() && !open => break,
            (None, '(') if word.is_empty() => shells += 1,
            (None, ')') if shells > 0 => shells -= 1,
            (None, ' ' | '|' | ';' | '&') => {
                if !word.is_empty() || open {
                    commands.last_mut().expect("there is one").push(std::mem::take(&mut word));
                }
                open = false;
                if letter != ' ' {
                    commands.push(Vec::new());
                }
            }
            _ => word.push(letter),
        }
    }
    commands.last_mut().expect("there is one").extend((!word.is_empty()).then_some(word));
    commands.retain(|words| !words.is_empty());
    commands
}

/// The fault of one command, if any.
fn wrong(words: &[String]) -> Option<String> {
    let is_setting = |word: &&String| word.split_once('=').is_some_and(|(name, _)| name.chars().all(is_name));
    let set = words.iter().take_while(is_setting).count();
    let words: Vec<&str> =
        words[set..].iter().map(String::as_str).filter(|word| !["do", "done"].contains(word)).collect();
    let (program, args) = words.split_first()?;
    if *program == "cargo" {
        return cargo(args);
    }
    if program.contains('/') {
        let exists = root().join(program).exists() || program.starts_with("target/");
        return (!exists).then(|| format!("{program} is not in the repository"));
    }
    if ["strace", "timeout", "bash", "sh"].contains(program) {
        return None; // the command that it starts is not parsed
    }
    (!KNOWN.contains(program)).then(|| format!("{program} is not among the commands that a page may use"))
}

fn is_name(letter: char) -> bool {
    letter.is_ascii_uppercase() || letter == '_' || letter.is_ascii_digit()
}

fn cargo(args: &[&str]) -> Option<String> {
    let (subcommand, args) = args.split_first()?;
    if let Some(alias) = alias(subcommand) {
        let alias: Vec<_> = alias.split_whitespace().chain(args.iter().copied()).collect();
        return cargo(&alias);
    }
    if !SUBCOMMANDS.contains(subcommand) {
        return Some(format!("cargo {subcommand} is neither a command nor an alias in .cargo/config.toml"));
    }
    let (own, theirs) = match args.iter().position(|arg| *arg == "--") {
        Some(at) => (&args[..at], &args[at + 1..]),
        None => (args, &[][..]),
    };
    let value = |flags: &[&str]| own.iter().position(|arg| flags.contains(arg)).and_then(|at| own.get(at + 1).copied());
    let Some(package) = value(&["-p", "--package"]) else {
        return (*subcommand == "run").then(|| "cargo run without -p: there are many packages".to_owned());
    };
    let Some(known) = packages().get(package) else { return Some(format!("no package {package}")) };
    for kind in ["bin", "example", "test", "bench"] {
        if let Some(name) = value(&[&format!("--{kind}")]).filter(|name| !known.has(kind, name)) {
            return Some(format!("{package} has no {kind} {name}"));
        }
    }
    if *subcommand == "run" { flags(package, known, &value, theirs) } else { None }
}

/// Flags that the program's own `--help` does not list.
fn flags<'a>(
    package: &str,
    known: &Package,
    value: &impl Fn(&[&str]) -> Option<&'a str>,
    args: &[&str],
) -> Option<String> {
    let Some(program) = program(package, known, value) else { return Some(format!("{package} has nothing to run")) };
    let used = args.iter().filter(|arg| arg.len() > 1 && arg.starts_with('-') && **arg != "--");
    let used: Vec<&str> = used.map(|arg| arg.split_once('=').map_or(*arg, |(flag, _)| flag)).collect();
    if used.is_empty() || program.kind == "example" {
        return None; // not built without need; examples take no flags
    }
    let help = help(&program);
    // clap shows a flag with an optional value as `--flag[=<VALUE>]`.
    let mut known =
        help.split(|letter: char| letter.is_whitespace() || [',', '['].contains(&letter)).collect::<Vec<_>>();
    known.push("-h");
    let unknown = used.iter().find(|flag| !known.contains(flag));
    unknown.map(|flag| format!("{} does not know {flag}", program.name))
}

fn program<'a>(package: &str, known: &Package, value: &impl Fn(&[&str]) -> Option<&'a str>) -> Option<Program> {
    let (kind, name) = match (value(&["--bin"]), value(&["--example"])) {
        (Some(bin), _) => ("bin", bin),
        (None, Some(example)) => ("example", example),
        (None, None) => ("bin", known.default_bin()?),
    };
    Some(Program { package: package.to_owned(), kind, name: name.to_owned() })
}

/// What `cargo run` starts, and with which arguments; `None` for any other command.
pub(crate) fn started(command: &str) -> Option<(Program, Vec<String>)> {
    let words = simple_commands(command).into_iter().next()?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let rest = words.strip_prefix(&["cargo", "run"])?;
    let value =
        |flags: &[&str]| rest.iter().position(|arg| flags.contains(arg)).and_then(|at| rest.get(at + 1).copied());
    let package = value(&["-p", "--package"])?;
    let program = program(package, packages().get(package)?, &value)?;
    let args = rest.iter().position(|arg| *arg == "--").map_or(&[][..], |at| &rest[at + 1..]);
    Some((program, args.iter().map(|arg| (*arg).to_owned()).collect()))
}

/// The command that one of our aliases stands for.
fn alias(name: &str) -> Option<String> {
    let config = fs::read_to_string(root().join(".cargo/config.toml")).ok()?;
    let config = Toml::parse(&config).ok()?;
    config.get("alias")?.get(name)?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn console_blocks_are_read_as_a_shell_would() {
        let block = "$ curl -s \\\n    a | cat   # why\nout\n\n$ kill -USR1 $(pidof x)\n";
        let expected = [("curl -s a | cat   # why", vec!["out", ""]), ("kill -USR1 $(pidof x)", vec![])];
        let typed = typed(block);
        let typed: Vec<_> =
            typed.iter().map(|(command, out)| (command.as_str(), out.iter().map(String::as_str).collect())).collect();
        assert_eq!(typed, expected);
        assert_eq!(simple_commands("(a; b) | c $(d e)"), [vec!["a"], vec!["b"], vec!["c", "$(d", "e)"]]);
        assert_eq!(simple_commands("a 'b c' | d \"#e\" # f"), [vec!["a", "b c"], vec!["d", "#e"]]);
    }

    #[test]
    fn commands_that_do_not_exist_are_found() {
        let faults = |line: &str| {
            let page = format!("```console\n$ {line}\n```\n");
            faults(&Document::parse(Path::new("R.md"), &page))
        };
        for good in [
            "cargo run -p chapter-03-load-balancer -- 8080 127.0.0.1:9001 --log-requests  # one",
            "cargo run -p integration-tests --bin ladder -- --full",
            "cargo load http://127.0.0.1:8080/ -c 64 --warm-up 1s",
            "LB_BIN=$PWD/x cargo test -p chapter-03-load-balancer --test ladder",
            "curl -s http://127.0.0.1:8080/ | cat",
            "./tests/run_all.sh",
            "for i in 1 2 3; do curl -s localhost:8080; done",
        ] {
            assert_eq!(faults(good), Vec::<String>::new(), "{good}");
        }
        for bad in [
            "cargo run -p chapter-03-loadbalancer",
            "cargo run -p chapter-03-load-balancer --bin balancer",
            "cargo run -p chapter-03-load-balancer --example step9",
            "cargo run -p chapter-03-load-balancer -- --weights",
            "cargo run",
            "cargo lod http://127.0.0.1:8080/",
            "cargo load http://127.0.0.1:8080/ --conections 64",
            "cargo test -p chapter-03-load-balancer --test laddder",
            "./tests/run_some.sh",
            "wrk -c 64 http://127.0.0.1:8080/",
        ] {
            assert_eq!(faults(bad).len(), 1, "{bad}");
        }
        assert_eq!(super::faults(&Document::parse(Path::new("R.md"), "```console\nout\n```\n")).len(), 1);
    }
}
