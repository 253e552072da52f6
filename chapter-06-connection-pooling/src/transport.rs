//! What carries the bytes of an exchange: for whoever builds a server to choose.
//!
//! Here a client's bytes are its socket's, and all of them go through the machine: [`Copying`]. Encryption is another
//! [`Layer`], and `splice` another [`Bulk`]; neither changes a step of a request.

use std::fmt::Debug;

use common::http::{Layer, Plain};

use crate::bulk::{Bulk, NoBulk};

/// How bytes are carried on a core. Each core has its own, which stays on its thread.
pub trait Transport: Debug + 'static {
    /// What lies over a client's socket.
    type Layer: Layer;
    /// What moves bodies past the machine.
    type Bulk: Bulk;

    /// For a client that has just connected.
    fn layer(&self) -> Self::Layer;

    /// For all clients of the core.
    fn bulk(&self) -> &Self::Bulk;
}

/// Sockets as they are, and all bytes through the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Copying;

impl Transport for Copying {
    type Layer = Plain;
    type Bulk = NoBulk;

    fn layer(&self) -> Plain {
        Plain
    }

    fn bulk(&self) -> &NoBulk {
        &NoBulk
    }
}
