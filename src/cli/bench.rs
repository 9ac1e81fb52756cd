//! `instantstyle bench`: how fast this machine is, as one JSON line.

use std::process::Command as Process;

use clap::{ArgAction, ArgMatches, Command};
use serde::Serialize;

use super::args::text;
use super::console::Console;
use super::error::{CliError, shown};
use super::flags::{device, dtype, must_be, whole};
use super::report::peak_rss_mib;
use crate::engine::{
    BenchModel, BenchNetwork, BenchParts, BenchReport, BenchSpec, Compute, DTypeChoice, DeviceChoice, bench,
};
use crate::kernels::meter::Part;

/// What the thread pools read, once, when they are first used.
const THREADS: [&str; 2] = ["RAYON_NUM_THREADS", "CANDLE_NUM_THREADS"];

const EXAMPLES: &str = "\
Examples:
  instantstyle bench --size 512 --threads 2
  instantstyle bench --network vae --size 1024 --repeat 1
  instantstyle bench --model-config mini --size 64 --parts

A UNet's batch of 2 is one guided step. The line holds seconds (the median of
the repeats after one warm-up), all of them, and the peak resident memory.";

/// The words of the command.
pub fn command() -> Command {
    Command::new("bench")
        .about("Time a network at its true size with random weights; prints one JSON line")
        .override_usage("instantstyle bench [FLAGS]")
        .after_help(EXAMPLES)
        .args_override_self(true)
        .max_term_width(110)
        .arg(text("model-config", "NAME", "Whose sizes: sdxl, or mini (the built-in model) [default: sdxl]"))
        .arg(text("network", "NAME", "unet, or vae (decoding) [default: unet]"))
        .arg(text("size", "N", "Width and height of the picture, 8 to 8192, a multiple of 8 [default: 512]"))
        .arg(text("batch", "N", "Pictures at once, 1 to 64 [default: 2 for unet, 1 for vae]"))
        .arg(text("repeat", "N", "Timed passes after one warm-up, 1 to 1000 [default: 3]"))
        .arg(text("dtype", "NAME", "What is computed in: f32, f16 or bf16 [default: f32]"))
        .arg(text("weights", "NAME", "What the weights are: f16 (as published files have them) or f32 [default: f16]"))
        .arg(text("device", "NAME", "cpu, cuda, metal or auto [default: cpu]"))
        .arg(text("threads", "N", "Threads to compute with, 1 to 1024 [default: as many as there are cores]"))
        .arg(
            clap::Arg::new("parts")
                .long("parts")
                .action(ArgAction::SetTrue)
                .help("Time each operation in one more pass: a table on stderr, and `parts` in the line"),
        )
}

/// Times what `matches` ask for. `arguments` are all words of the line, for the process that has the wanted threads.
///
/// # Errors
/// A value outside its range, a network that does not fit into memory, or a failed computation.
pub fn run(matches: &ArgMatches, arguments: &[std::ffi::OsString]) -> Result<(), CliError> {
    let (spec, threads) = read(matches)?;
    if let Some(threads) = threads {
        let threads = threads.to_string();
        let set = |name: &&str| std::env::var(name).is_ok_and(|value| value == threads);
        if !THREADS.iter().all(set) {
            return run_with_threads(&threads, arguments);
        }
    }
    let mut console = Console::stderr();
    let report = bench(spec, |doing| console.progress(doing))?;
    console.wipe();
    if let Some(parts) = &report.parts {
        super::console::write_stderr(&table(parts));
    }
    let line = serde_json::to_string(&Line::new(&spec, &report))
        .map_err(|error| CliError::Machine(format!("the JSON line could not be made ({error})")))?;
    super::print_line(&line)
}

/// Runs the same command in a process of its own: the pools cannot be resized once they are there.
fn run_with_threads(threads: &str, arguments: &[std::ffi::OsString]) -> Result<(), CliError> {
    let failed = |error: std::io::Error| {
        CliError::Machine(format!("the timing could not be started ({error}); leave out --threads"))
    };
    let mut process = Process::new(std::env::current_exe().map_err(failed)?);
    process.args(arguments.iter().skip(1)).envs(THREADS.map(|name| (name, threads)));
    let status = process.status().map_err(failed)?;
    match status.code() {
        Some(0) => Ok(()),
        // It has said why.
        Some(status @ (1 | 2)) => Err(CliError::ReportedByChild(u8::try_from(status).unwrap_or(1))),
        _ => Err(CliError::Machine(format!("the timing stopped ({status}); try a smaller --size"))),
    }
}

fn read(matches: &ArgMatches) -> Result<(BenchSpec, Option<usize>), CliError> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let count = |name: &str, most: usize| {
        let words = format!("a whole number from 1 to {most}");
        text(name).map(|value| whole(name, value, &words, |n: &usize| (1..=most).contains(n))).transpose()
    };
    let size = |value| {
        let allowed = |side: &u32| (8..=8192).contains(side) && side.is_multiple_of(8);
        whole("size", value, "a multiple of 8 from 8 to 8192", allowed)
    };
    let network = match text("network") {
        None | Some("unet") => BenchNetwork::Unet,
        Some("vae") => BenchNetwork::Vae,
        Some(other) => return Err(must_be("network", other, "one of unet, vae")),
    };
    let spec = BenchSpec {
        model: match text("model-config") {
            None | Some("sdxl") => BenchModel::Sdxl,
            Some("mini") => BenchModel::Mini,
            Some(other) => return Err(must_be("model-config", other, "one of sdxl, mini")),
        },
        network,
        size: text("size").map(size).transpose()?.unwrap_or(512),
        batch: count("batch", 64)?.unwrap_or(if network == BenchNetwork::Unet { 2 } else { 1 }),
        repeat: count("repeat", 1000)?.unwrap_or(3),
        compute: Compute {
            device: text("device").map(device).transpose()?.unwrap_or(DeviceChoice::Cpu),
            dtype: text("dtype").map(dtype).transpose()?.unwrap_or(DTypeChoice::F32),
        },
        half_weights: match text("weights") {
            None | Some("f16") => true,
            Some("f32") => false,
            Some(other) => return Err(must_be("weights", other, "one of f16, f32")),
        },
        parts: matches.get_flag("parts"),
    };
    Ok((spec, count("threads", 1024)?))
}

