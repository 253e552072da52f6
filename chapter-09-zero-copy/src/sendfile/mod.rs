//! `sendfile(2)`: a file's bytes go from the page cache to a socket, and no user memory is touched.
//!
//! A server that calls `read` and `send` copies each byte twice: into its buffer and out of it. `sendfile` hands the
//! socket references to the pages of the file instead. Use it for files that the kernel can cache; it does not help
//! with bytes that the program must see anyway, to compress or encrypt them.
//!
//! Invariant: a [`FileSender`] sends exactly the range that it was given, or fails. A file that shrinks meanwhile is an
//! error and never padded; what is appended to it is never sent.

mod file_sender;

pub use file_sender::{FileSender, SENDFILE_IS_AVAILABLE, Sent, TransferMethod};
