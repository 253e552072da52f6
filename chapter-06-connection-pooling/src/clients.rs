//! The clients of all cores: which core has the next, and who hears of a place that is free again.

use std::{
    net::{SocketAddr, TcpStream},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::Waker,
};

use high_perf_io::house::{House, is_uneven};
use tokio::sync::mpsc::UnboundedSender;

/// A client that has been accepted, on its way to another core.
#[derive(Debug)]
pub(crate) struct Newcomer {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// The address that it connected to.
    pub(crate) local: SocketAddr,
}

/// One core's clients, and how to send it more.
#[derive(Debug)]
#[repr(align(64))] // each core counts its own: not on a line that another one writes
pub(crate) struct Seat {
    clients: AtomicUsize,
    door: UnboundedSender<Newcomer>,
}

/// The clients of all cores.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) house: House,
    seats: Vec<Seat>,
    /// Who waits for room.
    waiting: Mutex<Vec<Waker>>,
}

impl Clients {
    /// At most `limit` of them; a core for each of `doors`.
    pub(crate) fn new(limit: usize, doors: impl IntoIterator<Item = UnboundedSender<Newcomer>>) -> Self {
        let seats = doors.into_iter().map(|door| Seat { clients: AtomicUsize::new(0), door }).collect();
        Self { house: House::new(limit), seats, waiting: Mutex::default() }
    }

    /// How many each core has.
    pub(crate) fn by_core(&self) -> impl Iterator<Item = usize> {
        self.seats.iter().map(|seat| seat.clients.load(Relaxed))
    }

    /// Takes a place for one more, if there is one. Else `waker` is woken when there may be.
    pub(crate) fn try_enter(&self, waker: &Waker) -> bool {
        self.house.enter() || {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if !waiting.iter().any(|waits| waits.will_wake(waker)) {
                waiting.push(waker.clone());
            }
            drop(waiting);
            // Somebody may have left in between and told nobody.
            self.house.enter()
        }
    }

    /// Gives a place back.
    pub(crate) fn leave(&self) {
        if self.house.leave() {
            let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
            waiting.into_iter().for_each(Waker::wake);
        }
    }

    /// A client of `core` has left, and with it its place.
    pub(crate) fn lose(&self, core: usize) {
        self.left(core);
        self.leave();
    }

    /// The core that is to have a client which `own` has accepted, and counts it there.
    pub(crate) fn place(&self, own: usize) -> usize {
        let clients = |core: usize| self.seats[core].clients.load(Relaxed);
        let emptiest = (0..self.seats.len()).min_by_key(|core| clients(*core)).unwrap_or(own);
        let chosen = if is_uneven(clients(own), clients(emptiest)) { emptiest } else { own };
        self.came_to(chosen);
        chosen
    }

    /// Sends a client to another core, which has been counted there.
    ///
    /// # Errors
    /// The client, if that core takes nobody any more.
    pub(crate) fn send(&self, core: usize, newcomer: Newcomer) -> Result<(), Newcomer> {
        self.seats[core].door.send(newcomer).map_err(|refused| refused.0)
    }

    /// Counts a client of `core`.
    pub(crate) fn came_to(&self, core: usize) {
        self.seats[core].clients.fetch_add(1, Relaxed);
    }

    /// Counts a client of `core` less: it has left, or is another core's after all.
    pub(crate) fn left(&self, core: usize) {
        self.seats[core].clients.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicUsize},
        task::Wake,
    };

    use tokio::sync::mpsc::unbounded_channel;

    use super::*;

    fn clients(limit: usize, cores: usize) -> Clients {
        Clients::new(limit, (0..cores).map(|_| unbounded_channel().0))
    }

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn few_clients_are_dealt_evenly_though_one_core_accepts_them_all() {
        let clients = clients(100, 4);
        (0..8).for_each(|_| _ = clients.place(1));
        assert_eq!(clients.by_core().collect::<Vec<_>>(), [2, 2, 2, 2]);
    }

    #[test]
    fn many_clients_stay_where_they_are_within_the_slack() {
        let clients = clients(10_000, 2);
        (0..90).for_each(|_| clients.came_to(0));
        (0..80).for_each(|_| clients.came_to(1));
        assert_eq!(clients.place(0), 0);
        assert_eq!(clients.place(0), 1, "91 are more than an eighth beyond 80");
    }

    #[test]
    fn who_leaves_a_full_house_wakes_those_who_wait_and_a_client_for_a_closed_core_comes_back() {
        let (clients, count) = (clients(2, 1), Arc::new(Count::default()));
        let waker = Waker::from(Arc::clone(&count));
        assert!(clients.try_enter(&waker) && clients.try_enter(&waker) && !clients.try_enter(&waker));
        clients.leave();
        assert_eq!(count.0.load(Relaxed), 1);
        assert!(clients.try_enter(&waker));
        clients.leave();
        clients.leave();
        assert_eq!(count.0.load(Relaxed), 1, "nobody waited");

        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let newcomer = Newcomer { stream: TcpStream::connect(local).unwrap(), peer: local, local };
        assert!(clients.send(0, newcomer).is_err(), "nobody is behind that door");
    }
}
