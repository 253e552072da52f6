//! Chapter 8: the metrics, and the live view.

mod live_view;
mod metrics;

use crate::narrator::Demo;

/// A part's title, and the function that plays it.
pub(crate) const PARTS: [(&str, Demo); 2] = [("metrics", metrics::demo), ("the live view", live_view::demo)];
