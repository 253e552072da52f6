//! What a worker serves its connections with. This chapter serves HTTP; a later one relays TCP connections.

use std::{
    future::poll_fn,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    task::{Context, Poll},
};

use tokio::net::TcpStream;

use super::thread::WorkerThread;
use crate::filter::{ConnectionPermit, ConnectionRefused};

/// What one worker serves its connections with. It never leaves its worker's thread.
pub trait Service: Sized + 'static {
    /// The thread that runs it.
    fn thread(&self) -> &WorkerThread;

    /// Serves a connection to its end. The shutdown reaches it through [`WorkerThread::stage`]: the first poll calls
    /// [`ConnectionGuard::set_waker`], and the task is woken whenever the stage changes. The worker ends when the last
    /// of these futures has.
    fn serve(connection: Connection<Self>) -> impl Future<Output = ()> + 'static;

    /// Whether connections of `peer` are served; what is returned is held as long as the connection is open.
    ///
    /// # Errors
    /// The connection is closed at once.
    #[expect(unused_variables, reason = "a service that takes every connection")]
    fn on_connection(&self, peer: IpAddr) -> Result<ConnectionPermit, ConnectionRefused> {
        Ok(None)
    }

    /// Closes a connection that nobody needs now, because descriptors have run out. Returns whether there was one.
    fn free_descriptor(&self) -> bool {
        false
    }

    /// Runs beside the connections, until the worker ends. May return at once.
    fn maintain(self: Rc<Self>) -> impl Future<Output = ()> + 'static {
        std::future::ready(())
    }
}

/// A connection that a worker has accepted, to be served.
#[derive(Debug)]
pub struct Connection<S: Service> {
    /// The client's socket.
    pub stream: TcpStream,
    /// The client's address.
    pub peer: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// Keep it until the socket is closed.
    pub guard: ConnectionGuard<S>,
}

/// Counts a connection while it is served. Dropping the guard releases its slot, however the task ends.
#[derive(Debug)]
pub struct ConnectionGuard<S: Service> {
    /// The worker's service.
    pub service: Rc<S>,
    task_id: usize,
    /// Of the filter, which has let the connection in.
    permit: ConnectionPermit,
}

impl<S: Service> ConnectionGuard<S> {
    /// For a connection that the limiter and the worker's count already include, and the service has let in.
    pub(crate) fn new(service: &Rc<S>, permit: ConnectionPermit) -> Self {
        let thread = service.thread();
        thread.balancer().stats().connection_opened();
        Self { task_id: thread.register(), service: Rc::clone(service), permit }
    }

    /// Holds `permit` for as long as the connection is open.
    pub(crate) fn set_permit(&mut self, permit: ConnectionPermit) {
        drop(std::mem::replace(&mut self.permit, permit));
    }

    /// Stores the waker of the task that awaits this, as [`set_waker`](Self::set_waker) does. Ready at once.
    pub async fn register_task(&self) {
        poll_fn(|context| {
            self.set_waker(context);
            Poll::Ready(())
        })
        .await;
    }

    /// Stores the task's waker, for the shutdown. Only the first call does anything.
    pub fn set_waker(&self, context: &Context<'_>) {
        self.service.thread().set_waker(self.task_id, context);
    }
}

impl<S: Service> Drop for ConnectionGuard<S> {
    fn drop(&mut self) {
        let thread = self.service.thread();
        thread.balancer().stats().connection_closed();
        thread.handoff().connection_closed(thread.id());
        thread.unregister(self.task_id);
    }
}
