//! Chapter 2's rung: the suites that `reverse_proxy` passes.
integration_tests::ladder!(chapter = 2, bin = "reverse_proxy");
