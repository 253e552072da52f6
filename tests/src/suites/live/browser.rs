//! The page in a real browser.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::{answer, backend, start};
use crate::Context;
use crate::admin_client::AdminClient;
use crate::backend::Backend;
use crate::case::cases;
use crate::process::Program;
use crate::wait::{StopOnDrop, TEST_TIMEOUT, eventually, ms, pause, until};
use crate::webdriver::Browser;

cases! { "live";
    Fast a_killed_backend_turns_red_within_three_seconds_and_comes_back,
    Fast a_hostile_name_is_text_and_another_sites_page_is_powerless,
    Fast both_themes_are_legible_and_a_phone_shows_all,
    Fast a_button_drains_where_changes_are_permitted,
}

/// A browser that shows the page, once it has shown a document.
fn page(admin: AdminClient) -> Option<Browser> {
    let browser = Browser::start()?;
    browser.open(&format!("http://{}/", admin.addr()));
    until("the page is live", || text(&browser, "#status") == "live");
    Some(browser)
}

fn text(browser: &Browser, selector: &str) -> String {
    let found = browser.run("return document.querySelector(arguments[0])?.textContent ?? ''", &json!([selector]));
    found.as_str().expect("a text").to_owned()
}

/// The state that the page shows of a backend, and whether its row is red, to a browser that has drawn it.
fn row(browser: &Browser, backend: &str) -> (String, bool) {
    const SCRIPT: &str = "
        const cell = [...document.querySelectorAll('#backends td.name')].find((one) => one.textContent === arguments[0]);
        const [red, green, blue, alpha = 1] = getComputedStyle(cell).backgroundColor.match(/[\\d.]+/g).map(Number);
        return [cell.parentElement.querySelector('.badge').textContent,
                alpha > 0 && red > green + 20 && red > blue + 20];";
    let found = browser.run(SCRIPT, &json!([backend]));
    (found[0].as_str().expect("a label").to_owned(), found[1] == true)
}

/// Sends requests until the flag is set.
fn send_requests(program: &Program, stop: &AtomicBool) {
    let mut client = program.client();
    while !stop.load(Relaxed) {
        assert!(client.get("/").status() < 600);
        pause(ms(20));
    }
}

/// Asserts that the browser had nothing to complain about.
fn assert_no_errors(browser: &Browser) {
    let log = browser.log();
    assert!(log.is_empty(), "{log:#?}");
}

fn a_killed_backend_turns_red_within_three_seconds_and_comes_back(ctx: &Context) {
    let (a, b) = (backend(), backend());
    let (program, admin) = start(ctx, &[a.addr(), b.addr()], &["--down-time", "500ms"]);
    let Some(browser) = page(admin) else { return };
    let name = b.addr().to_string();
    assert_eq!(row(&browser, &name), ("up".to_owned(), false));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let _stopped = StopOnDrop(&stop);
        scope.spawn(|| send_requests(&program, &stop));
        let (port, killed) = (b.stop(), Instant::now());
        let red = eventually(Duration::from_secs(3), || row(&browser, &name).1.then(|| killed.elapsed()));
        assert!(red.is_some(), "not red three seconds after it was killed: {:?}", row(&browser, &name));
        until("the event is in the list", || text(&browser, "#events").contains(&name));
        assert!(text(&browser, "title").contains("not up"), "{}", text(&browser, "title"));
        let b = Backend::start_on(port, answer);
        until("it comes back", || row(&browser, &name) == ("up".to_owned(), false));
        until("it has its share again", || {
            let share =
                browser.run("return document.querySelectorAll('#backends td.share')[1].textContent", &json!([]));
            share.as_str().is_some_and(|share| share.starts_with('5') || share.starts_with('4'))
        });
        stop.store(true, Relaxed);
        drop(b);
    });
    assert_no_errors(&browser);
    // Without documents the page says since when.
    program.signal(Signal::SIGSTOP);
    let stale = eventually(TEST_TIMEOUT, || text(&browser, "#status").starts_with("stale since ").then_some(()));
    program.signal(Signal::SIGCONT);
    assert!(stale.is_some(), "{}", text(&browser, "#status"));
    until("it is live again", || text(&browser, "#status") == "live");
}

/// The page's document with every text replaced, as the page shows it.
const HOSTILE: &str = "
    const doc = await (await fetch('/live.json')).json();
    const replace = (value) => typeof value === 'string' ? arguments[0]
      : Array.isArray(value) ? value.map(replace)
      : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, replace(one)]))
      : value;
    const hostile = replace(doc);
    hostile.uptime_ms = doc.uptime_ms + 100000;
    hostile.events = ['limited', arguments[0]].map((kind, sequence) =>
      ({ sequence: sequence + 1e6, time_ms: doc.time_ms, kind, subject: arguments[0], group: arguments[0], count: 1 }));
    show(hostile);
    return [document.querySelectorAll('img, script:not(body > script), iframe').length, window.hacked === undefined,
            ['#name', '#backends', '#routes', '#limits', '#events', '#about']
              .filter((id) => !document.querySelector(id).textContent.includes(arguments[0]))];";

