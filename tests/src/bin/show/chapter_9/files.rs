//! Part 2: a file by `sendfile` and by copies, a part of it, nothing of it, and nothing outside of the directory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use integration_tests::client::Client;
use integration_tests::process::Program;
use integration_tests::wait::until;
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::narrator::{Narrator, Programs};

const SIZE: usize = 8_000_000;
/// When it was written, since 1970. Of one that was written just now the tag would be weak.
const MODIFIED: Duration = Duration::from_secs(1_700_000_000);
/// The calls that can move bytes of a file to a socket.
const CALLS: [&str; 3] = ["sendto", "sendfile", "pread64"];

pub(crate) fn demo(narrator: &Narrator, programs: &Programs) {
    let site = Site::new();
    narrator.section(
        "A file, by sendfile",
        "A server sends a file of 8 MB. With which calls, and how many bytes of the file has it seen?",
    );
    let server = download(narrator, programs, &site, &[]);
    narrator.section("The same, copied", "With --copy: pread, send. How many calls now?");
    drop(download(narrator, programs, &site, &["--copy"]));
    parts_and_refusals(narrator, &server);
}

/// A directory to serve, and a file beside it that must not be.
struct Site {
    parent: TempDir,
    content: Vec<u8>,
}

impl Site {
    fn new() -> Self {
        let site = Self { parent: tempfile::tempdir().expect("a directory"), content: backends::pattern(SIZE) };
        fs::create_dir(site.root()).expect("an empty directory");
        fs::write(site.root().join("video.mp4"), &site.content).expect("it fits");
        fs::write(site.parent.path().join("secret.txt"), "secret").expect("it fits");
        let file = File::options().write(true).open(site.root().join("video.mp4")).expect("it was just written");
        file.set_modified(SystemTime::UNIX_EPOCH + MODIFIED).expect("it is ours");
        site
    }

    fn root(&self) -> PathBuf {
        self.parent.path().join("site")
    }

    fn trace(&self) -> PathBuf {
        self.parent.path().join("trace")
    }
}

/// Whether strace is there, and may trace.
fn has_strace() -> bool {
    let tried = Command::new("strace").args(["-D", "-f", "-q", "-o", "/dev/null", "true"]).output();
    tried.is_ok_and(|output| output.status.success() && output.stderr.is_empty())
}

/// Downloads the file from a server with these flags, and shows how it was sent. Returns the server.
fn download(narrator: &Narrator, programs: &Programs, site: &Site, flags: &[&str]) -> Program {
    let (root, trace) = (site.root(), site.trace());
    let [root, trace] = [&root, &trace].map(|path| path.to_str().expect("the system's directories are UTF-8"));
    let args = [&["0", root, "--workers", "1"], flags].concat();
    let calls = format!("trace={}", CALLS.join(","));
    // The tracer is no parent of the program, which so stays our child.
    let strace = ["strace", "-D", "-f", "-q", "-s", "15", "-e", &calls, "-o", trace];
    let launcher = if has_strace() { &strace[..] } else { &[] };
    let server = programs.start_by(narrator, launcher, "file_server", &args);
    narrator.command("curl -s -o video.mp4 http://127.0.0.1:8080/video.mp4");
    let response = server.client().get("/video.mp4");
    assert!(response.status() == 200 && response.body == site.content, "{:?}", response.head);
    let [sendfile, copied] = counters(&server);
    if launcher.is_empty() {
        narrator.say("(There is no strace here, so this is from the server's own statistics.)");
    } else {
        show_calls(narrator, &site.trace(), flags.is_empty());
    }
    narrator.output(&format!("bytes by sendfile: {sendfile}, bytes by copy: {copied}"));
    let expected = if flags.is_empty() { [SIZE as u64, 0] } else { [0, SIZE as u64] };
    assert_eq!([sendfile, copied], expected);
    server
}

