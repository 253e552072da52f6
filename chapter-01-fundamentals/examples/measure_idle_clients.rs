//! Measures what an idle client costs in a thread-per-client server: connects up to 1000 of them to a server in this
//! process, and prints threads and memory from `/proc/self/status` (Linux only).
#![expect(clippy::unwrap_used, reason = "a measurement that fails should stop")]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
};

use common::{net::raise_fd_limit, outln, shutdown::Shutdown};
use fundamentals::{listener::bind_tcp_listener, serve};

/// The value of `key`; memory is in KiB.
fn status(key: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':')).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

fn main() {
    raise_fd_limit().unwrap();
    let shutdown = Shutdown::new().unwrap();
    let listener = bind_tcp_listener("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = listener.local_address().unwrap();
    let stop = shutdown.clone();
    let serving = thread::spawn(move || serve::serve_thread_per_client(listener, &stop));
    let mut clients = Vec::new();
    outln!("idle clients  threads  resident KiB  address space KiB");
    for count in [0, 10, 100, 1000] {
        while clients.len() < count {
            let mut client = TcpStream::connect(server).unwrap();
            // One echo, so that the client's thread has run and touched its stack.
            client.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
            clients.push(client);
        }
        let (threads, resident, space) = (status("Threads"), status("VmRSS"), status("VmSize"));
        outln!("{count:12}  {threads:7}  {resident:12}  {space:17}");
    }
    shutdown.drain();
    serving.join().unwrap().unwrap();
}
