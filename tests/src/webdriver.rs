//! Chromium, driven over the `WebDriver` protocol by `chromedriver`.
//!
//! A page's script and style do what a browser does with them, so a browser says whether they are right. The protocol is
//! JSON over HTTP (W3C `WebDriver`), so our own client speaks it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::wait::{TEST_TIMEOUT, eventually, ms};

/// What keeps Chromium from the network and from the machine's graphics.
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
    "--disable-lcd-text", // coloured edges of letters double the size of a screenshot
];

/// The time limit of a command: starting a browser on a loaded machine takes a while.
const COMMAND_TIMEOUT: std::time::Duration = ms(60_000);

/// One browser at a time: each is a dozen processes.
static ONE: Mutex<()> = Mutex::new(());

/// A headless browser with an empty profile. Dropped: closed.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    session: String,
    _profile: TempDir,
    _only: MutexGuard<'static, ()>,
}

/// A running chromedriver. Dropped: killed.
#[derive(Debug)]
struct Driver {
    child: Child,
    addr: SocketAddr,
}

impl Browser {
    /// Starts one; `None`, with the reason printed, where Chromium or its driver is not installed.
    pub fn start() -> Option<Self> {
        let only = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let driver = Driver::start()?;
        let profile = tempfile::tempdir().unwrap();
        let profile_flag = format!("--user-data-dir={}", profile.path().display());
        let args: Vec<_> = FLAGS.into_iter().chain([profile_flag.as_str()]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": args },
        }}});
        match driver.command("POST", "/session", &wanted) {
            Ok(started) => {
                let session = started["sessionId"].as_str().expect("a session has an id").to_owned();
                Some(Self { driver, session, _profile: profile, _only: only })
            }
            Err(error) if error.contains("binary") => {
                println!("skipped: there is no Chromium: {error}");
                None
            }
            Err(error) => panic!("Chromium does not start: {error}"),
        }
    }

    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/session/{}{path}", self.session);
        self.driver.command(method, &path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Loads a page.
    pub fn open(&self, url: &str) {
        self.command("POST", "/url", &json!({ "url": url }));
    }

    /// Runs the body of an `async` function in the page with `args`, and returns what it returns.
    pub fn run(&self, script: &str, args: &Value) -> Value {
        let script = format!("return (async function () {{ {script} }}).apply(null, arguments);");
        self.command("POST", "/execute/sync", &json!({ "script": script, "args": args }))
    }

    /// Sends keys to the element that has the focus: `\u{e004}` is Tab, `\u{e007}` Enter.
    pub fn press(&self, keys: &str) {
        let down_and_up =
            |key: char| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key.to_string() }));
        let actions: Vec<_> = keys.chars().flat_map(down_and_up).collect();
        self.command("POST", "/actions", &json!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Clicks in the middle of the first element that matches.
    pub fn click(&self, selector: &str) {
        let found = self.command("POST", "/element", &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|found| found.values().next()?.as_str().map(str::to_owned));
        let id = id.unwrap_or_else(|| panic!("{selector}: {found}"));
        self.command("POST", &format!("/element/{id}/click"), &json!({}));
    }

    /// A command of the `DevTools` protocol.
    fn devtools(&self, command: &str, params: &Value) -> Value {
        self.command("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// As if the operating system had this theme: `light` or `dark`.
    pub fn set_theme(&self, theme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.devtools("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// A screen of this size, in CSS pixels.
    pub fn set_size(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// The page from its top to `height`, as a PNG; drawn smaller with a `scale` below 1.
    pub fn screenshot(&self, width: u32, height: u32, scale: f64) -> Vec<u8> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": scale });
        let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.devtools("Page.captureScreenshot", &shot);
        BASE64_STANDARD.decode(shot["data"].as_str().expect("a picture")).expect("base 64")
    }

    /// What the browser has logged: script errors, and what the content security policy has refused.
    pub fn log(&self) -> Vec<String> {
        let log = self.command("POST", "/se/log", &json!({ "type": "browser" }));
        log.as_array().expect("a list").iter().map(|entry| entry["message"].to_string()).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The driver ends the browser; without it the browser would stay.
        let _ = self.driver.command("DELETE", &format!("/session/{}", self.session), &Value::Null);
    }
}

impl Driver {
    fn start() -> Option<Self> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| println!("skipped: chromedriver does not start: {error}"))
            .ok()?;
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut driver = Self { child, addr: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let port = stdout
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.split_once("started successfully on port ")?.1.trim_end_matches('.').parse().ok());
        driver.addr.set_port(port.expect("chromedriver prints its port"));
        Some(driver)
    }

    /// The value of a successful response, or the error's message.
    fn command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let mut client = Client::connect(self.addr);
        client.set_read_timeout(COMMAND_TIMEOUT);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (addr, length) = (self.addr, body.len());
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
        let response = client.try_response(method).map_err(|error| format!("chromedriver: {error:?}"))?;
        let mut answer: Value = serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        if response.status() == 200 { Ok(value) } else { Err(value["message"].to_string()) }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = eventually(TEST_TIMEOUT, || self.child.try_wait().ok().flatten());
    }
}
