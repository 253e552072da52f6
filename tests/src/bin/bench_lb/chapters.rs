//! The program of each chapter. A chapter that does not exist yet is skipped; a new one is entered here only.

use std::path::{Path, PathBuf};

/// One chapter's program.
#[derive(Debug)]
pub(crate) struct Chapter {
    pub(crate) number: u8,
    pub(crate) package: &'static str,
    pub(crate) program: &'static str,
    /// Its arguments are `PORT HOST PORT`; those of the others are `PORT HOST:PORT …`.
    pub(crate) one_backend: bool,
    /// The arguments with which it balances requests.
    pub(crate) http_words: &'static [&'static str],
}

impl Chapter {
    pub(crate) const fn new(number: u8, package: &'static str, program: &'static str) -> Self {
        Self { number, package, program, one_backend: number == 2, http_words: &[] }
    }

    /// Looks a chapter up by its number.
    pub(crate) fn numbered(number: u8) -> Option<&'static Self> {
        CHAPTERS.iter().find(|chapter| chapter.number == number)
    }

    pub(crate) fn exists(&self) -> bool {
        root().join(self.package).join("src/main.rs").is_file()
    }
}

/// Chapter 1 does not speak HTTP. Chapter 10 is configured by a file, not by arguments.
pub(crate) static CHAPTERS: [Chapter; 8] = [
    Chapter::new(2, "chapter-02-simple-proxy", "reverse_proxy"),
    Chapter::new(3, "chapter-03-load-balancer", "load_balancer"),
    Chapter::new(4, "chapter-04-advanced-features", "advanced_lb"),
    Chapter::new(5, "chapter-05-high-perf-io", "high_perf_lb"),
    Chapter::new(6, "chapter-06-connection-pooling", "pooled_lb"),
    Chapter::new(7, "chapter-07-rate-limiting", "rate_limited_lb"),
    Chapter::new(8, "chapter-08-metrics", "observable_lb"),
    // It balances connections by default, and to move the bytes of one is less work than to relay its requests.
    Chapter { http_words: &["--mode", "http"], ..Chapter::new(9, "chapter-09-zero-copy", "zero_copy_lb") },
];

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}
