//! Runs the suite that chapter 1's `echo_server`, `echo_client` and `getaddrinfo_demo` pass.
integration_tests::ladder!(chapter = 1, bin = "echo_server", others = ["echo_client", "getaddrinfo_demo"]);
