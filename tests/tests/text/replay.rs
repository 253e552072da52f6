//! Runs the console blocks of a page that have `<!-- replay -->` before the fence.
//!
//! `cargo run` starts the program on an ephemeral port; it runs to the end of the page, unless it is one that ends by
//! itself. Everything else goes to a shell in the repository's root, with the page's ports and `$(pidof …)` replaced by
//! the real ones. The lines after a `kill` are the program's output. Output is compared after ports, times and
//! identifiers are normalized; a line `...` stands for any lines, `...` in a line for any text. A block whose command is
//! not installed here is skipped, with the reason.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use crate::{
    alike::{alike, matches, ports},
    commands::{started, typed},
    document::Document,
    programs::{self, Program},
    root,
};

/// How long a line of output may take.
const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Runs every marked block of a page.
pub(crate) fn faults(document: &Document) -> Vec<String> {
    let mut terminal = Terminal::default();
    let mut faults = Vec::new();
    for fence in document.fences.iter().filter(|fence| fence.marks.iter().any(|mark| mark == "replay")) {
        for (command, expected) in typed(document.content(fence)) {
            match terminal.enter(&command, &expected) {
                Ok(()) => {}
                Err(Missing::Command(name)) => {
                    eprintln!("{}", document.fault(fence.line, &format!("not replayed: {name} is not installed")));
                    break;
                }
                Err(Missing::Output(why)) => faults.push(document.fault(fence.line, &format!("$ {command}\n{why}"))),
            }
        }
    }
    faults
}

/// Why a command's output could not be confirmed.
#[derive(Debug)]
enum Missing {
    Command(String),
    Output(String),
}

/// The running programs, and the mapping from the page's ports to real ones.
#[derive(Debug, Default)]
struct Terminal {
    running: Vec<Running>,
    ports: BTreeMap<u16, u16>,
}

impl Terminal {
    fn enter(&mut self, command: &str, expected: &[String]) -> Result<(), Missing> {
        if let Some((program, args)) = started(command) {
            return if ends_by_itself(&program, &args) {
                self.compare(expected, &output_of(&program, &args))
            } else {
                self.start(&program, &args, expected)
            };
        }
        let command = self.substituted(command);
        let installed_by_few = ["curl", "dig", "python3", "nc", "promtool"];
        for name in installed_by_few.into_iter().filter(|name| command.split_whitespace().any(|word| word == *name)) {
            let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).stdout(Stdio::null()).status();
            if !found.is_ok_and(|status| status.success()) {
                return Err(Missing::Command(name.to_owned()));
            }
        }
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &command]).current_dir(root()).stdin(Stdio::null());
        let output = shell.output().expect("a shell is here");
        if let Some(running) = self.running.last().filter(|_| command.starts_with("kill ")) {
            // The program's earlier output that the page does not show comes first.
            let expected: Vec<String> = ["...".to_owned()].into_iter().chain(expected.iter().cloned()).collect();
            return self.compare(&expected, &running.lines_like(&expected));
        }
        let printed: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
        self.compare(expected, &printed)
    }

    /// Starts a program with its port, the first of its arguments, set to 0.
    fn start(&mut self, program: &Program, args: &[String], expected: &[String]) -> Result<(), Missing> {
        let mut args: Vec<String> = args.iter().map(|arg| self.substituted(arg)).collect();
        if args.first().is_some_and(|arg| arg.parse::<u16>().is_ok()) {
            args.remove(0);
        }
        args.insert(0, "0".to_owned());
        // Neither the admin interface nor that of the metrics may take a fixed port.
        for flag in ["--admin", "--metrics"] {
            if let Some(address) = args.iter().position(|arg| arg == flag).and_then(|at| args.get_mut(at + 1)) {
                "127.0.0.1:0".clone_into(address);
            }
        }
        let running = Running::start(program, &args);
        let printed = running.lines_like(expected);
        // A line of the page and the program's line that it matches pair the two ports.
        for (page, here) in expected.iter().zip(&printed).filter(|(page, here)| matches(page, here)) {
            self.ports.extend(ports(page).into_iter().zip(ports(here)));
        }
        self.running.push(running);
        self.compare(expected, &printed)
    }

    fn compare(&self, expected: &[String], printed: &[String]) -> Result<(), Missing> {
        // Trailing empty lines separate two commands on the page.
        let end = expected.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        let back: BTreeMap<u16, u16> = self.ports.iter().map(|(page, here)| (*here, *page)).collect();
        let printed: Vec<String> = printed.iter().map(|line| renumbered(line, &back)).collect();
        if alike(&expected[..end], &printed) {
            return Ok(());
        }
        Err(Missing::Output(format!(
            "the page shows:\n{}\nthis came:\n{}",
            expected[..end].join("\n"),
            printed.join("\n")
        )))
    }

    fn substituted(&self, command: &str) -> String {
        let mut command = renumbered(command, &self.ports);
        // The last one first: a reader who starts a program again has ended the earlier one.
        for running in self.running.iter().rev() {
            command = command.replace(&format!("$(pidof {})", running.name), &running.child.id().to_string());
        }
        command
    }
}

