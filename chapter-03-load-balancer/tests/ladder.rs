//! Chapter 3's rung: the suites that `load_balancer` passes.
integration_tests::ladder!(chapter = 3, bin = "load_balancer");
