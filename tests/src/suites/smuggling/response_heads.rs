//! Malformed response heads: the client gets 502, the upstream connection is closed, no bytes are invented.

use crate::Context;
use crate::backend::{Backend, ok_response};
use crate::case::cases;
use crate::suites::local_reply;
use crate::wait::ms;

cases! { "smuggling";
    Fast a_response_with_two_lengths_or_an_unknown_coding_is_502,
    Fast a_malformed_status_line_is_502,
    Fast a_malformed_response_field_is_502,
    Fast an_oversized_response_head_is_502,
    Fast response_heads_just_under_the_limits_are_relayed,
    Fast a_response_head_cut_off_is_502,
    Fast an_unsolicited_101_is_502,
}

const FRAMINGS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 3\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0x4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: four\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chun ked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
];

const STATUS_LINES: &[&[u8]] = &[
    b"HTTP/1.1 099 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 000 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 600 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 999 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 20 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 2000 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 2x0 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 +20 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1  200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1\t200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 EV\0IL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 EV\rIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 EVIL\x7f\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/2.0 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.2 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/0.9 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/11 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"http/1.1 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"HTTQ/1.1 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"ICY 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b" HTTP/1.1 200 EVIL\r\nContent-Length: 0\r\n\r\n",
    b"SSH-2.0-EVIL\r\nbla\r\n\r\n",
    b"<html>EVIL</html>\r\n\r\n",
    b"\x15\x03\x03\0\x02\x02\x16EVIL\r\n\r\n",
];

const FIELDS: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\nContent-Length: 4\n\nEVIL",
    b"HTTP/1.1 200 OK\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\nEVIL",
    b"HTTP/1.1 200 OK\r\nX: y\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX: y\r\n z\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\n X: y\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX: a\x01b\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX: a\x7fb\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX: a\rSet-Cookie: EVIL\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length : 4\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nContent-Length\t: 4\r\nTransfer-Encoding : chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding : chunked\r\ntransfer-encoding\t: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX \x0b: y\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\n : y\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\n: y\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\ngarbage\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX Y: z\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX\xe4: z\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 200 OK\r\nX: y\r\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 100 Continue\r\nX y: z\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
];

/// After each, the backend closes the connection.
const CUT_OFF: &[&[u8]] = &[
    b"",
    b"H",
    b"HTTP/1.1",
    b"HTTP/1.1 200 OK",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200",
];

const SWITCHES: &[&[u8]] = &[
    b"HTTP/1.1 101 Switching Protocols\r\n\r\nEVIL",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nEVIL",
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nEVIL",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nEVIL",
];

fn a_response_with_two_lengths_or_an_unknown_coding_is_502(ctx: &Context) {
    assert_bad_gateway(ctx, FRAMINGS, false);
}

fn a_malformed_status_line_is_502(ctx: &Context) {
    assert_bad_gateway(ctx, STATUS_LINES, false);
}

fn a_malformed_response_field_is_502(ctx: &Context) {
    assert_bad_gateway(ctx, FIELDS, false);
}

fn an_oversized_response_head_is_502(ctx: &Context) {
    let large = "v".repeat(40 << 10);
    let many = "X: y\r\n".repeat(101);
    let made = [
        format!("HTTP/1.1 200 OK\r\nX: {large}\r\nContent-Length: 4\r\n\r\nEVIL"),
        format!("HTTP/1.1 200 OK\r\nX: {large}"),
        format!("HTTP/1.1 200 {large}"),
        format!("HTTP/1.1 200 OK\r\n{many}\r\nEVIL"),
    ];
    let raws: Vec<_> = made.iter().map(String::as_bytes).collect();
    assert_bad_gateway(ctx, &raws, false);
}

fn response_heads_just_under_the_limits_are_relayed(ctx: &Context) {
    let large = format!("X-Large: {}\r\n", "v".repeat(31 << 10));
    let many = (1..100).fold(String::new(), |all, i| all + &format!("X-{i}: {i}\r\n"));
    for fields in [large, many] {
        let raw = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 4\r\n\r\ngood");
        let backend = Backend::answering(raw);
        let program = ctx.start(&[backend.addr()], &[]);
        let mut client = program.client();
        for _ in 0..2 {
            assert_eq!(client.get("/").text(), "good");
        }
    }
}

fn a_response_head_cut_off_is_502(ctx: &Context) {
    assert_bad_gateway(ctx, CUT_OFF, true);
}

fn an_unsolicited_101_is_502(ctx: &Context) {
    assert_bad_gateway(ctx, SWITCHES, false);
}

/// The backend answers `/0`, `/1` … with the row of that number, and any other target with 200.
fn assert_bad_gateway(ctx: &Context, raws: &[&[u8]], then_close: bool) {
    let answers: Vec<Vec<u8>> = raws.iter().map(|raw| raw.to_vec()).collect();
    let backend = Backend::start(move |conn| {
        let Ok(request) = conn.request() else { return };
        let number = request.head.target[1..].parse::<usize>();
        let Some(raw) = number.ok().and_then(|number| answers.get(number)) else {
            conn.write(ok_response("fine"));
            return;
        };
        conn.write(raw);
        if !then_close {
            conn.read_until_closed();
        }
    });
    let mut program = ctx.start(&[backend.addr()], &[]);
    let mut broken = Vec::new();
    for (index, raw) in raws.iter().enumerate() {
        let mut client = program.client();
        client.set_read_timeout(ms(5000));
        client.request("GET", &format!("/{index}"), "");
        let outcome = match client.try_response("GET") {
            Err(error) => Err(format!("{error:?}")),
            Ok(response) if response.status() != 502 => Err(format!("{response:?}")),
            Ok(response) if response.text().contains("EVIL") => Err("the backend's bytes reach the client".into()),
            Ok(response) if response.head.says_close() => Err("the client connection is closed".into()),
            Ok(response) => local_reply::check(&response),
        };
        let outcome = outcome.and_then(|()| {
            client.request("GET", "/fine", "");
            let after = client.try_response("GET").map_err(|error| format!("next: {error:?}"))?;
            (after.text() == "fine").then_some(()).ok_or(format!("next: {after:?}"))
        });
        if let Err(what) = outcome {
            let shown = &raw[..raw.len().min(80)];
            broken.push(format!("{:?}: {what}", shown.escape_ascii().to_string()));
        }
        if broken.len() == 8 {
            break;
        }
    }
    program.assert_running();
    assert!(broken.is_empty(), "{} responses:\n{}", broken.len(), broken.join("\n"));
    if !then_close {
        let closed = |seen: &[crate::backend::RecordedConnection]| seen.iter().step_by(2).all(|s| s.ended);
        backend.wait_for("each malformed connection is closed", closed);
    }
}
