//! Chapter 9: sessions of TCP; datagrams and files.

mod datagrams;
mod files;
mod relay;

use crate::narrator::{Narrator, Part, Programs};

/// In parts.
pub(crate) const PARTS: [Part; 2] = [
    Part { title: "sessions of TCP", pages: &["README.md"], demo: relay::demo },
    Part { title: "datagrams and files", pages: &["parts/4-udp.md", "parts/3-sendfile.md"], demo: datagrams_and_files },
];

fn datagrams_and_files(narrator: &Narrator, programs: &Programs) {
    datagrams::demo(narrator, programs);
    files::demo(narrator, programs);
}
