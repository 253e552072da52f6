//! Runs your solutions, to try them by hand: `cargo run -p chapter-01-exercises --example try -- uppercase-echo`.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use common::{cli, outln};
use exercises_01::{e1_uppercase_echo, e2_connection_log, e3_calculator, e5_chat};

/// How many lines may be queued for a member of the chat.
const BACKLOG: usize = 100;

/// Starts the server that you wrote, on 127.0.0.1; Ctrl-C ends it.
#[derive(Debug, Parser)]
#[command(name = "try")]
struct Args {
    /// The exercise
    #[arg(value_enum)]
    exercise: Exercise,
    /// Port to listen on; 0 lets the kernel choose
    #[arg(default_value_t = 8080, value_parser = cli::parse_port)]
    port: u16,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Exercise {
    /// 1.1
    UppercaseEcho,
    /// 1.2, with its log on standard output
    ConnectionLog,
    /// 1.3
    Calculator,
    /// 1.5
    Chat,
}

fn main() -> ExitCode {
    cli::exit_code(serve(&cli::parse::<Args>()))
}

fn serve(args: &Args) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port))?;
    outln!("listening on {}", listener.local_addr()?);
    match args.exercise {
        Exercise::UppercaseEcho => e1_uppercase_echo::serve(&listener),
        Exercise::ConnectionLog => e2_connection_log::serve(&listener, &mut io::stdout()),
        Exercise::Calculator => e3_calculator::serve(&listener),
        Exercise::Chat => e5_chat::serve(&listener, BACKLOG),
    }
}
