//! Why a command was not done: for people, one mistake a line, and as an exit code for scripts.

use std::{fmt, process::ExitCode};

use meta::problem::Position;
use serde::Deserialize;

/// Why a command was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// What was asked for cannot be tried.
    Usage(String),
    /// FILE is wrong, each mistake in a line.
    Wrong(Vec<String>),
    /// The admin said no.
    Refused(Refusal),
    /// Nobody answered.
    Unreachable(String),
}

/// One thing that is wrong or odd, as the admin tells it.
#[derive(Debug, Deserialize)]
pub(super) struct Finding {
    pub(super) parameter: Option<String>,
    pub(super) object: Option<String>,
    pub(super) pointer: Option<String>,
    pub(super) position: Option<Position>,
    pub(super) detail: String,
}

/// What the admin answered instead of doing it (RFC 9457).
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) detail: String,
    #[serde(default)]
    pub(super) errors: Vec<Finding>,
    /// The file that the mistakes are in, if they are in one.
    #[serde(skip)]
    pub(super) file: Option<String>,
}

impl Failure {
    /// 1 refused, 2 usage, 3 to be tried again.
    pub(super) fn code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Refused(refusal) if refusal.status < 500 => 1,
            Self::Wrong(_) => 1,
            Self::Usage(_) => 2,
            Self::Refused(_) | Self::Unreachable(_) => 3,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::Unreachable(text) => f.write_str(text),
            Self::Wrong(lines) => f.write_str(&lines.join("\n")),
            Self::Refused(refusal) => refusal.fmt(f),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused ({}): {}", self.status, self.detail)?;
        for finding in &self.errors {
            write!(f, "\n{}", finding.line(self.file.as_deref()))?;
        }
        match self.status {
            401 | 403 => f.write_str(
                "\ngive a token in the environment variable GATEWAY_TOKEN, or in another that --token-env names",
            ),
            _ => Ok(()),
        }
    }
}

impl Finding {
    /// `FILE:LINE:COLUMN: OBJECT: POINTER: detail`, as much of it as is known.
    pub(super) fn line(&self, file: Option<&str>) -> String {
        let place = file.map(|file| match self.position {
            Some(Position { line, column }) => format!("{file}:{line}:{column}"),
            None => file.to_owned(),
        });
        let pointer = self.pointer.clone().filter(|pointer| !pointer.is_empty());
        let parts = [place, self.parameter.clone(), self.object.clone(), pointer];
        let mut line: String = parts
            .into_iter()
            .flatten()
            .map(|part| format!("{part}: "))
            .collect();
        line.push_str(&self.detail);
        line
    }
}
