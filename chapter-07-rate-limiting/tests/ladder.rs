//! The suites that this chapter passes.
integration_tests::ladder!(chapter = 7, bin = "rate_limited_lb");
