//! The kernel's status of a process, from `/proc` (Linux): shared by the examples that measure.

use std::{fs, io};

/// The value of `key` in the status of the process `id`, or of `self`. Memory is in KiB.
pub(crate) fn status(id: &str, key: &str) -> io::Result<u64> {
    let text = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("/proc/{id}/status has no {key}")))
}
