//! Tests of the whole reader: by tables, against real TLS software, and laws for all inputs.

mod laws;
mod messages;
mod peers;
mod structure;
