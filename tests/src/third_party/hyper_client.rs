//! hyper as the client: one request on its own connection.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::runtime;
use crate::wait::TEST_TIMEOUT;

/// The response that hyper received.
#[derive(Debug)]
pub struct HyperResponse {
    /// The status.
    pub status: StatusCode,
    /// The header section.
    pub fields: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Sends one request with hyper and reads the whole response; the error is hyper's, as text.
pub fn hyper_exchange(addr: SocketAddr, method: &str, target: &str, body: Vec<u8>) -> Result<HyperResponse, String> {
    let request = Request::builder()
        .method(method)
        .uri(target)
        .header("host", addr.to_string())
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())?;
    runtime().block_on(async {
        let exchange = async {
            let stream = TcpStream::connect(addr).await.map_err(|error| error.to_string())?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let response = sender.send_request(request).await.map_err(|error| format!("{error:?}"))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| format!("{error:?}"))?.to_bytes();
            Ok(HyperResponse { status: parts.status, fields: parts.headers, body })
        };
        timeout(2 * TEST_TIMEOUT, exchange).await.map_err(|_| "hyper's answer took too long".to_owned())?
    })
}
