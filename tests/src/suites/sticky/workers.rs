//! A cookie that one worker has set is accepted by the others.

use super::cookie::{affinity_cookie, get_with};
use crate::Context;
use crate::case::cases;
use crate::suites::support::{clients_per_worker, named};

cases! { "sticky" from 5;
    Fast a_cookie_means_the_same_backend_to_every_worker,
}

fn a_cookie_means_the_same_backend_to_every_worker(ctx: &Context) {
    let (_backends, addrs) = named(&["a", "b", "c"]);
    let program = ctx.start(&addrs, &["--sticky", "--workers", "4"]);
    let mut clients: Vec<_> = (0..8).map(|_| program.client()).collect();
    let firsts: Vec<_> = clients.iter_mut().map(|client| client.get("/")).collect();
    assert_eq!(clients_per_worker(&program, 4), [2; 4], "every worker has clients");
    for first in firsts {
        let pair = affinity_cookie(&first);
        for client in &mut clients {
            let response = get_with(client, &pair);
            assert_eq!(response.text(), first.text());
            assert!(!response.fields().has("set-cookie"), "set again: {response:?}");
        }
    }
}