/// The bytes that were sent in the two ways, once all are counted.
fn counters(server: &Program) -> [u64; 2] {
    const LAST_LINE: &str = "worker 0: ";
    let mut counted = [0; 2];
    until("the response is counted", || {
        let tables = server.stdout().matches(LAST_LINE).count();
        server.signal(Signal::SIGUSR1);
        until("the statistics are printed", || server.stdout().matches(LAST_LINE).count() > tables);
        let said = server.stdout();
        let number =
            |name| said.lines().rev().find_map(|line| line.strip_prefix(name)?.parse().ok()).expect("a number");
        counted = ["bytes by sendfile: ", "bytes by copy: "].map(number);
        counted.iter().sum::<u64>() == SIZE as u64
    });
    counted
}

/// Shows the first calls of the trace that send the response, and how often each was made.
fn show_calls(narrator: &Narrator, trace: &Path, is_sendfile: bool) {
    let trace = fs::read_to_string(trace).expect("strace has written it");
    // A line begins with the number of the thread.
    let calls = trace.lines().filter_map(|line| Some(line.split_once(' ')?.1.trim_start()));
    let response: Vec<_> = calls.skip_while(|call| !call.contains("\"HTTP/1.1 200")).collect();
    let head = response.first().expect("a head was sent");
    let (socket, _) = head.split_once(',').expect("a call has arguments");
    let socket = socket.strip_prefix("sendto(").expect("a head is sent by sendto").to_owned();
    narrator.command(&format!("strace -f -e trace={} -p $(pidof file_server)", CALLS.join(",")));
    narrator.output(&response[..3].join("\n"));
    // Signals wake threads by sendto, too: on another socket.
    let of_call = |name: &str, first: &str| {
        let begin = format!("{name}({first}");
        response.iter().filter(|call| call.starts_with(&begin)).count()
    };
    let to_socket = format!("{socket},");
    let [sends, sendfiles, reads] =
        [of_call("sendto", &to_socket), of_call("sendfile", &to_socket), of_call("pread64", "")];
    narrator.output(&format!("in all: {sends} sendto, {sendfiles} sendfile, {reads} pread64"));
    if is_sendfile {
        assert!(sends == 1 && sendfiles > 1 && reads == 0, "{trace}");
    } else {
        assert!(sends > 1 && sendfiles == 0 && reads > 1, "{trace}");
    }
}

fn parts_and_refusals(narrator: &Narrator, server: &Program) {
    narrator.section(
        "A part, and nothing",
        "14 bytes of the file; the file for a client that has it; and a path that leads out of the directory.",
    );
    let mut client = server.client();
    narrator.command("curl -s -i -r 0-13 http://127.0.0.1:8080/video.mp4");
    let part = ask(&mut client, "/video.mp4", "Range: bytes=0-13\r\n");
    let range = part.fields().get("content-range").expect("a part says which").to_owned();
    narrator.output(&format!("{}, Content-Range: {range}", part.status()));
    assert_eq!((part.status(), range.as_str(), part.body.len()), (206, "bytes 0-13/8000000", 14));
    let tag = part.fields().get("etag").expect("a file has a tag").to_owned();
    narrator.command(&format!("curl -s -i -H 'If-None-Match: {tag}' http://127.0.0.1:8080/video.mp4"));
    let known = ask(&mut client, "/video.mp4", &format!("If-None-Match: {tag}\r\n"));
    narrator.output(&format!("{}, {} bytes", known.status(), known.body.len()));
    assert_eq!((known.status(), known.body.len()), (304, 0));
    narrator.command("curl -s -i --path-as-is http://127.0.0.1:8080/../secret.txt");
    let outside = ask(&mut client, "/../secret.txt", "");
    narrator.output(&format!("{}", outside.status()));
    assert!(outside.status() == 404 && !outside.text().contains("secret"), "{outside:?}");
}

fn ask(client: &mut Client, target: &str, fields: &str) -> integration_tests::client::Response {
    client.request("GET", target, fields);
    client.response("GET")
}
