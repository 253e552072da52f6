//! `file_server [port] [directory]`

use std::{error::Error, num::NonZeroUsize, path::PathBuf, process::ExitCode, sync::Arc};

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

impl Args {
    fn method(&self) -> TransferMethod {
        if self.copy || !SENDFILE_IS_AVAILABLE { TransferMethod::Copy } else { TransferMethod::Sendfile }
    }

    /// For a process that may have `fd_limit` descriptors open. A client needs two, as with a proxy: its connection, and
    /// the file that it gets.
    fn config(&self, root: Root, fd_limit: u64) -> FileServerConfig {
        let own_fds = fds_for_workers(self.workers.count());
        let requested = self.serve.max_clients.map(NonZeroUsize::get);
        FileServerConfig {
            root,
            method: self.method(),
            max_clients: net::max_clients_for_fds(fd_limit, own_fds, requested, false),
            timeouts: self.serve.timeouts,
            log_requests: self.serve.log_requests,
        }
    }
}

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    if !args.serve.trusted_proxy.is_empty() {
        return cli::usage_error("--trusted-proxy has no effect on a file server: it reads no X-Forwarded-* headers");
    }
    logging::init();
    match Root::open(&args.directory) {
        Ok(root) => cli::exit_code(run(&args, root)),
        Err(error) => cli::usage_error(format_args!("cannot serve '{}': {error}", args.directory.display())),
    }
}

fn run(args: &Args, root: Root) -> Result<(), Box<dyn Error>> {
    let fd_limit = net::raise_fd_limit()?;
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(args.serve.listen_address(args.port), args.workers.count())?;
    let address = listeners.local_address();
    let server = Arc::new(FileServer::new(args.config(root, fd_limit), args.workers.count()));
    let stats_source = Arc::clone(&server);
    signals::spawn(shutdown.clone(), move || outln!("{}", stats_source.statistics()))?;
    outln!("listening on {address}");
    let how = if args.method() == TransferMethod::Sendfile { "sendfile" } else { "copying" };
    outln!("serving {} by {how}", args.directory.display());
    file_server::run(&server, listeners, &shutdown)?;
    stdout::print_last_line(server.statistics());
    Ok(())
}
