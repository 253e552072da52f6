//! A WebSocket client that checks an echo.

use std::net::SocketAddr;

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::rng::Rng;
use crate::wait::TEST_TIMEOUT;

/// Sends messages of many sizes to `/ws` at `addr`, which must echo them.
///
/// # Panics
/// It does not, or not in time.
pub(crate) fn expect_websocket_echo(addr: SocketAddr) {
    let talk = async {
        let stream = tokio::net::TcpStream::connect(addr).await.unwrap();
        let url = format!("ws://{addr}/ws");
        let (mut socket, response) = tokio_tungstenite::client_async(url, stream).await.unwrap();
        assert_eq!(response.status(), 101);
        for size in [0, 1, 125, 126, 65_535, 65_536, 300_000] {
            let sent = Message::binary(Rng::new(size as u64).bytes(size));
            socket.send(sent.clone()).await.unwrap();
            let got = socket.next().await.expect("an echo").unwrap();
            assert!(got == sent, "{size} bytes: the echo differs");
        }
        socket.send(Message::text("grüße")).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("grüße"));
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = socket.next().await {}
    };
    super::runtime().block_on(async { timeout(3 * TEST_TIMEOUT, talk).await.expect("the echo stalls") });
}
