//! The HTTP/1.1 machine and the plumbing.