fn a_hostile_name_is_text_and_another_sites_page_is_powerless(ctx: &Context) {
    let (a, b) = (backend(), backend());
    let hostile = "<img/src=x/onerror=window.hacked=1>";
    let route = format!("header=x:{hostile} -> default");
    let (_program, admin) = start(ctx, &[a.addr(), b.addr()], &["--route", &route, "--limit", "9/s by=ip"]);
    let Some(browser) = page(admin) else { return };
    until("the route is shown", || text(&browser, "#routes").contains(hostile));
    let payload = "\"'><img src=x onerror=\"window.hacked = 1\"><script>window.hacked = 1</script>&amp;";
    let shown = browser.run(HOSTILE, &json!([payload]));
    assert_eq!(shown, json!([0, true, []]), "no element, nothing run, and all of it there as text");
    // What the script would not have stopped, the policy does.
    let refused = browser.run(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hacked = 1\">');
         document.head.append(Object.assign(document.createElement('script'), { textContent: 'window.hacked = 1' }));
         await new Promise((done) => setTimeout(done, 200));
         return window.hacked === undefined;",
        &json!([]),
    );
    assert_eq!(refused, true);
    assert!(browser.log().iter().any(|entry| entry.contains("Content Security Policy")));
    foreign_page_is_powerless(&browser, admin, &b);
}

/// A page of another origin on this machine can neither read the document, nor drain a backend, nor show the page in a
/// frame.
fn foreign_page_is_powerless(browser: &Browser, admin: AdminClient, backend: &Backend) {
    browser.open(&format!("http://{}/", backend.addr()));
    let attacks = browser.run(
        "const [admin, name] = arguments;
         const tried = async (url, options) => {
           try { return (await fetch(url, options)).status; } catch { return 'refused'; }
         };
         const stream = new EventSource(`${admin}/events`);
         const streamed = new Promise((done) => { stream.onmessage = () => done('read'); stream.onerror = () => done('refused'); });
         return [await tried(`${admin}/live.json`), await streamed,
                 await tried(`${admin}/backends/${name}/drain`, { method: 'POST', mode: 'no-cors' }) !== undefined];",
        &json!([format!("http://{}", admin.addr()), backend.addr().to_string()]),
    );
    assert_eq!((&attacks[0], &attacks[1]), (&json!("refused"), &json!("refused")));
    let draining = super::document(admin)["backends"][1]["draining"].clone();
    assert_eq!(draining, false, "another site's page has drained a backend");
}

/// Everything that can be shown, at once: each state, each kind of event.
const ALL_STATES: &str = "
    const doc = await (await fetch('/live.json')).json();
    doc.uptime_ms += 100000;
    const [first] = doc.backends;
    doc.backends = Object.keys(STATES).map((state, id) => ({ ...first, id: id + 1000, name: `a-backend-with-a-long-name-${id}.example:8080`, state, state_ends_in_ms: 9000 }));
    doc.events = Object.keys(KINDS).map((kind, sequence) =>
      ({ sequence: sequence + 1e6, time_ms: doc.time_ms, kind, subject: first.name, group: 'default', count: sequence }));
    Object.assign(doc.groups[0], { breaker_open: true, panic: true });
    doc.backends_omitted = 7;
    document.querySelector('#message').textContent = 'an error';
    stream.close();
    show(doc);";

/// The texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2, 1.4.3), and how many were measured.
const CONTRAST: &str = "
    const channels = (color) => color.match(/[\\d.]+/g).map(Number);
    const light = (channel) => (channel /= 255) <= 0.04045 ? channel / 12.92 : ((channel + 0.055) / 1.055) ** 2.4;
    const luminance = ([red, green, blue]) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
    const behind = (node) => {
      for (; node; node = node.parentElement) {
        const color = channels(getComputedStyle(node).backgroundColor);
        if ((color[3] ?? 1) > 0) return color;
      }
      return [255, 255, 255];
    };
    const low = [];
    let measured = 0;
    for (const node of document.querySelectorAll('body, body *:not(script):not(noscript):not(svg):not(polyline)')) {
      const isShown = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim()) && node.offsetParent;
      if (!isShown) continue;
      measured += 1;
      const [one, other] = [luminance(channels(getComputedStyle(node).color)), luminance(behind(node))];
      const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      if (ratio < 4.5) low.push(`${ratio.toFixed(2)}: ${node.className} ${node.textContent}`);
    }
    return [measured, low];";

