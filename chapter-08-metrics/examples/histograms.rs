//! Fixed buckets and log-linear ones, on the same response times: `cargo run -p chapter-08-metrics --example histograms`.

use common::outln;
use lb_metrics::histogram::{Buckets, LogLinear};

const SAMPLES: u64 = 100_000;

/// Response times in nanoseconds, the same in each run: most between 0.4 and 3 ms, one of a hundred twenty times slower,
/// as when a garbage collector runs.
fn samples() -> Vec<u64> {
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        // xorshift64
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    // The sum of four uniform numbers is roughly bell-shaped; squared, it leans to the left and has a tail.
    let mut sample = |number: u64| {
        let sum: u64 = (0..4).map(|_| next() >> 34).sum::<u64>() >> 12;
        let typical = 400_000 + sum * sum / 260_000;
        if number.is_multiple_of(100) { typical * 20 } else { typical }
    };
    (0..SAMPLES).map(&mut sample).collect()
}

/// The exact quantile of sorted numbers.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "an index from a share of a hundred thousand"
)]
fn exact(sorted: &[u64], quantile: f64) -> u64 {
    sorted[((sorted.len() as f64 * quantile).ceil() as usize).clamp(1, sorted.len()) - 1]
}

#[expect(clippy::cast_precision_loss, reason = "numbers for people")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// A quantile and its error, in percent of the exact one.
fn cell(estimate: Option<u64>, exact: u64) -> String {
    let Some(estimate) = estimate else { return "beyond the last bound".to_owned() };
    format!("{:.2} ({:+.0} %)", millis(estimate), 100.0 * (millis(estimate) / millis(exact) - 1.0))
}

fn main() {
    let mut sorted = samples();
    sorted.sort_unstable();
    let fixed = Buckets::default();
    let few: Buckets = "0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10".parse().expect("ascending");
    let mut counts = [vec![0; fixed.count()], vec![0; few.count()]];
    let mut log_linear = LogLinear::new(5);
    for nanos in &sorted {
        counts[0][fixed.index(*nanos)] += 1;
        counts[1][few.index(*nanos)] += 1;
        log_linear.record(*nanos);
    }
    outln!("quantile   exact ms   0.1 ms to 30 s     5 ms to 10 s       log-linear, 32 per power");
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        let truth = exact(&sorted, quantile);
        let cells = [
            cell(fixed.quantile(&counts[0], quantile), truth),
            cell(few.quantile(&counts[1], quantile), truth),
            cell(log_linear.quantile(quantile), truth),
        ];
        outln!("{name:<10} {:>8.2}   {:<18} {:<18} {}", millis(truth), cells[0], cells[1], cells[2]);
    }
    let bytes = |buckets: &Buckets| buckets.count() * size_of::<u64>();
    outln!(
        "buckets    {:>8}   {:<18} {:<18} {} ({} of them used)",
        "",
        fixed.count(),
        few.count(),
        log_linear.bytes() / size_of::<u64>(),
        log_linear.used()
    );
    outln!("bytes      {:>8}   {:<18} {:<18} {}", "", bytes(&fixed), bytes(&few), log_linear.bytes());
}
