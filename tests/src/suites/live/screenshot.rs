//! The picture of the page in the chapter's README.
//!
//! `LIVE_PAGE_PNG=live-page.png LADDER_FULL=1 cargo test -p chapter-08-metrics --test ladder -- live::a_screenshot`
//! writes it; the path is relative to the chapter. Without the variable the picture is made and thrown away.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use serde_json::json;

use super::start;
use crate::Context;
use crate::backend::{Backend, Conn};
use crate::case::cases;
use crate::process::Program;
use crate::rng::Rng;
use crate::wait::{StopOnDrop, ms, pause, until};
use crate::webdriver::Browser;

cases! { "live";
    Full a_screenshot_of_the_page_is_small within ms(180_000),
}

/// The width that fits a README, and is wide enough for two columns.
const WIDTH: u32 = 1120;
/// A page of a repository shows pictures about 830 pixels wide.
const SCALE: f64 = 0.75;
const MAX_BYTES: usize = 150_000;

/// A backend that takes `work` milliseconds for most requests, and ten times as long for some.
fn backend(seed: u64, work: u64) -> Backend {
    Backend::start_without_recording(move |conn: &mut Conn| {
        let mut rng = Rng::new(seed + u64::try_from(conn.index).unwrap());
        while let Ok(request) = conn.request() {
            let slow = if rng.below(40) == 0 { 10 } else { 1 };
            pause(ms((work + rng.number() % (work + 1)) * slow));
            let status = if request.head.target == "/api/error" { 500 } else { 200 };
            if !conn.write(format!("HTTP/1.1 {status} Status\r\nContent-Length: 2\r\n\r\nok")) {
                return;
            }
        }
    })
}

/// Sends what several clients would.
fn send_requests(program: &Program, seed: u64, stop: &AtomicBool) {
    let (mut client, mut rng) = (program.client(), Rng::new(seed));
    while !stop.load(Relaxed) {
        let target = match rng.below(20) {
            0 => "/login",
            1 => "/api/error",
            2..8 => "/api/items",
            _ => "/",
        };
        client.get(target);
        pause(ms(rng.number() % 12));
    }
}

fn a_screenshot_of_the_page_is_small(ctx: &Context) {
    let [a, b, c, d] = [(1, 2), (2, 3), (3, 2), (4, 8)].map(|(seed, work)| backend(seed, work));
    let group = format!("api={},{} -a lc", c.addr(), d.addr());
    let route = ["--group", &group, "--route", "name=api path=/api/* -> api"];
    let limit = ["--limit", "5/s,burst=5 by=ip path=/login name=login"];
    let (program, admin) = start(ctx, &[a.addr(), b.addr()], &[&route[..], &limit].concat());
    let Some(browser) = Browser::start() else { return };
    browser.set_theme("light");
    browser.set_size(WIDTH, 900);
    browser.open(&format!("http://{}/", admin.addr()));
    let stop = AtomicBool::new(false);
    let shot = thread::scope(|scope| {
        let _stopped = StopOnDrop(&stop);
        for seed in 0..6 {
            let (program, stop) = (&program, &stop);
            scope.spawn(move || send_requests(program, seed, stop));
        }
        // The graphs are of a minute: this is what fills them.
        pause(ms(35_000));
        admin.backend_action(b.addr(), "drain");
        pause(ms(5_000));
        admin.backend_action(b.addr(), "enable");
        pause(ms(4_000));
        let port = d.stop();
        let is_red = "return document.querySelectorAll('tr.is-down').length === 1";
        until("the killed one is red", || browser.run(is_red, &json!([])) == true);
        pause(ms(2_500));
        let height = browser.run("return document.documentElement.scrollHeight", &json!([]));
        let height = height.as_u64().and_then(|height| u32::try_from(height).ok()).expect("a height");
        let shot = browser.screenshot(WIDTH, height, SCALE);
        drop(port);
        shot
    });
    assert!(shot.len() < MAX_BYTES, "{} bytes", shot.len());
    if let Some(path) = std::env::var_os("LIVE_PAGE_PNG").map(PathBuf::from) {
        std::fs::write(&path, shot).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
