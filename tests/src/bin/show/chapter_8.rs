//! Chapter 8: the metrics, and the live view.

mod live_view;
mod metrics;

use crate::narrator::Part;

/// In parts.
pub(crate) const PARTS: [Part; 2] = [
    Part { title: "metrics", pages: &["README.md"], demo: metrics::demo },
    Part { title: "the live view", pages: &["parts/4-live-view.md"], demo: live_view::demo },
];
