//! Runs the suite `files`, which chapter 9's `file_server` passes.
integration_tests::ladder!(chapter = 9, bin = "file_server", others = ["file_server"]);
