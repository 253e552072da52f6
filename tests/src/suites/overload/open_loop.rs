//! Clients that do not wait for each other: requests come at a rate, whatever becomes of the others.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until, timeout_at};

/// When a client gives up, from when its request was due.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What became of the requests that were due after the warm-up.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    /// From when each request was due to the end of its response, for 200s in time.
    pub(super) served: Vec<Duration>,
    /// 503s.
    pub(super) refused: usize,
    /// Clients that gave up, and connections that broke.
    pub(super) lost: usize,
}

impl Outcomes {
    /// The latency that 99 % of what was served stayed below.
    pub(super) fn p99(&self) -> Duration {
        let mut sorted = self.served.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() * 99 / 100).copied().unwrap_or_default()
    }
}

/// Sends `rate` requests per second, evenly, for `warm_up` and then for `measured`.
pub(super) fn run(target: SocketAddr, rate: f64, warm_up: Duration, measured: Duration) -> Outcomes {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (outcomes, idle) = (Rc::new(RefCell::new(Outcomes::default())), Rc::new(RefCell::new(Vec::new())));
    LocalSet::new().block_on(&runtime, async {
        let start = Instant::now();
        let mut tasks = Vec::new();
        let due_at = |number: u32| start + Duration::from_secs_f64(f64::from(number) / rate);
        for due in (0..).map(due_at).take_while(|due| *due < start + warm_up + measured) {
            sleep_until(due).await;
            let (outcomes, idle) = (Rc::clone(&outcomes), Rc::clone(&idle));
            tasks.push(tokio::task::spawn_local(async move {
                let status = timeout_at(due + PATIENCE, request(target, &idle)).await;
                if due < start + warm_up {
                    return;
                }
                let mut outcomes = outcomes.borrow_mut();
                match status {
                    Ok(Some(200)) => outcomes.served.push(due.elapsed()),
                    Ok(Some(503)) => outcomes.refused += 1,
                    Ok(Some(status)) => panic!("status {status}"),
                    Ok(None) | Err(_) => outcomes.lost += 1,
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    });
    outcomes.take()
}

/// Sends a request on an idle connection or a new one; `None` if that breaks. A client that gives up closes it.
async fn request(target: SocketAddr, idle: &RefCell<Vec<TcpStream>>) -> Option<u16> {
    let kept = idle.borrow_mut().pop();
    let mut stream = match kept {
        Some(stream) => stream,
        None => TcpStream::connect(target).await.ok()?,
    };
    let _ = stream.set_nodelay(true);
    stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.ok()?;
    let (mut received, mut chunk) = (Vec::new(), [0; 2048]);
    loop {
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => received.extend_from_slice(&chunk[..n]),
        }
        if let Some(length) = response_length(&received)
            && received.len() >= length
        {
            break;
        }
    }
    idle.borrow_mut().push(stream);
    std::str::from_utf8(received.get(9..12)?).ok()?.parse().ok()
}

/// The length of head and body, once the head is there.
fn response_length(received: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(received).ok()?;
    let head = &text[..text.find("\r\n\r\n")? + 4];
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some(head.len() + length.unwrap_or(0))
}
