//! `file_server [port] [directory]`

use std::{error::Error, path::PathBuf, process::ExitCode, sync::Arc};

use clap::Parser;
use common::{
    cli::{self, ServeArgs, WorkerArgs},
    logging,
    net::{self, Listeners},
    outln,
    shutdown::Shutdown,
    signals, stdout,
    worker::fds_for_workers,
};
use zero_copy::{
    file_server::{self, FileServer, FileServerConfig, root::Root},
    sendfile::{SENDFILE_IS_AVAILABLE, TransferMethod},
};

/// A static file server: bodies go from the page cache to the socket by sendfile(2).
#[derive(Debug, Parser)]
#[command(name = "file_server", version)]
struct Args {
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
    /// Directory to serve
    #[arg(default_value = ".")]
    directory: PathBuf,
    /// Copy bodies through a buffer instead of using sendfile, to compare
    #[arg(long)]
    copy: bool,
    #[command(flatten)]
    workers: WorkerArgs,
    #[command(flatten)]
    serve: ServeArgs,
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    if !args.serve.trusted_proxy.is_empty() {
        return cli::usage_error("--trusted-proxy has no effect on a file server: it reads no X-Forwarded-* headers");
    }
    logging::init();
    match Root::open(&args.directory) {
        Ok(root) => cli::exit_code(run(args, root)),
        Err(error) => cli::usage_error(format_args!("cannot serve '{}': {error}", args.directory.display())),
    }
}

fn run(args: Args, root: Root) -> Result<(), Box<dyn Error>> {
    let fd_limit = net::raise_fd_limit()?;
    let shutdown = Shutdown::new()?;
    let workers = args.workers.count();
    let listeners = Listeners::bind(args.serve.listen_address(args.port), workers)?;
    let address = listeners.local_address();
    let method = if args.copy || !SENDFILE_IS_AVAILABLE { TransferMethod::Copy } else { TransferMethod::Sendfile };
    // Two descriptors per client, as for a proxy: its connection, and the file that it gets.
    let max_clients = args.serve.max_clients.map(std::num::NonZeroUsize::get);
    let config = FileServerConfig {
        root,
        method,
        max_clients: net::max_clients_for_fds(fd_limit, fds_for_workers(workers), max_clients, false),
        timeouts: args.serve.timeouts,
        log_requests: args.serve.log_requests,
    };
    let server = Arc::new(FileServer::new(config, workers));
    let stats_source = Arc::clone(&server);
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_source.statistics()))?;
    outln!("listening on {address}");
    let how = if method == TransferMethod::Sendfile { "sendfile" } else { "copying" };
    outln!("serving {} by {how}", args.directory.display());
    file_server::run(&server, listeners, &shutdown)?;
    stdout::print_last_line(server.statistics());
    Ok(())
}
