//! The command line of `hot_reload_lb`.

use std::{
    fs,
    io::{self, IsTerminal},
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::ValueEnum;
use common::{cli, outln, stdout::eprint_line};

use crate::{
    config::{diagnostic::text, load::load},
    explain::{Expectation, Explanation, Request, explain},
    settings::Settings,
};

/// A load balancer that is run from a file.
#[derive(clap::Parser, Debug)]
#[command(name = "hot_reload_lb", version)]
pub struct Args {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What the program does.
#[derive(clap::Subcommand, Debug)]
pub enum Command {
    /// Says where a request would go, and why it goes nowhere else. Sends nothing
    Explain(ExplainArgs),
}

/// The options of `explain`.
#[derive(clap::Args, Debug)]
pub struct ExplainArgs {
    // Not a doc comment: rustdoc would take the URL for a link.
    #[arg(help = "The request, such as 'GET http://api.example.com/v1?x'; without a method it is a GET")]
    #[arg(required_unless_present = "expect")]
    request: Option<String>,
    /// A header of the request, such as 'Cookie: a=b' (repeatable)
    #[arg(short = 'H', long = "header", value_name = "HEADER", requires = "request")]
    headers: Vec<String>,
    /// The configuration file [default: ./lb.json, else the one that comes with the program]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The listener it comes in at [default: the only one, or the one with the port of the URL]
    #[arg(long, value_name = "NAME")]
    listener: Option<String>,
    /// The client's address
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
    /// How it is said
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Check a table instead, with lines 'REQUEST => route=NAME backend=NAME …': exit code 1 if one is not so
    #[arg(long, value_name = "TABLE", conflicts_with_all = ["request", "format"])]
    expect: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Lines of text
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// The file that is meant when none is named.
pub fn default_file() -> PathBuf {
    let here = PathBuf::from("lb.json");
    if here.exists() { here } else { Path::new(env!("CARGO_MANIFEST_DIR")).join(here) }
}

impl ExplainArgs {
    /// Explains the request, or checks the table. 64 for a file or a request that is wrong, 1 if an expectation failed.
    pub fn run(&self) -> ExitCode {
        let loaded = load(&self.config.clone().unwrap_or_else(default_file));
        let Some(config) = &loaded.config else {
            let shown = text::render(&loaded.diagnostics, &loaded.sources, io::stderr().is_terminal());
            eprint_line(format_args!("{shown}"));
            return ExitCode::from(cli::EXIT_USAGE);
        };
        let settings = Settings::new(config);
        let outcome = match &self.expect {
            Some(table) => self.check(&settings, table),
            None => self.explain(&settings).map(|()| ExitCode::SUCCESS),
        };
        outcome.unwrap_or_else(cli::usage_error)
    }

    fn explain(&self, settings: &Settings) -> Result<(), String> {
        let text = self.request.as_deref().unwrap_or_default();
        let request = Request::parse(text, &self.headers).map_err(|error| error.to_string())?;
        let explanation = self.explanation(settings, &request)?;
        match self.format {
            Format::Text => outln!("{explanation}"),
            Format::Json => {
                outln!("{}", serde_json::to_string_pretty(&explanation).map_err(|error| error.to_string())?);
            }
        }
        Ok(())
    }

    fn explanation(&self, settings: &Settings, request: &Request) -> Result<Explanation, String> {
        explain(settings, request, self.from, self.listener.as_deref()).map_err(|error| error.to_string())
    }

    fn check(&self, settings: &Settings, table: &PathBuf) -> Result<ExitCode, String> {
        let name = table.display();
        let text = fs::read_to_string(table).map_err(|error| format!("{name}: {error}"))?;
        let expectations = Expectation::parse_table(&text).map_err(|error| format!("{name}: {error}"))?;
        let mut failed = 0;
        for expectation in &expectations {
            let explanation = self.explanation(settings, &expectation.request)?;
            let failures = expectation.failures(&explanation);
            if !failures.is_empty() {
                failed += 1;
                let line = expectation.request.line();
                outln!("{name}:{}: {line}: {}", expectation.line, failures.join("; "));
            }
        }
        outln!("{} of {} as expected", expectations.len() - failed, expectations.len());
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(cli::EXIT_FAILURE) })
    }
}
