//! The program: one reading as text, or a screen until a key or a signal ends it.

use std::{
    io::{self, IsTerminal as _},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use common::{
    clock::now,
    outln,
    shutdown::{Shutdown, ShutdownStage},
    signals::SignalHandlers,
};
use crossterm::event::{self, Event};
use ratatui::{DefaultTerminal, widgets::TableState};

use super::{
    app::{App, Effect},
    args::TopArgs,
    change::Change,
    client::{AdminClient, ClientError},
    plain,
    poller::{self, Polled},
    reading::{Reading, Readings},
    screen, terminal,
    url::AdminUrl,
    view::View,
};
use crate::live::source::unix_ms;

/// Why the program ends with exit code 1.
#[derive(Debug, thiserror::Error)]
pub enum TopError {
    /// There is nothing to print.
    #[error("no answer from {url}: {error}; is it the admin interface of a balancer from chapter 8 on?")]
    NoAnswer {
        /// What was asked.
        url: AdminUrl,
        /// What came of it.
        error: ClientError,
    },
    /// The terminal, or a thread.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// A thread has panicked.
    #[error("a thread ended: this is a bug")]
    ThreadEnded,
}

/// What the loop waits for.
enum Input {
    Terminal(Event),
    Polled(Polled),
    Signal,
    /// A thread that has no reason to end has ended.
    ThreadEnded(Option<io::Error>),
}

/// How long the thread that reads keys waits before it looks whether the program ends.
const KEY_WAIT: Duration = Duration::from_secs(1);

/// Runs `lb_top`. Without a terminal to draw on, it prints one reading.
///
/// # Errors
/// The first reading failed and there is no screen to wait on for the next, or the terminal cannot be used.
pub fn run(TopArgs { url, once }: TopArgs) -> Result<(), TopError> {
    if once || !io::stdout().is_terminal() { print_once(&url) } else { show(url) }
}

fn print_once(url: &AdminUrl) -> Result<(), TopError> {
    let client = AdminClient::new(url.clone());
    let document = client.read().map_err(|error| TopError::NoAnswer { url: url.clone(), error })?;
    let mut readings = Readings::default();
    readings.push(Reading { document, at: now() });
    if let Some(interval) = readings.interval() {
        outln!("{}", plain::text(&View::new(&interval), &url.to_string()));
    }
    Ok(())
}

fn show(url: AdminUrl) -> Result<(), TopError> {
    let (inputs_tx, inputs) = channel();
    let shutdown = Shutdown::new()?;
    // Before the screen: from now on a signal cannot end the program without restoring the terminal.
    SignalHandlers::new(shutdown.clone()).spawn()?;
    let result = terminal::with_screen(|screen| show_on(screen, url, &inputs_tx, &inputs, &shutdown))?;
    shutdown.drain(); // ends the threads
    result
}

fn show_on(
    mut terminal: DefaultTerminal,
    url: AdminUrl,
    inputs_tx: &Sender<Input>,
    inputs: &Receiver<Input>,
    shutdown: &Shutdown,
) -> Result<(), TopError> {
    let mut app = App::new(url.to_string());
    let changes = spawn_poller(url, EndNotice::new(inputs_tx))?;
    spawn_key_reader(EndNotice::new(inputs_tx), shutdown.clone())?;
    spawn_signal_waiter(inputs_tx.clone(), shutdown.clone())?;
    let mut table = TableState::default();
    loop {
        terminal.draw(|frame| screen::draw(frame, &app, &mut table))?;
        match inputs.recv() {
            Ok(Input::Terminal(Event::Key(key))) => match app.on_key(key) {
                Effect::None => {}
                Effect::Quit => return Ok(()),
                Effect::Request(change) => changes.send(change).map_err(|_| TopError::ThreadEnded)?,
            },
            // A new size: the next turn draws on it.
            Ok(Input::Terminal(_)) => {}
            Ok(Input::Polled(polled)) => app.on_polled(polled, unix_ms()),
            Ok(Input::Signal) => return Ok(()),
            // It may have heard of the signal first.
            Ok(Input::ThreadEnded(_)) if shutdown.is_draining() => return Ok(()),
            Ok(Input::ThreadEnded(Some(error))) => return Err(error.into()),
            Ok(Input::ThreadEnded(None)) | Err(_) => return Err(TopError::ThreadEnded),
        }
    }
}

fn spawn_poller(url: AdminUrl, notice: EndNotice) -> io::Result<Sender<Change>> {
    poller::spawn(AdminClient::new(url), move |polled| notice.inputs.send(Input::Polled(polled)).is_ok())
}

fn spawn_key_reader(mut notice: EndNotice, shutdown: Shutdown) -> io::Result<()> {
    let read = move || notice.error = read_keys(&notice.inputs, &shutdown).err();
    thread::Builder::new().name("keys".into()).spawn(read).map(drop)
}

fn read_keys(inputs: &Sender<Input>, shutdown: &Shutdown) -> io::Result<()> {
    while !shutdown.is_draining() {
        if event::poll(KEY_WAIT)? && inputs.send(Input::Terminal(event::read()?)).is_err() {
            break;
        }
    }
    Ok(())
}

fn spawn_signal_waiter(inputs: Sender<Input>, shutdown: Shutdown) -> io::Result<()> {
    let wait = move || {
        shutdown.wait(ShutdownStage::Draining);
        // Unheard if it was the loop that ended.
        let _ = inputs.send(Input::Signal);
    };
    thread::Builder::new().name("signal".into()).spawn(wait).map(drop)
}

/// Tells the loop when the thread that holds it ends, also by a panic: the loop must not wait for it any more.
struct EndNotice {
    inputs: Sender<Input>,
    error: Option<io::Error>,
}

impl EndNotice {
    fn new(inputs: &Sender<Input>) -> Self {
        Self { inputs: inputs.clone(), error: None }
    }
}

impl Drop for EndNotice {
    fn drop(&mut self) {
        let _ = self.inputs.send(Input::ThreadEnded(self.error.take()));
    }
}
