//! System calls per request, counted by `strace -c` in a separate round: a traced program is ten times slower.

use std::{collections::BTreeMap, fs, io, path::Path, process::Command};

use crate::process::{Child, Space};

/// How often each system call was made.
pub(crate) type Calls = BTreeMap<String, u64>;

/// Counts the system calls of `pids`, their threads and their children while `work` runs.
pub(crate) fn count<T>(
    program: &Path,
    pids: &[i32],
    space: Space<'_>,
    work: impl FnOnce() -> io::Result<T>,
) -> io::Result<(Calls, T)> {
    let table = space.directory.join("strace.txt");
    let mut command = Command::new(program);
    command.args(["-c", "-f", "-q", "-o"]).arg(&table);
    for pid in pids {
        command.arg("-p").arg(pid.to_string());
    }
    let mut strace = Child::start("strace", command, space)?;
    strace.becomes("attach", || pids.iter().all(|pid| is_traced(*pid)).then_some(()))?;
    let result = work()?;
    // On SIGINT strace detaches, writes its table and exits.
    strace.interrupt()?;
    let text = fs::read_to_string(&table)?;
    let calls = parse(&text).ok_or_else(|| io::Error::other("cannot parse strace's table"))?;
    Ok((calls, result))
}

/// Whether every thread of the process is traced.
fn is_traced(pid: i32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let mut statuses = threads.flatten().map(|thread| fs::read_to_string(thread.path().join("status")));
    statuses.all(|status| match status {
        Ok(status) => !status.lines().any(|line| line == "TracerPid:\t0"),
        // A thread that has ended meanwhile makes no more calls.
        Err(_) => true,
    })
}

/// `strace -c`'s table:
///
/// ```text
/// % time     seconds  usecs/call     calls    errors syscall
/// ------ ----------- ----------- --------- --------- ----------------
///  61.90    0.000130           6        20         3 recvfrom
/// ------ ----------- ----------- --------- --------- ----------------
/// 100.00    0.000210           5        37         3 total
/// ```
fn parse(text: &str) -> Option<Calls> {
    let mut lines = text.lines().skip_while(|line| !line.contains("% time"));
    let column = lines.next()?.split_whitespace().filter(|word| *word != "%").position(|word| word == "calls")?;
    let mut calls = Calls::new();
    for line in lines.filter(|line| !line.starts_with("---")) {
        let words: Vec<_> = line.split_whitespace().collect();
        let (Some(name), Some(number)) = (words.last(), words.get(column)) else { continue };
        if *name != "total" {
            *calls.entry((*name).to_owned()).or_default() += number.parse::<u64>().ok()?;
        }
    }
    Some(calls)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_is_read_with_and_without_errors() {
        let text = "strace: Process 7 attached\n\
            % time     seconds  usecs/call     calls    errors syscall\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            \x20 61.90    0.000130           6        20         3 recvfrom\n\
            \x20 38.10    0.000080           4        17           sendto\n\
            \x20  0.00    0.000000           0         1           close\n\
            ------ ----------- ----------- --------- --------- ----------------\n\
            100.00    0.000210           5        38         3 total\n";
        let expected = [("close", 1), ("recvfrom", 20), ("sendto", 17)];
        assert_eq!(parse(text).unwrap(), expected.map(|(name, calls)| (name.to_owned(), calls)).into());
    }

    #[test]
    fn other_text_is_no_table() {
        assert_eq!(parse(""), None);
        assert_eq!(parse("strace: attach: Operation not permitted\n"), None);
        assert_eq!(parse("% time seconds usecs/call calls errors syscall\n1 2 3 many x\n"), None);
    }

    #[test]
    fn calls_of_a_process_are_counted() {
        let Some(program) = crate::peers::find("strace") else { return };
        let directory = tempfile::tempdir().unwrap();
        let cores = crate::kernel::allowed_cores().unwrap();
        let space = Space { cores: &cores, home: &cores, directory: directory.path() };
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do cd /; done"]);
        let child = Child::start("loop", command, space).unwrap();
        let work = || {
            integration_tests::wait::pause(std::time::Duration::from_millis(50));
            Ok(7)
        };
        match count(&program, &[child.pid()], space, work) {
            Ok((calls, result)) => assert!(calls["chdir"] > 10 && result == 7, "{calls:?}"),
            // A sandbox may forbid ptrace; then the tool says so.
            Err(error) => assert!(error.to_string().contains("strace"), "{error}"),
        }
    }
}
