//! `advanced_lb [port] [host:port[:weight] …] [-a ALGORITHM] …`

mod args;

use std::{num::NonZeroUsize, process::ExitCode};

use advanced_features::{
    Balancer,
    admin::{self, Admin},
};
use common::{cli, logging, net, net::Listeners, out, outln, shutdown::Shutdown, signals};
use load_balancer::names::SystemResolver;
use simple_proxy::waiter::now;

use crate::args::Args;

fn main() -> ExitCode {
    let args = cli::parse::<Args>();
    logging::init();
    match start(args) {
        Ok(code) => code,
        Err(error) => cli::exit_code(Err(error)),
    }
}

fn start(args: Args) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let files = net::raise_file_limit()?;
    let bundle = if args.wants_bundle() { Some(backends::start_bundled(3, 9001)?) } else { None };
    let (address, admin) = (args.serve.address(args.port), args.admin);
    let bundled = bundle.as_ref().map(backends::Bundle::addrs);
    let config = match args.config(files, bundled.as_deref()) {
        Ok(config) => config,
        Err(why) => return Ok(cli::refuse(why)),
    };
    let shutdown = Shutdown::new()?;
    let listeners = Listeners::bind(address, NonZeroUsize::MIN)?;
    let address = listeners.address();
    let balancer = Balancer::new(config, SystemResolver)?;
    let operated = balancer.clone();
    let handler = move |request: &admin::Request| admin::handle(&*operated, request, now());
    let admin = admin.map(|address| Admin::start(address, handler)).transpose()?;
    let shown = balancer.clone();
    signals::spawn(shutdown.clone(), move || outln!("{}", shown.statistics()))?;
    outln!("listening on {address}");
    if let Some(admin) = &admin {
        outln!("admin on {}", admin.address());
    }
    if let Some(bundle) = &bundle {
        outln!("{}", bundle.invitation(address));
    }
    advanced_features::run(&balancer, listeners, &shutdown)?;
    out::last_line(balancer.statistics());
    Ok(ExitCode::SUCCESS)
}
