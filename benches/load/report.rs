//! The figures of one scenario: medians per target, and medians of the ratios taken within each round.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::client::Measured;
use crate::scenario::Scenario;
use crate::target::Target;

/// Which ratios are of interest.
const COMPARED: [(Target, Target); 10] = [
    (Target::Ours, Target::Bare),
    (Target::Ours, Target::Nginx),
    (Target::Ours, Target::Haproxy),
    (Target::Ours, Target::OursForward),
    (Target::Ours, Target::Handwritten),
    (Target::Ours10k, Target::Bare),
    (Target::Guarded, Target::Ours),
    (Target::Guarded, Target::Other),
    (Target::Ours, Target::Other),
    (Target::Bare, Target::Nginx),
];

/// One target in one round.
pub(crate) struct Sample {
    pub(crate) measured: Measured,
    /// User and system time of the proxy.
    pub(crate) cpu: Duration,
    /// Resident memory at the end.
    pub(crate) resident_kib: u64,
}

impl Sample {
    fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.measured.latency.count().max(1) as f64
    }

    fn rate(&self) -> f64 {
        self.measured.latency.count() as f64 / self.measured.elapsed.as_secs_f64()
    }

    fn errors(&self) -> u64 {
        self.measured.errors.values().sum()
    }

    /// For watching the bench at work.
    pub(crate) fn line(&self, target: Target) -> String {
        let mut line = format!(
            "{:12} {:7.2} µs {:8.0}/s",
            target.name(),
            self.cpu_us(),
            self.rate()
        );
        if self.errors() > 0 {
            line.push_str(&format!("  errors: {:?}", self.measured.errors));
        }
        line
    }
}

/// All rounds of one scenario; prints itself as a table.
pub(crate) struct Report {
    scenario: Scenario,
    /// Per target, one sample a round, in the order of rounds.
    samples: Vec<(Target, Vec<Sample>)>,
}

impl Report {
    pub(crate) fn new(scenario: Scenario, targets: &[Target]) -> Self {
        Self {
            scenario,
            samples: targets.iter().map(|&target| (target, Vec::new())).collect(),
        }
    }

    pub(crate) fn add(&mut self, target: Target, sample: Sample) {
        if let Some((_, samples)) = self.samples.iter_mut().find(|(known, _)| *known == target) {
            samples.push(sample);
        }
    }

    /// Requests without a correct answer, over all.
    pub(crate) fn errors(&self) -> u64 {
        self.samples
            .iter()
            .flat_map(|(_, samples)| samples)
            .map(Sample::errors)
            .sum()
    }

    fn of(&self, target: Target) -> Option<&[Sample]> {
        self.samples
            .iter()
            .find(|(known, _)| *known == target)
            .map(|(_, samples)| samples.as_slice())
    }

    /// CPU per request of one target divided by another's, round by round.
    fn ratios(&self, (ours, theirs): (Target, Target)) -> Option<Vec<f64>> {
        let (ours, theirs) = (self.of(ours)?, self.of(theirs)?);
        Some(
            ours.iter()
                .zip(theirs)
                .map(|(ours, theirs)| ours.cpu_us() / theirs.cpu_us())
                .collect(),
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "{} · {}", self.scenario.name(), self.scenario.explanation())?;
        writeln!(
            out,
            "           CPU µs/req      req/s   p50 ms   p99 ms   RSS MB   errors"
        )?;
        for (target, samples) in &self.samples {
            let figure = |of: &dyn Fn(&Sample) -> f64| median(samples.iter().map(of).collect());
            writeln!(
                out,
                "{:12} {:9.2} {:10.0} {:8.3} {:8.3} {:8.1} {:8}",
                target.name(),
                figure(&Sample::cpu_us),
                figure(&Sample::rate),
                figure(&|sample| sample.measured.latency.quantile_ms(0.50)),
                figure(&|sample| sample.measured.latency.quantile_ms(0.99)),
                figure(&|sample| sample.resident_kib as f64 / 1024.0),
                samples.iter().map(Sample::errors).sum::<u64>(),
            )?;
        }
        for pair in COMPARED {
            if let Some(ratios) = self.ratios(pair) {
                let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
                let most = ratios.iter().copied().fold(0.0, f64::max);
                let name = format!("{} ÷ {}", pair.0.name(), pair.1.name());
                let bar = self.scenario.bar(pair);
                let bar = bar.map_or_else(String::new, |bar| format!("   wanted: at most {bar:.2}"));
                writeln!(
                    out,
                    "  CPU {name:20} {:5.2}   ({least:.2} to {most:.2}){bar}",
                    median(ratios)
                )?;
            }
        }
        let mut reasons = BTreeMap::<(&str, &str), u64>::new();
        for (target, samples) in &self.samples {
            for (reason, count) in samples.iter().flat_map(|sample| &sample.measured.errors) {
                *reasons.entry((target.name(), reason)).or_default() += count;
            }
        }
        for ((target, reason), count) in reasons {
            writeln!(out, "  errors of {target}: {count} × {reason}")?;
        }
        Ok(())
    }
}

/// The middle value, or the mean of the two middle ones; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
