//! Hundreds of request targets that try to leave the root, or to name what is not served.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::Context;
use crate::case::cases;
use crate::process::Program;
use crate::wait::until;

use super::Site;

cases! { "files";
    Fast no_target_of_a_long_list_returns_a_byte_from_outside,
}

/// The files that no response may have a byte of consist of this one, which no head and no other file has.
const CANARY: u8 = 0xfa;
/// What the files that are served consist of.
const INSIDE: &str = "inside";

/// Spellings of `..`, or what some server has taken for it.
const PARENTS: [(&str, u16); 20] = [
    ("..", 404),
    ("%2e%2e", 404),
    ("%2E%2e", 404),
    (".%2e", 404),
    ("%2E.", 404),
    ("%252e%252e", 404),
    ("%25252E%25252E", 404),
    ("%c0%ae%c0%ae", 404), // overlong UTF-8, of two bytes
    ("%e0%80%ae%e0%80%ae", 404),
    ("%f0%80%80%ae%f0%80%80%ae", 404),
    ("%c0%2e%c0%2e", 404),
    ("%ef%bc%8e%ef%bc%8e", 404), // full-width dots
    ("%u002e%u002e", 400),
    ("%%32%65%%32%65", 400), // decoded twice: %2e%2e
    ("..;", 404),
    ("..;a=b", 404),
    ("..%00", 404),
    ("..%20", 404),
    ("...", 404),
    (".%00.", 404),
];

/// Spellings of `/`, or what some server has taken for it.
const SEPARATORS: [(&str, u16); 13] = [
    ("/", 404),
    ("%2f", 404),
    ("%2F", 404),
    ("%5c", 404),
    ("%5C", 404),
    ("%252f", 404),
    ("%255C", 404),
    ("%c0%af", 404),
    ("%e0%80%af", 404),
    ("%c1%9c", 404), // an overlong backslash
    ("//", 404),
    ("/./", 404),
    ("\\", 400),
];

