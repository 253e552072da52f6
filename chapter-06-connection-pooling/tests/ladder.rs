//! The suites that this chapter passes.
integration_tests::ladder!(chapter = 6, bin = "pooled_lb");
