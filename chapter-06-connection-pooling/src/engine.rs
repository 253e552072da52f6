//! The types that the engine is compiled for.

use std::{fmt::Debug, marker::PhantomData};

use common::http::StreamLayer;
use tokio::net::TcpStream;

use crate::{
    accept_prelude::AcceptPrelude,
    filter::{Filter, WorkerFilter},
    pool::ConnectionPool,
    splice::{Splice, WorkerSplice},
};

/// The exchangeable parts of the engine, as types: one parameter for all of them, and no virtual call per request.
pub(crate) trait Engine: Debug + 'static {
    /// The layer over a client's socket, such as TLS.
    type StreamLayer: StreamLayer;
    /// What is added to each request's way.
    type Filter: Filter;
    /// A worker's idle connections.
    type Pool: ConnectionPool<TcpStream>;
    /// What moves large bodies.
    type Splice: Splice;
    /// What comes on a connection before its first request.
    type Prelude: AcceptPrelude;
}

/// A worker's part of the filter.
pub(crate) type WorkerFilterOf<E> = <<E as Engine>::Filter as Filter>::Worker;
/// What the filter keeps of one request.
pub(crate) type FilterState<E> = <WorkerFilterOf<E> as WorkerFilter>::State;

/// A worker's part of what moves large bodies.
pub(crate) type WorkerSpliceOf<E> = <<E as Engine>::Splice as Splice>::Worker;
/// What it keeps of one request.
pub(crate) type SpliceState<E> = <WorkerSpliceOf<E> as WorkerSplice>::State;

/// The engine with these parts.
#[derive(Debug)]
pub(crate) struct EngineOf<L, F, P, A, S>(PhantomData<(L, F, P, A, S)>);

impl<L: StreamLayer, F: Filter, P: ConnectionPool<TcpStream>, A: AcceptPrelude, S: Splice> Engine
    for EngineOf<L, F, P, A, S>
{
    type StreamLayer = L;
    type Filter = F;
    type Pool = P;
    type Prelude = A;
    type Splice = S;
}
