//! The state of the screen: what was read last, what is selected, what is being asked.
//!
//! Keys and readings go in, and what is to be done comes out. It reads no clock and draws nothing.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::{
    change::{Change, ChangeKind},
    poller::Polled,
    reading::Readings,
    sort::SortBy,
    view::{BackendRow, View},
};

/// The state of the screen.
#[derive(Debug, Default)]
pub struct App {
    /// The address of the admin interface.
    pub url: String,
    /// What was read last; `None` before the first reading.
    pub view: Option<View>,
    /// Since when there is no answer.
    pub outage: Option<Outage>,
    /// The order of the backends.
    pub sort: SortBy,
    /// What is in front.
    pub mode: Mode,
    /// The outcome of the last change, or why there is none.
    pub notice: Option<Notice>,
    readings: Readings,
    /// The id of the selected backend.
    selected: Option<u64>,
}

/// What is in front.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// The backends.
    #[default]
    Table,
    /// The list of keys.
    Help,
    /// A question: shall this be done?
    Confirm(Change),
}

/// The balancer does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Since when, in milliseconds since 1970 (UTC).
    pub since_ms: u64,
    /// Why, at the last attempt.
    pub reason: String,
}

/// A line that goes away by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it says.
    pub text: String,
    /// Whether something went wrong.
    pub is_error: bool,
    readings_left: u8,
}

/// How many readings, and so seconds, a notice stays.
const NOTICE_READINGS: u8 = 5;
/// How far the page keys go.
const PAGE: isize = 10;

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing more than what the state shows.
    None,
    /// The end.
    Quit,
    /// A change.
    Request(Change),
}

impl App {
    /// Before the first reading.
    pub fn new(url: String) -> Self {
        Self { url, ..Self::default() }
    }

    /// Takes in what the poller has to say, at this time in milliseconds since 1970.
    pub fn on_polled(&mut self, polled: Polled, unix_ms: u64) {
        match polled {
            Polled::Read(Ok(reading)) => {
                self.outage = None;
                self.readings.push(*reading);
                self.renew_view();
                self.age_notice();
            }
            Polled::Read(Err(error)) => {
                let since_ms = self.outage.as_ref().map_or(unix_ms, |outage| outage.since_ms);
                self.outage = Some(Outage { since_ms, reason: error.to_string() });
                self.age_notice();
            }
            Polled::Changed(change, Ok(())) => self.notify(format!("done: {change}"), false),
            Polled::Changed(change, Err(error)) => self.notify(format!("cannot {change}: {error}"), true),
        }
    }

    /// Takes in a key.
    pub fn on_key(&mut self, key: KeyEvent) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::None;
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Effect::Quit;
        }
        self.notice = None;
        match std::mem::take(&mut self.mode) {
            Mode::Table => self.on_table_key(key.code),
            // Any key closes it.
            Mode::Help => Effect::None,
            Mode::Confirm(change) if matches!(key.code, KeyCode::Char('y' | 'Y')) => Effect::Request(change),
            Mode::Confirm(change) => {
                self.notify(format!("not done: {change}"), false);
                Effect::None
            }
        }
    }

    fn on_table_key(&mut self, key: KeyCode) -> Effect {
        match key {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.renew_view();
            }
            KeyCode::Char('d') => self.ask(ChangeKind::Drain),
            KeyCode::Char('e') => self.ask(ChangeKind::Enable),
            KeyCode::Char('j') | KeyCode::Down => self.select_by(1),
            KeyCode::Char('k') | KeyCode::Up => self.select_by(-1),
            KeyCode::PageDown => self.select_by(PAGE),
            KeyCode::PageUp => self.select_by(-PAGE),
            KeyCode::Char('g') | KeyCode::Home => self.select_by(isize::MIN),
            KeyCode::Char('G') | KeyCode::End => self.select_by(isize::MAX),
            KeyCode::Esc => self.selected = None,
            _ => {}
        }
        Effect::None
    }

    /// The place of the selected backend in the table. `None` if nothing is selected, or it is gone.
    pub fn selected_index(&self) -> Option<usize> {
        self.rows().iter().position(|row| Some(row.id) == self.selected)
    }

    fn rows(&self) -> &[BackendRow] {
        self.view.as_ref().map_or(&[], |view| &view.backends)
    }

    fn select_by(&mut self, rows: isize) {
        let last = self.rows().len().saturating_sub(1);
        let index = match self.selected_index() {
            Some(index) => index.saturating_add_signed(rows).min(last),
            None if rows == isize::MAX => last,
            None => 0,
        };
        // By id: it stays selected when the order changes.
        self.selected = self.rows().get(index).map(|row| row.id);
    }

    fn ask(&mut self, kind: ChangeKind) {
        let selected = self.selected_index().and_then(|index| self.rows().get(index));
        let is_writable = self.view.as_ref().is_some_and(|view| view.summary.is_writable);
        match selected {
            _ if !is_writable => self.notify("read-only: start the balancer with --admin IP:PORT".to_owned(), true),
            None => self.notify("select a backend first, with the arrow keys".to_owned(), true),
            Some(row) => self.mode = Mode::Confirm(Change { kind, backend: row.path.clone() }),
        }
    }

    fn renew_view(&mut self) {
        self.view = self.readings.interval().map(|interval| {
            let mut view = View::new(&interval);
            self.sort.sort(&mut view.backends);
            view
        });
    }

    fn notify(&mut self, text: String, is_error: bool) {
        self.notice = Some(Notice { text, is_error, readings_left: NOTICE_READINGS });
    }

    fn age_notice(&mut self) {
        if let Some(notice) = &mut self.notice {
            notice.readings_left = notice.readings_left.saturating_sub(1);
        }
        self.notice.take_if(|notice| notice.readings_left == 0);
    }
}

#[cfg(test)]
mod tests;
