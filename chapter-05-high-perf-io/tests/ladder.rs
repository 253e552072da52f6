//! The suites that this chapter passes.
integration_tests::ladder!(chapter = 5, bin = "high_perf_lb");