/// Whether it is no server.
fn ends_by_itself(program: &Program, args: &[String]) -> bool {
    program.name == "config_test" || args.first().is_some_and(|arg| arg == "explain")
}

/// What a program that ends by itself prints, to either stream.
fn output_of(program: &Program, args: &[String]) -> Vec<String> {
    let (output, both) = std::io::pipe().expect("a pipe can be made");
    let mut command = Command::new(programs::built(program));
    command.args(args).current_dir(root()).stdin(Stdio::null());
    command.stderr(both.try_clone().expect("it can be duplicated")).stdout(both);
    let child = command.spawn().expect("it was just built");
    drop(command); // with its ends of the pipe
    let running = Running::reading(program, child, output);
    let mut printed = Vec::new();
    loop {
        match running.lines.recv_timeout(TEST_TIMEOUT) {
            Ok(line) => printed.push(line),
            Err(RecvTimeoutError::Disconnected) => return printed,
            Err(RecvTimeoutError::Timeout) => {
                printed.push(format!("({} still runs after {TEST_TIMEOUT:?})", program.name));
                return printed;
            }
        }
    }
}

/// The text with its port numbers replaced, but no part of a longer number.
fn renumbered(text: &str, ports: &BTreeMap<u16, u16>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let length = rest[start..].find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len() - start);
        let number = &rest[start..start + length];
        out.push_str(&rest[..start]);
        match number.parse().ok().and_then(|number: u16| ports.get(&number)) {
            Some(port) => out.push_str(&port.to_string()),
            None => out.push_str(number),
        }
        rest = &rest[start + length..];
    }
    out + rest
}

/// A program that the page has started. Dropped: killed and waited for.
#[derive(Debug)]
struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    fn start(program: &Program, args: &[String]) -> Self {
        let path = programs::built(program);
        let mut command = Command::new(&path);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let stdout = child.stdout.take().expect("piped");
        Self::reading(program, child, stdout)
    }

    fn reading(program: &Program, child: Child, output: impl Read + Send + 'static) -> Self {
        let (send, lines) = channel();
        let output = BufReader::new(output);
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        Self { name: program.name.clone(), child, lines }
    }

    /// Reads until the lines match the expected ones, or no more arrive in time.
    fn lines_like(&self, expected: &[String]) -> Vec<String> {
        let end = expected.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        let mut printed = Vec::new();
        while !alike(&expected[..end], &printed) {
            match self.lines.recv_timeout(TEST_TIMEOUT) {
                // Printed if 9001 is taken, by another test or by the reader's own backends.
                Ok(line) if line.trim_start().starts_with("(port ") => {}
                Ok(line) => printed.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        printed
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn numbers_are_replaced_whole() {
        let ports = BTreeMap::from([(8080, 40_001)]);
        assert_eq!(renumbered("127.0.0.1:8080/bytes/80801 8080", &ports), "127.0.0.1:40001/bytes/80801 40001");
    }

    fn replayed(commands: &str) -> Vec<String> {
        faults(&Document::parse(Path::new("R.md"), &format!("<!-- replay -->\n```console\n{commands}```\n")))
    }

    #[test]
    fn a_block_that_prints_something_else_is_found() {
        assert_eq!(replayed("$ printf 'a\\nb 17\\n'\na\nb 17\n"), Vec::<String>::new());
        assert_eq!(replayed("$ printf 'a\\nb\\n'\na\n"), replayed("$ printf 'a\\nb\\n'\na\n"));
        assert_eq!(replayed("$ printf 'a\\nb\\n'\na\n").len(), 1, "a line more came");
        assert_eq!(replayed("$ printf 'a\\n'\na\nb\n").len(), 1, "a line is missing");
        assert_eq!(replayed("$ printf 'a\\n'\nb\n").len(), 1);
    }

    #[test]
    fn a_program_is_started_and_its_ports_are_found() {
        let start = "$ cargo run -p backends -- 9001 some\nlistening on 127.0.0.1:9001\n...\n";
        assert_eq!(replayed(start), Vec::<String>::new());
        let get =
            |port: u16| format!("{start}$ curl -s localhost:9001/\n{{\"server_id\":\"some\",\"port\":{port},...\n");
        let right = replayed(&get(9001));
        assert_eq!(right, Vec::<String>::new());
        assert!(replayed(&get(9002)).len() == 1 || !has_curl(), "another port than that of the page");
    }

    #[test]
    fn a_program_that_ends_by_itself_is_compared_to_its_end_on_both_streams() {
        let check = "$ cargo run -p chapter-10-hot-reload";
        assert_eq!(replayed(&format!("{check}\n.../lb.json: valid\n")), Vec::<String>::new());
        assert_eq!(replayed(&format!("{check}\n.../lb.json: invalid\n")).len(), 1);
        let missing = format!("{check} -- no-such.json\n...\nno-such.json: invalid, 1 error\n");
        assert_eq!(replayed(&missing), Vec::<String>::new());
        assert_eq!(replayed(&format!("{missing}more\n")).len(), 1, "the page shows a line that does not come");
    }

    fn has_curl() -> bool {
        Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
    }
}
