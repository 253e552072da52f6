//! The command line of `lb_top`.

use clap::Args;

use super::url::AdminUrl;

/// The options of the terminal view.
#[derive(Args, Clone, Debug)]
pub struct TopArgs {
    /// URL of the balancer's admin interface
    #[arg(default_value = "http://127.0.0.1:9900")]
    pub url: AdminUrl,
    /// Print one reading as text and exit, as when stdout is not a terminal
    #[arg(long)]
    pub once: bool,
}
