//! A program on a pseudo terminal of 80 columns and 24 rows, by `script` of util-linux.
//!
//! A shell around the program prints the terminal's settings before and after it, so that a test sees whether they were
//! restored.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait::{TEST_TIMEOUT, eventually};

/// Switches from the alternate screen back to the one of the shell.
const LEAVE_SCREEN: &str = "\u{1b}[?1049l";

const HIDE_CURSOR: &str = "\u{1b}[?25l";
const SHOW_CURSOR: &str = "\u{1b}[?25h";

/// A program that runs on a terminal. Dropped: ended.
#[derive(Debug)]
pub struct ProgramOnTerminal {
    script: Child,
    keys: ChildStdin,
    output: Arc<(Mutex<Output>, Condvar)>,
}

#[derive(Debug, Default)]
struct Output {
    text: String,
    is_closed: bool,
}

/// The commands around the program, which is `"$@"`.
const AROUND: &str = r#"stty rows 24 cols 80; echo "before $(stty -g)."
sh -c 'echo "pid $$."; exec "$0" "$@"' "$@"
echo "code $?."; echo "after $(stty -g).""#;

impl ProgramOnTerminal {
    /// Starts it. `None`, with the reason printed, where there is no `script` that takes a command.
    pub fn start(program: &Path, args: &[&str]) -> Option<Self> {
        let version = Command::new("script").arg("--version").output();
        if !version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("util-linux")) {
            println!("skipped: there is no `script` of util-linux");
            return None;
        }
        let program = program.to_str().expect("a path in UTF-8");
        let words: Vec<_> = std::iter::once(&program).chain(args).map(|word| quoted(word)).collect();
        let command = format!("set -- {}\n{AROUND}", words.join(" "));
        let mut script = Command::new("script")
            .args(["--quiet", "--flush", "--command", &command, "/dev/null"])
            .env("SHELL", "/bin/sh")
            .env("TERM", "xterm-256color")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("script: {error}"));
        let output = Arc::default();
        collect(script.stdout.take().expect("piped"), Arc::clone(&output));
        let keys = script.stdin.take().expect("piped");
        Some(Self { script, keys, output })
    }

    /// Waits until it has written `text`, and returns all that it has written.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait(text, |output| output.text.contains(text))
    }

    fn wait(&self, what: &str, claim: impl Fn(&Output) -> bool) -> String {
        let deadline = Instant::now() + TEST_TIMEOUT;
        let (lock, changed) = &*self.output;
        let mut output = lock.lock().unwrap();
        while !claim(&output) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!output.is_closed && !left.is_zero(), "the terminal does not show {what:?}: {:?}", output.text);
            output = changed.wait_timeout(output, left).unwrap().0;
        }
        output.text.clone()
    }

    /// Types keys.
    pub fn type_keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).and_then(|()| self.keys.flush()).expect("the terminal is open");
    }

    /// Sends the program a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = value(&self.wait_for("pid "), "pid ").parse().expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("the program still exists");
    }

    /// Waits until the program has ended and returns its exit code and what it wrote after it left the screen; panics
    /// when it has not left the screen, or has not restored the terminal's settings.
    pub fn end(mut self) -> (i32, String) {
        let text = self.wait("its end", |output| output.is_closed);
        let ended = eventually(TEST_TIMEOUT, || self.script.try_wait().expect("our own child"));
        assert!(ended.is_some(), "{text:?}");
        assert_eq!(value(&text, "before "), value(&text, "after "), "the settings are restored: {text:?}");
        let (_, after) =
            text.rsplit_once(LEAVE_SCREEN).unwrap_or_else(|| panic!("it did not leave the screen: {text:?}"));
        let since_hidden = text.rsplit(HIDE_CURSOR).next().unwrap_or_default();
        assert!(since_hidden.contains(SHOW_CURSOR), "the cursor is shown again: {text:?}");
        (value(&text, "code ").parse().expect("a code"), after.to_owned())
    }
}

impl Drop for ProgramOnTerminal {
    fn drop(&mut self) {
        // The terminal hangs up, and with it what runs there.
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

/// What the last line that begins with `label` says, up to its full stop.
fn value<'a>(text: &'a str, label: &str) -> &'a str {
    let (_, rest) = text.rsplit_once(label).unwrap_or_else(|| panic!("no {label:?}: {text:?}"));
    rest.split('.').next().unwrap_or_default()
}

/// A word of a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn collect(mut pipe: impl Read + Send + 'static, output: Arc<(Mutex<Output>, Condvar)>) {
    thread::spawn(move || {
        let (mut bytes, mut more) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = pipe.read(&mut more) {
            bytes.extend_from_slice(&more[..count]);
            output.0.lock().unwrap().text = String::from_utf8_lossy(&bytes).into_owned();
            output.1.notify_all();
        }
        output.0.lock().unwrap().is_closed = true;
        output.1.notify_all();
    });
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn run(script: &str) -> Option<ProgramOnTerminal> {
        ProgramOnTerminal::start(Path::new("/bin/sh"), &["-c", script])
    }

    #[test]
    fn what_a_program_leaves_changed_is_found() {
        let restores = r"printf '\033[?1049h'; read -r key; printf '\033[?1049l\033[?25h'; exit 7";
        let Some(mut good) = run(restores) else { return };
        good.wait_for("[?1049h");
        good.type_keys("a\n");
        assert_eq!(good.end().0, 7);
        for bad in [r"printf '\033[?25h'", r"printf '\033[?1049l'", r"stty -echo; printf '\033[?1049l\033[?25h'"] {
            let program = run(bad).expect("there was one a moment ago");
            assert!(catch_unwind(AssertUnwindSafe(|| program.end())).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_reach_the_program_as_they_are() {
        let Some(program) = ProgramOnTerminal::start(Path::new("/usr/bin/printf"), &["<%s>", "it's $HOME \"x\""])
        else {
            return;
        };
        program.wait_for("<it's $HOME \"x\">");
    }
}
