//! Runs the suites that chapter 3's `load_balancer` passes.
integration_tests::ladder!(chapter = 3, bin = "load_balancer");
