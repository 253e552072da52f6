//! The list of keys, and what the columns mean.

use ratatui::{
    Frame,
    layout::{Constraint, Rect},
    widgets::{Block, Clear, Paragraph},
};

const TEXT: &str = "\
q, Ctrl-C        quit
↑ ↓, j k         select a backend; PgUp PgDn, g G: further
s                sort by the next column
d                drain the selected backend (asks first)
e                enable it again (asks first)
Esc              select none

SHARE            of the requests of its group
INFL             requests in flight to it
ERR/S            failed attempts and responses of 5xx
P50, P99         time to the first byte
REUSE            requests over a connection from the pool

Rates are measured between the last two readings; after
the first, and after a restart, since the start. Times
are UTC. A key closes this.";

pub(super) fn render(frame: &mut Frame<'_>, screen: Rect) {
    let width = TEXT.lines().map(|line| line.chars().count()).max().unwrap_or_default() + 4;
    let [width, height] = [width, TEXT.lines().count() + 2].map(|size| u16::try_from(size).unwrap_or(u16::MAX));
    let area = screen.centered(Constraint::Length(width), Constraint::Length(height));
    frame.render_widget(Clear, area);
    let block = Block::bordered().title(" lb_top ").padding(ratatui::widgets::Padding::horizontal(1));
    frame.render_widget(Paragraph::new(TEXT).block(block), area);
}
