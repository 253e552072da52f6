//! Bodies that are moved past the machine.
//!
//! The machine has nothing to do with the bytes of a body whose framing it does not change. Here they pass through it all
//! the same, in the core's scratch; whoever can have the kernel move them from one socket to the other says how in a
//! [`Bulk`]. Answers only: a request may be answered before its end, with part of it still on its way.

use std::{
    fmt::Debug,
    io,
    ops::ControlFlow::{self, Break, Continue},
    task::Context,
};

use common::http::{Input, ProxyError, Pumped, Relay, Side};
use tokio::net::TcpStream;

/// Moves bodies from a backend's socket to a client's.
pub trait Bulk: Debug + 'static {
    /// What one body needs on its way, a pipe say. Made when it begins, and dropped with its exchange, however that ends.
    type Carrier: Debug;

    /// How many bytes must be left of a body for it to be worth it. `None`: none ever is.
    fn at_least(&self) -> Option<u64>;

    /// For one body.
    ///
    /// # Errors
    /// What it needs cannot be had now. The body goes through the machine then.
    fn carrier(&self) -> io::Result<Self::Carrier>;

    /// Moves some of what `backend` sends, at most `left` bytes (`None`: all that comes), to `client`. It asks the sockets
    /// by `poll_read_ready` and `poll_write_ready`, so that they know the task, and others have their turn.
    fn carry(
        &self,
        carrier: &mut Self::Carrier,
        backend: &TcpStream,
        client: &TcpStream,
        left: Option<u64>,
        context: &mut Context<'_>,
    ) -> Carried;
}

/// What came of carrying.
#[derive(Debug)]
pub enum Carried {
    /// So many more bytes are with the client's socket; never none.
    Bytes(u64),
    /// The backend has ended its stream, and all of it is with the client's socket.
    End,
    /// Nothing more before this side's socket is ready.
    Waits(Side),
    /// This side's socket has failed.
    Failed(Side, io::Error),
}

/// What is taken up with a body: its carrier, once it has begun.
#[derive(Debug)]
pub(crate) struct Load<B: Bulk>(Option<B::Carrier>);

impl<B: Bulk> Load<B> {
    /// Nothing is carried.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Goes on where a pump has ended: `Continue` if it is to pump again, for something has been moved past it.
    pub(crate) fn carry(
        &mut self,
        bulk: &B,
        relay: &mut Relay,
        pumped: Result<Pumped, ProxyError>,
        backend: &TcpStream,
        client: &TcpStream,
        context: &mut Context<'_>,
    ) -> ControlFlow<Result<Pumped, ProxyError>> {
        let Ok(Pumped::Bulk { left, .. }) = pumped else { return Break(pumped) };
        if self.0.is_none() {
            self.0 = bulk.carrier().ok();
        }
        let Some(carrier) = &mut self.0 else {
            relay.withdraw_bulk();
            return Continue(());
        };
        let told = match bulk.carry(carrier, backend, client, left, context) {
            Carried::Bytes(bytes) => {
                relay.moved(Side::Backend, bytes);
                return Continue(());
            }
            Carried::Waits(side) => {
                relay.bulk_waits_for(side);
                return Break(Ok(Pumped::Wait(relay.wants())));
            }
            Carried::End => relay.from_backend(Input::Eof),
            Carried::Failed(side, error) => {
                let told = if side == Side::Client {
                    relay.from_client(Input::Reset)
                } else {
                    relay.from_backend(Input::Reset)
                };
                told.map_err(|told| told.with_source(error))
            }
        };
        match told {
            Ok(_) => Continue(()),
            Err(error) => Break(Err(error)),
        }
    }
}

/// Moves none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBulk;

impl Bulk for NoBulk {
    type Carrier = std::convert::Infallible;

    fn at_least(&self) -> Option<u64> {
        None
    }

    fn carrier(&self) -> io::Result<Self::Carrier> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn carry(
        &self,
        carrier: &mut Self::Carrier,
        _: &TcpStream,
        _: &TcpStream,
        _: Option<u64>,
        _: &mut Context<'_>,
    ) -> Carried {
        match *carrier {}
    }
}
