//! A connection's timer.
//!
//! Most deadlines are moved before they pass, so a timer that is moved with them would be moved for nothing, twice per
//! request. This one stays where it is as long as it is not late. When it rings, whoever waits is asked anew until when,
//! and it is armed for that.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use common::clock::now;
use tokio::time::{Sleep, sleep_until};

/// A timer that is made when it is first needed.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `by` has come. Until then the task is woken when it has, and perhaps before.
    pub(crate) fn poll(&mut self, by: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(by.into())));
        if sleep.deadline().into_std() > by {
            sleep.as_mut().reset(by.into());
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if now() >= by {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(by.into());
        }
    }
}
