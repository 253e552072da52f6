//! The suites that this chapter passes.
integration_tests::ladder!(chapter = 8, bin = "observable_lb", others = ["lb_top"]);
