//! The types that the engine is compiled for.

use std::{fmt::Debug, marker::PhantomData};

use common::http::StreamLayer;
use tokio::net::TcpStream;

use crate::{
    accept_prelude::AcceptPrelude,
    filter::{Filter, WorkerFilter},
    pool::ConnectionPool,
};

/// The exchangeable parts of the engine, as types: one parameter for all of them, and no virtual call per request.
pub(crate) trait Engine: Debug + 'static {
    /// The layer over a client's socket, such as TLS.
    type StreamLayer: StreamLayer;
    /// What is added to each request's way.
    type Filter: Filter;
    /// A worker's idle connections.
    type Pool: ConnectionPool<TcpStream>;
    /// What comes on a connection before its first request.
    type Prelude: AcceptPrelude;
}

/// A worker's part of the filter.
pub(crate) type WorkerFilterOf<E> = <<E as Engine>::Filter as Filter>::Worker;
/// What the filter keeps of one request.
pub(crate) type FilterState<E> = <WorkerFilterOf<E> as WorkerFilter>::State;

/// The engine with these parts.
#[derive(Debug)]
pub(crate) struct EngineOf<L, F, P, A>(PhantomData<(L, F, P, A)>);

impl<L: StreamLayer, F: Filter, P: ConnectionPool<TcpStream>, A: AcceptPrelude> Engine for EngineOf<L, F, P, A> {
    type StreamLayer = L;
    type Filter = F;
    type Pool = P;
    type Prelude = A;
}
