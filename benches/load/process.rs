//! Processes from the outside: pinning, CPU time, memory, ending.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;

/// Ticks per second in `/proc/PID/stat`: part of Linux's interface, whatever the kernel's own clock.
const TICKS_PER_SECOND: u64 = 100;

/// Replaces this process by itself, pinned to the second of its cores and with as many open files as allowed;
/// tells it that the first core is for the proxies. Returns only if that cannot be done, with the reason.
pub(crate) fn pin_and_start_again() -> String {
    let (proxy, own) = match two_cores() {
        Ok(cores) => cores,
        Err(message) => return message,
    };
    let Ok(executable) = std::env::current_exe() else {
        return "cannot find this executable".to_owned();
    };
    // A shell, because the limit on open files must be raised for this process itself.
    let script =
        format!(r#"ulimit -n "$(ulimit -Hn)"; exec taskset -c {own} "$0" "$@" --proxy-core {proxy}"#);
    let error = Command::new("sh")
        .arg("-c")
        .arg(script)
        .arg(executable)
        .args(std::env::args_os().skip(1))
        .exec();
    format!("cannot start taskset (package util-linux): {error}")
}

/// The first two cores this process may use.
fn two_cores() -> Result<(usize, usize)> {
    let status =
        fs::read_to_string("/proc/self/status").map_err(|error| format!("/proc/self/status: {error}"))?;
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap_or_default();
    let cores = list.trim().split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse().unwrap_or(1)..=last.parse().unwrap_or(0)
    });
    match cores.take(2).collect::<Vec<usize>>().as_slice() {
        [proxy, own] => Ok((*proxy, *own)),
        _ => Err("two cores are needed: one for the proxy, one for load and backend".to_owned()),
    }
}

/// A proxy's process and its children; dropping it kills them all.
pub(crate) struct Pinned {
    child: Child,
}

impl Pinned {
    /// Starts a command on this core; what it says goes to the file.
    pub(crate) fn start(command: &[String], core: usize, says: &Path) -> Result<Self> {
        let failed = |error: std::io::Error| format!("cannot start {}: {error}", command[0]);
        let output = fs::File::create(says).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let child = Command::new("taskset")
            .args(["-c", &core.to_string()])
            .args(command)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(failed)?;
        Ok(Self { child })
    }

    /// Whether it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// User and system time of the process and its children so far, in steps of 10 ms.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let ticks: u64 = self.family().iter().map(|member| member.ticks).sum();
        match ticks {
            0 => Err("the proxy is gone".to_owned()),
            _ => Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)),
        }
    }

    /// Resident memory of the processes that do the work: those without children (nginx: its worker).
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let family = self.family();
        let works = |member: &&Member| !family.iter().any(|other| other.parent == member.id);
        family
            .iter()
            .filter(works)
            .map(|member| resident_kib(member.id))
            .sum()
    }

    fn family(&self) -> Vec<Member> {
        let all: Vec<Member> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .filter_map(|entry| Member::read(entry.ok()?.file_name().to_str()?.parse().ok()?))
            .collect();
        let mut family: Vec<Member> = all
            .iter()
            .filter(|member| member.id == self.child.id())
            .copied()
            .collect();
        let mut next = 0;
        while let Some(&Member { id, .. }) = family.get(next) {
            family.extend(all.iter().filter(|member| member.parent == id));
            next += 1;
        }
        family
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let ids = self.family().into_iter().map(|member| member.id.to_string());
        // Fails only for what has ended already.
        let _ = Command::new("kill")
            .args(["-s", "KILL"])
            .args(ids)
            .stderr(Stdio::null())
            .status();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Copy)]
struct Member {
    id: u32,
    parent: u32,
    ticks: u64,
}

impl Member {
    /// `None` if there is no such process (any more).
    fn read(id: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name in parentheses may hold anything; after it: state, parent, …, user and system time (14, 15).
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            id,
            parent: u32::try_from(number(1)?).ok()?,
            ticks: number(11)? + number(12)?,
        })
    }
}

fn resident_kib(id: u32) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{id}/status")).map_err(|error| format!("process {id}: {error}"))?;
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse()
                .ok()
        })
        .ok_or_else(|| format!("process {id} has no VmRSS"))
}