/// What is wider than the window, or cut off. On a phone the heads of tables are for screen readers only.
const OVERFLOW: &str = "
    const width = document.documentElement.clientWidth;
    return [...document.querySelectorAll('main *:not(thead, thead *)')].filter((node) => node.getBoundingClientRect().right > width + 1
        || node.matches('td, tbody th') && node.scrollWidth > node.clientWidth + 1
        || node.matches('td.name') && node.clientWidth < 90)
      .map((node) => `${node.tagName} ${node.className} ${node.textContent.slice(0, 40)}`);";

fn both_themes_are_legible_and_a_phone_shows_all(ctx: &Context) {
    let (a, b) = (backend(), backend());
    let (_program, admin) = start(ctx, &[a.addr(), b.addr()], &["--limit", "9/s by=ip path=/limited"]);
    let Some(browser) = page(admin) else { return };
    browser.run(ALL_STATES, &json!([]));
    let mut backgrounds = Vec::new();
    for (theme, width) in
        [("light", 1200), ("dark", 1200), ("dark", 1090), ("dark", 700), ("dark", 360), ("light", 360)]
    {
        browser.set_theme(theme);
        browser.set_size(width, 800);
        // Colours change by a transition.
        browser.run("await Promise.all(document.getAnimations().map((one) => one.finished))", &json!([]));
        let found = browser.run(CONTRAST, &json!([]));
        assert!(found[0].as_u64().is_some_and(|measured| measured > 100), "{found}");
        assert_eq!(found[1], json!([]), "{theme}, {width} px wide");
        assert_eq!(browser.run(OVERFLOW, &json!([])), json!([]), "{theme}, {width} px wide");
        backgrounds.push(browser.run("return getComputedStyle(document.body).backgroundColor", &json!([])));
    }
    assert_ne!(backgrounds[0], backgrounds[1], "the themes are two");
    assert_no_errors(&browser);
}

/// What has the focus, and how far its outline is visible.
const FOCUS: &str = "
    const style = getComputedStyle(document.activeElement);
    return [document.activeElement.getAttribute('aria-label'), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth)];";

fn a_button_drains_where_changes_are_permitted(ctx: &Context) {
    let (a, b) = (backend(), backend());
    let (_program, admin) = start(ctx, &[a.addr(), b.addr()], &[]);
    let Some(browser) = page(admin) else { return };
    let (first, second) = (a.addr().to_string(), b.addr().to_string());
    browser.press("\u{e004}\u{e004}"); // Tab, Tab
    let focus = browser.run(FOCUS, &json!([]));
    assert_eq!(focus[0], format!("Drain {second} of group default"));
    assert!(focus[1].as_f64().is_some_and(|width| width >= 2.0), "the focus is visible: {focus}");
    browser.press("\u{e007}"); // Enter
    until("the second is drained", || row(&browser, &second).0 == "drained");
    let draining = |index: usize| super::document(admin)["backends"][index]["draining"].clone();
    assert_eq!((draining(0), draining(1)), (json!(false), json!(true)));
    assert_eq!(browser.run(FOCUS, &json!([]))[0], format!("Enable {second} of group default"), "the focus stays");
    until("the event is there", || text(&browser, "#events").contains("drained"));
    browser.press("\u{e007}");
    until("the second is enabled", || row(&browser, &second).0 == "up");
    browser.click("#backends tr:nth-child(2) button");
    until("the first is drained", || row(&browser, &first).0 == "drained");
    admin.remove(b.addr());
    until("one that is removed goes", || !text(&browser, "#backends").contains(&second));
    assert_eq!(text(&browser, "#message"), "");
    assert_no_errors(&browser);
    an_error_is_shown_and_a_read_only_page_has_no_buttons(&browser);
}

fn an_error_is_shown_and_a_read_only_page_has_no_buttons(browser: &Browser) {
    let message: Value = browser.run(
        "stream.close();
         await changeDrain({ backend: { name: 'a/../b?', group: 'default' }, button: document.createElement('button') });
         return document.querySelector('#message').textContent;",
        &json!([]),
    );
    assert!(message.as_str().is_some_and(|said| said.starts_with("drain a/../b?: ")), "{message}");
    let buttons = browser.run(
        "const doc = await (await fetch('/live.json')).json();
         doc.program.writable = false;
         doc.uptime_ms += 100000;
         show(doc);
         return [...document.querySelectorAll('button')].filter((button) => button.offsetParent).length;",
        &json!([]),
    );
    assert_eq!((buttons, text(browser, "#about").contains("read-only")), (json!(0), true));
}
