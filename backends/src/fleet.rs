//! Backends that can set each other's faults.
//!
//! A backend that is down refuses connections, so `up` cannot be posted to it. Its siblings can forward the command:
//! `POST /_fault/up?id=backend-2` to any backend of the same [`Bundle`](crate::Bundle).

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::fault::Command;

/// The backends of one bundle, or a single backend.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fleet(Arc<Mutex<Vec<Member>>>);

/// One backend's id, address and command channel.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) id: String,
    pub(crate) addr: SocketAddr,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
}

impl Fleet {
    pub(crate) fn join(&self, member: Member) {
        self.with(|members| members.push(member));
    }

    pub(crate) fn leave(&self, addr: SocketAddr) {
        self.with(|members| members.retain(|member| member.addr != addr));
    }

    /// The first member that `wanted` accepts.
    pub(crate) fn find(&self, wanted: impl Fn(&Member) -> bool) -> Option<Member> {
        self.with(|members| members.iter().find(|member| wanted(member)).cloned())
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.with(|members| members.iter().map(|member| member.id.clone()).collect())
    }

    fn with<R>(&self, act: impl FnOnce(&mut Vec<Member>) -> R) -> R {
        // The list is consistent after every step above, so a panic elsewhere has not broken it.
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
