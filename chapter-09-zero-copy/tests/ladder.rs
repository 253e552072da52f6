//! The suites that this chapter passes.
integration_tests::ladder!(chapter = 9, bin = "zero_copy_lb", others = ["file_server"]);
