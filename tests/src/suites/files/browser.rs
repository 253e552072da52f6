//! Chromium as a client: a page, what it includes, a link to a directory, and a sound that it seeks in.

use serde_json::json;

use super::Site;
use crate::Context;
use crate::case::cases;
use crate::wait::until;
use crate::webdriver::Browser;

cases! { "files";
    Slow a_browser_loads_a_page_and_all_that_belongs_to_it,
}

/// A browser refuses a style sheet and a module whose `Content-Type` is wrong.
const PAGE: &str = r#"<!DOCTYPE html>
<meta charset="utf-8">
<title>top</title>
<link rel="stylesheet" href="style.css">
<script type="module" src="script.js"></script>
<img src="picture.svg" alt="">
<audio src="sound.wav" preload="metadata"></audio>
<a href="sub">further</a>
"#;

const PICTURE: &str = r#"<svg xmlns="http://www.w3.org/2000/svg" width="30" height="20"/>"#;

/// What the page's own script cannot know: whether all of it has arrived.
const LOOK: &str = r#"
    const image = document.querySelector("img");
    await image.decode();
    const part = await fetch("numbers", { headers: { Range: "bytes=10-19" } });
    const bytes = Array.from(new Uint8Array(await part.arrayBuffer()));
    const again = await fetch("style.css", { cache: "no-cache" });
    const missing = await fetch("none");
    const sound = document.querySelector("audio");
    const event = name => new Promise((resolve, reject) => {
        sound.addEventListener(name, resolve, { once: true });
        sound.addEventListener("error", () => reject(sound.error.message), { once: true });
    });
    if (sound.readyState < HTMLMediaElement.HAVE_METADATA) await event("loadedmetadata");
    const sought = event("seeked");
    sound.currentTime = 250;
    await sought;
    return {
        color: getComputedStyle(document.body).color,
        script: document.body.dataset.script,
        image: [image.naturalWidth, image.naturalHeight],
        part: [part.status, part.headers.get("Content-Range"), bytes],
        again: again.status,
        missing: missing.status,
        sound: [Math.round(sound.duration), Math.round(sound.currentTime)],
    };
"#;

const SOUND_SECONDS: u32 = 300;

/// Silence in PCM: 8,000 samples of two bytes per second, one channel.
fn wav() -> Vec<u8> {
    let (rate, sample_bytes) = (8_000_u32, 2_u16);
    let data_bytes = SOUND_SECONDS * rate * u32::from(sample_bytes);
    let mut file = Vec::from(*b"RIFF");
    file.extend((36 + data_bytes).to_le_bytes());
    file.extend(*b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(rate.to_le_bytes());
    file.extend((rate * u32::from(sample_bytes)).to_le_bytes());
    file.extend(sample_bytes.to_le_bytes());
    file.extend((8 * sample_bytes).to_le_bytes());
    file.extend(*b"data");
    file.extend(data_bytes.to_le_bytes());
    file.resize(file.len() + data_bytes as usize, 0);
    file
}

fn site() -> Site {
    let site = Site::new();
    site.write("index.html", PAGE.as_bytes());
    site.write("style.css", b"body { color: rgb(1, 2, 3) }");
    site.write("script.js", b"document.body.dataset.script = 'ran';");
    site.write("picture.svg", PICTURE.as_bytes());
    site.write("sound.wav", &wav());
    site.write("numbers", &(0..100).collect::<Vec<u8>>());
    site.write("sub/index.html", b"<!DOCTYPE html><title>sub</title><a href='next%20page.html'>next</a>");
    site.write("sub/next page.html", b"<!DOCTYPE html><title>next</title><a href='../?from=next'>up</a>");
    site
}

fn a_browser_loads_a_page_and_all_that_belongs_to_it(ctx: &Context) {
    let Some(browser) = Browser::start() else { return };
    let site = site();
    let program = site.start(ctx, &["--log-requests"]);
    browser.open(&format!("http://{}/", program.addr()));
    assert_eq!(
        browser.run(LOOK, &json!([])),
        json!({
            "color": "rgb(1, 2, 3)",
            "script": "ran",
            "image": [30, 20],
            "part": [206, "bytes 10-19/100", (10..20).collect::<Vec<u8>>()],
            "again": 200,
            "missing": 404,
            "sound": [SOUND_SECONDS, 250],
        })
    );
    // What its script sees as 200 was revalidated; a sound is asked for by ranges.
    for line in ["GET 304 /style.css ", "GET 206 /sound.wav ", "GET 404 /none "] {
        until(line, || program.stderr().contains(line));
    }
    // Relative links: without the redirect to `/sub/`, the second one would lead to `/next page.html`.
    let place = "return document.title + ' ' + location.pathname + location.search;";
    for expected in ["sub /sub/", "next /sub/next%20page.html", "top /?from=next"] {
        browser.click("a");
        until(expected, || browser.run(place, &json!([])) == expected);
    }
}