const TARGETS: &[(&str, u16)] = &[
    // What is served, so that the rest is not refused for another reason.
    ("/", 200),
    ("/sub/inside.txt", 200),
    ("/sub/deep/er/inside.txt", 200),
    ("/s%75b/%69nside.txt", 200),
    ("/sub%2finside.txt", 404),
    ("/sub/inside.txt?file=../../canary.txt", 200),
    ("/?/../../canary.txt", 200),
    ("/..?/sub/inside.txt", 404),
    ("/sub/inside.txt;v=1", 404),
    // Dot segments at every depth, also those that stay inside.
    ("/.", 404),
    ("/./", 404),
    ("/..", 404),
    ("/../", 404),
    ("/./sub/inside.txt", 404),
    ("/sub/./inside.txt", 404),
    ("/sub/deep/../inside.txt", 404),
    ("/sub/deep/er/../../inside.txt", 404),
    ("/sub/deep/er/../../../../canary.txt", 404),
    ("/none/../../canary.txt", 404),
    ("/sub/inside.txt/..", 404),
    ("/sub/inside.txt/../../../canary.txt", 404),
    ("/sub/..", 404),
    ("/sub/.", 404),
    // Empty segments.
    ("//", 404),
    ("//canary.txt", 404),
    ("///canary.txt", 404),
    ("//sub/inside.txt", 404),
    ("/sub//inside.txt", 404),
    ("/sub/inside.txt//", 404),
    ("//etc/passwd", 404),
    ("//127.0.0.1/sub", 404),
    // NUL, controls, and what is not allowed in a target.
    ("/%00", 404),
    ("/sub/inside.txt%00", 404),
    ("/sub/inside.txt%00.html", 404),
    ("/sub%00/inside.txt", 404),
    ("/%00/../canary.txt", 404),
    ("/sub/inside.txt%0a", 404),
    ("/sub/inside.txt%0d%0aX-Added:%201", 404),
    ("/sub%0d%0aLocation:%20//evil", 404),
    ("/sub/inside.txt\0", 400),
    ("/sub/inside.txt\x01", 400),
    ("/sub/inside.txt\x7f", 400),
    ("/sub/\u{e4}", 400),
    ("/sub/inside.txt#/../canary.txt", 400),
    ("/%", 400),
    ("/%2", 400),
    ("/%2/canary.txt", 400),
    ("/%g0", 400),
    ("/..%", 400),
    ("/sub\\inside.txt", 400),
    ("\\..\\canary.txt", 400),
    // Targets without a slash at their start.
    ("canary.txt", 400),
    ("../canary.txt", 400),
    ("..", 400),
    ("*", 400),
    ("", 400),
    // Absolute-form.
    ("http://test/sub/inside.txt", 200),
    ("http://test", 200),
    ("http://test/../canary.txt", 404),
    ("http://test/%2e%2e/canary.txt", 404),
    ("http://test/sub/..%2f..%2fcanary.txt", 404),
    ("http://test//canary.txt", 404),
    ("http://test/.env", 404),
    ("http://test/out", 404),
    ("http:///canary.txt", 400),
    ("http://../canary.txt", 400),
    // Trailing dots, blanks, and names that other systems read differently.
    ("/sub/inside.txt.", 404),
    ("/sub/inside.txt..", 404),
    ("/sub/inside.txt%20", 404),
    ("/sub/inside.txt%2e", 404),
    ("/sub./inside.txt", 404),
    ("/sub%20/inside.txt", 404),
    ("/%20sub/inside.txt", 404),
    ("/SUB/INSIDE.TXT", 404),
    ("/sub/inside.txt::$DATA", 404),
    ("/sub/INSID~1.TXT", 404),
    ("/C:/canary.txt", 404),
    ("/c:%5ccanary.txt", 404),
    ("/~/canary.txt", 404),
    ("/~root/.profile", 404),
    ("/con", 404),
    // Hidden files, which have the canary in them.
    ("/.env", 404),
    ("/%2eenv", 404),
    ("/%2Eenv", 404),
    ("/.git", 404),
    ("/.git/", 404),
    ("/.git/config", 404),
    ("/%2egit/config", 404),
    ("/.git%2fconfig", 404),
    ("/sub/.htpasswd", 404),
    ("/sub/%2ehtpasswd", 404),
    ("/sub/.htpasswd%00.txt", 404),
    // `.well-known` is the one visible name with a dot, at the top only.
    ("/.well-known/acme-challenge/token", 200),
    ("/%2ewell-known/acme-challenge/token", 200),
    ("/.well-known", 301),
    ("/.well-known/", 404),
    ("/.WELL-KNOWN/acme-challenge/token", 404),
    ("/.well-known./acme-challenge/token", 404),
    ("/.well-known/.env", 404),
    ("/.well-known/../canary.txt", 404),
    ("/.well-known/../../canary.txt", 404),
    ("/.well-known%2f..%2f..%2fcanary.txt", 404),
    ("/.well-known/acme-challenge/../../../canary.txt", 404),
    ("/sub/.well-known/token", 404),
    // Directories: a redirect or nothing, never a listing.
    ("/sub", 301),
    ("/sub/", 404),
    ("/bare", 301),
    ("/bare/", 404),
    ("/bare/index.html", 404),
    ("/sub/deep?x", 301),
    ("/sub/inside.txt/", 404),
    ("/sub/inside.txt/index.html", 404),
    ("/index.html/", 404),
    // Symbolic links: followed inside, and nowhere else.
    ("/out", 404),
    ("/out/", 404),
    ("/out-dir", 404),
    ("/out-dir/", 404),
    ("/out-dir/canary.txt", 404),
    ("/detour", 404),
    ("/chain-1", 404),
    ("/chain-2", 404),
    ("/dir-chain-1/canary.txt", 404),
    ("/dir-chain-1/", 404),
    ("/up", 404),
    ("/up/", 404),
    ("/up/canary.txt", 404),
    ("/up/root/sub/inside.txt", 404),
    ("/sub/up-2/canary.txt", 404),
    ("/absolute", 404),
    ("/absolute-inside", 404),
    ("/loop-a", 404),
    ("/loop-a/", 404),
    ("/loop-b/canary.txt", 404),
    ("/itself", 404),
    ("/itself/x", 404),
    ("/dangling", 404),
    // What the system has under names of its own.
    ("/etc/passwd", 404),
    ("/proc/self/environ", 404),
    ("/dev/zero", 404),
    ("/slash/etc/passwd", 404),
    ("/slash/proc/self/environ", 404),
    ("/slash/", 404),
    ("/proc-self/environ", 404),
    ("/proc-self/cmdline", 404),
    ("/proc-self/cwd/Cargo.toml", 404),
    ("/proc-self/fd/0", 404),
    ("/proc-self/root/etc/passwd", 404),
    ("/magic-root/etc/passwd", 404),
    ("/magic-cwd/Cargo.toml", 404),
    ("/magic-fd/1", 404),
    ("/null", 404),
    ("/zero", 404),
    ("/terminal", 404),
    ("/fifo", 404),
    ("/fifo/", 404),
    ("/fifo-link", 404),
    ("/socket", 404),
    ("/socket/x", 404),
];