/// Field names are part of the contract; those that PyTorch's counterpart has too mean the same.
#[derive(Debug, Serialize)]
struct Line<'a> {
    seconds: f64,
    all: &'a [f64],
    /// In MiB; null where the system does not tell.
    peak_rss_mb: Option<f64>,
    size: u32,
    batch: usize,
    dtype: &'a str,
    device: &'a str,
    threads: usize,
    weights: &'a str,
    parameters: u64,
    model_config: &'a str,
    network: &'a str,
    version: &'a str,
    /// What the CPU's threads could multiply and add at most, in 10^9 a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<PartLine<'a>>>,
}

#[derive(Debug, Serialize)]
struct PartLine<'a> {
    op: &'a str,
    shape: &'a str,
    calls: u64,
    /// Of one call.
    ms: f64,
    /// Of the pass in which they were timed, 0 to 1.
    share: f64,
    /// Null where there is nothing to multiply.
    gflops: Option<f64>,
    /// The same, of what the CPU could do at most. Above 1 where a convolution needs fewer multiplications than it is
    /// counted for.
    of_peak: Option<f64>,
}

impl<'a> Line<'a> {
    fn new(spec: &BenchSpec, report: &'a BenchReport) -> Self {
        Self {
            seconds: report.median(),
            all: &report.seconds,
            peak_rss_mb: peak_rss_mib(),
            size: spec.size,
            batch: spec.batch,
            dtype: report.dtype,
            device: &report.device,
            threads: report.threads,
            weights: if spec.half_weights { "f16" } else { "f32" },
            parameters: report.parameters,
            model_config: if spec.model == BenchModel::Sdxl { "sdxl" } else { "mini" },
            network: if spec.network == BenchNetwork::Unet { "unet" } else { "vae" },
            version: env!("CARGO_PKG_VERSION"),
            peak_gflops: report.parts.as_ref().map(|parts| parts.peak / 1e9),
            parts: report.parts.as_ref().map(|all| all.parts.iter().map(|part| PartLine::new(part, all)).collect()),
        }
    }
}

impl<'a> PartLine<'a> {
    fn new(part: &'a Part, all: &BenchParts) -> Self {
        let flops = (part.flops > 0.0).then(|| part.flops / part.seconds);
        Self {
            op: part.op,
            shape: &part.shape,
            calls: part.calls,
            ms: part.seconds / part.calls.max(1) as f64 * 1e3,
            share: part.seconds / all.seconds,
            gflops: flops.map(|flops| flops / 1e9),
            of_peak: flops.map(|flops| flops / all.peak),
        }
    }
}

/// The operations of one pass for people, with what is left and what the CPU could do at the end.
fn table(all: &BenchParts) -> String {
    let mut out = format!(
        "{:16} {:50} {:>5} {:>10} {:>7} {:>9} {:>8}\n",
        "operation", "shape", "calls", "ms each", "share", "GFLOP/s", "of peak"
    );
    let mut row = |op: &str, shape: &str, calls: &str, ms: f64, share: f64, gflops: Option<(f64, f64)>| {
        let (gflops, of_peak) =
            gflops.map_or_else(Default::default, |(g, p)| (format!("{g:.0}"), format!("{:.0}%", p * 100.0)));
        let share = share * 100.0;
        out += &format!("{op:16} {:50} {calls:>5} {ms:>10.3} {share:>6.1}% {gflops:>9} {of_peak:>8}\n", shown(shape));
    };
    for line in all.parts.iter().map(|part| PartLine::new(part, all)) {
        row(line.op, line.shape, &line.calls.to_string(), line.ms, line.share, line.gflops.zip(line.of_peak));
    }
    let total = all.seconds;
    let rest = total - all.parts.iter().map(|part| part.seconds).sum::<f64>();
    row("everything else", "", "", rest * 1e3, rest / total, None);
    let flops = all.parts.iter().map(|part| part.flops).sum::<f64>() / total;
    row("all", "", "1", total * 1e3, 1.0, Some((flops / 1e9, flops / all.peak)));
    out += &format!("the CPU's peak: {:.0} GFLOP/s\n", all.peak / 1e9);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up() {
        let part = Part { op: "linear", shape: "2 x 4".to_owned(), calls: 4, seconds: 0.5, flops: 1e9 };
        let table = table(&BenchParts { parts: vec![part], seconds: 2.0, peak: 4e9 });
        let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["linear", "2", "x", "4", "4", "125.000", "25.0%", "2", "50%"]);
        assert_eq!(lines[2], ["everything", "else", "1500.000", "75.0%"]);
        assert_eq!(lines[3], ["all", "1", "2000.000", "100.0%", "0", "12%"]);
        assert_eq!(lines[4].join(" "), "the CPU's peak: 4 GFLOP/s");
    }
}
