//! The test suites that `advanced_lb` passes.
integration_tests::ladder!(chapter = 4, bin = "advanced_lb");
