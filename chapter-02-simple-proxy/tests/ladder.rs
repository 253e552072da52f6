//! Runs the suites that chapter 2's `reverse_proxy` passes, and `forward` for `forward_proxy`.
integration_tests::ladder!(chapter = 2, bin = "reverse_proxy", others = ["forward_proxy"]);