/// A site with traps, in a directory with canaries. The listener keeps its socket's file.
fn set_traps() -> (Site, UnixListener) {
    let site = Site::new();
    let canary = [CANARY; 99];
    let outside = site.parent.path();
    fs::write(outside.join("canary.txt"), canary).unwrap();
    fs::create_dir(outside.join("outside")).unwrap();
    for name in ["canary.txt", "index.html"] {
        fs::write(outside.join("outside").join(name), canary).unwrap();
    }
    for name in ["index.html", "sub/inside.txt", "sub/deep/er/inside.txt", ".well-known/acme-challenge/token", "bare/x"]
    {
        site.write(name, INSIDE.as_bytes());
    }
    for name in [".env", ".git/config", ".git/index.html", "sub/.htpasswd", ".well-known/.env"] {
        site.write(name, &canary);
    }
    link(&site, outside);
    mkfifo(&site.path("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
    let socket = UnixListener::bind(site.path("socket")).unwrap();
    (site, socket)
}

fn link(site: &Site, outside: &Path) {
    let absolute = |name: &str| outside.join(name).to_str().unwrap().to_owned();
    let (canary, inside) = (absolute("canary.txt"), absolute("root/sub/inside.txt"));
    for (name, to) in [
        ("in", "sub/inside.txt"),
        ("out", "../canary.txt"),
        ("out-dir", "../outside"),
        ("detour", "sub/../../canary.txt"),
        ("chain-1", "chain-2"),
        ("chain-2", "sub/chain-3"),
        ("sub/chain-3", "../../canary.txt"),
        ("dir-chain-1", "sub/dir-chain-2"),
        ("sub/dir-chain-2", "../../outside"),
        ("up", ".."),
        ("sub/up-2", "../.."),
        ("absolute", &canary),
        ("absolute-inside", &inside),
        ("loop-a", "loop-b"),
        ("loop-b", "loop-a"),
        ("itself", "itself"),
        ("dangling", "none"),
        ("slash", "/"),
        ("proc-self", "/proc/self"),
        ("magic-root", "/proc/self/root"),
        ("magic-cwd", "/proc/self/cwd"),
        ("magic-fd", "/proc/self/fd"),
        ("null", "/dev/null"),
        ("zero", "/dev/zero"),
        ("terminal", "/dev/tty"),
        ("fifo-link", "fifo"),
    ] {
        symlink(to, site.path(name)).unwrap();
    }
}

/// The table, each pair of a parent and a separator, and what is made of the site's own path or is long.
fn targets(site: &Site) -> Vec<(String, u16)> {
    let mut all: Vec<_> = TARGETS.iter().map(|(target, status)| ((*target).to_owned(), *status)).collect();
    for (separator, status) in SEPARATORS {
        for (parent, parent_status) in PARENTS {
            let climb = [parent, separator].concat();
            let target = format!("/sub{separator}{climb}{climb}canary.txt");
            // The first segment that is refused decides, and these have one before that of the parent.
            let is_decided = matches!(separator, "//" | "/./");
            all.push((target, if is_decided { status } else { status.min(parent_status) }));
        }
    }
    for (parent, status) in PARENTS {
        all.push((format!("/{parent}/canary.txt"), status));
        all.push((format!("/sub/deep/er/{}canary.txt", format!("{parent}/").repeat(64)), status));
    }
    let canary = site.parent.path().join("canary.txt").to_str().unwrap().to_owned();
    let (encoded, twice) = (canary.replace('/', "%2f"), canary.replace('/', "%252F"));
    let unknown_parent = "../".repeat(500);
    all.extend([
        (format!("/{canary}"), 404),
        (canary.clone(), 404),
        (format!("/{encoded}"), 404),
        (format!("/{twice}"), 404),
        (format!("/file:{canary}"), 404),
        (format!("/{unknown_parent}{canary}"), 404),
        (format!("/{}canary.txt", "%2e%2e%2f".repeat(500)), 404),
        (format!("/{}", "a".repeat(255)), 404),
        (format!("/{}", "a".repeat(256)), 404),
        (format!("/{}", "a/".repeat(3_000)), 404),
        (format!("/{}sub/inside.txt", "./".repeat(3_000)), 404),
        (format!("/{}", "%61".repeat(3_000)), 404),
        (format!("/{}", "a".repeat(40_000)), 414),
    ]);
    if cfg!(target_os = "linux") {
        all.push(("/in".to_owned(), 200));
    }
    all
}

/// Each on a connection of its own: some are refused by closing it.
fn try_target(program: &Program, target: &str, status: u16) {
    let shown: String = target.chars().take(200).collect();
    let mut client = program.client();
    client.request("GET", target, "");
    let response = client.try_response("GET").unwrap_or_else(|error| panic!("{shown:?}: {error:?}"));
    assert_eq!(response.status(), status, "{shown:?}");
    assert!(!response.body.contains(&CANARY), "{shown:?}: a byte from outside");
    let location = response.fields().get("location");
    assert!(location.is_none_or(|location| location.starts_with('/') && !location.starts_with("//")), "{location:?}");
    assert_eq!(response.text() == INSIDE, status == 200, "{shown:?}: {}", response.text());
    assert!(response.fields().get("x-added").is_none(), "{shown:?}: a header by CR LF");
}

fn no_target_of_a_long_list_returns_a_byte_from_outside(ctx: &Context) {
    let (site, _socket) = set_traps();
    let targets = targets(&site);
    let distinct: BTreeSet<_> = targets.iter().map(|(target, _)| target).collect();
    assert!(distinct.len() >= 400 && distinct.len() == targets.len(), "{} of {}", distinct.len(), targets.len());
    // One worker: if a target blocked it, no other would be answered.
    let program = site.start(ctx, &["--workers", "1"]);
    // It has all that it needs once it has served a file, and perhaps that connection for another moment.
    try_target(&program, "/sub/inside.txt", 200);
    let fds = program.fds();
    for (target, status) in &targets {
        try_target(&program, target, *status);
    }
    assert_eq!(program.client().get("/sub/inside.txt").text(), INSIDE, "it serves on");
    until("no descriptor is left open", || program.fds() <= fds);
}
