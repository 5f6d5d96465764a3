//! The commands that talk to an admin: what is done to the configuration from a shell. They know nothing of the store; whatever
//! they show or change goes over REST.
//!
//! Exit codes: 0 done; 1 refused, or `diff` found a difference; 2 usage; 3 the admin, or its store, cannot do it at the moment.

mod apply;
mod changes;
mod connection;
mod failure;
mod file;
mod progress;
mod show;
mod table;

use std::{io::Write, process::ExitCode};

use clap::{Args, CommandFactory, Subcommand};
use clap_complete::{Shell, generate};

use connection::{Connection, Remote};
use failure::Failure;

/// What can be done with an admin.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Puts the objects of FILE; with --prune, takes all others away
    Apply(apply::Apply),
    /// Shows what `apply` would change; exits with 1 if that is anything
    Diff(apply::Diff),
    /// Writes the whole configuration
    Export(show::Export),
    /// Shows the objects of a kind, or one
    Get(show::Get),
    /// Lists the revisions that are kept, newest first
    History(show::History),
    /// Makes the configuration what it was at REVISION, as a new revision
    Rollback(apply::Rollback),
    /// Writes completions for a shell
    Completions {
        /// Which shell
        shell: Shell,
    },
}

/// What a write may say of itself.
#[derive(Debug, Args)]
struct Order {
    /// Tells what would come of it and writes nothing
    #[arg(long)]
    dry_run: bool,
    /// What the history shall say
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

/// What a command has to say once it is done.
struct Done {
    text: String,
    /// Whether a difference was asked for and found.
    differs: bool,
}

impl Done {
    fn saying(text: String) -> Self {
        Self { text, differs: false }
    }
}

/// Runs the command; `C` is the command line that it is part of.
pub(crate) fn run<C: CommandFactory>(command: &Command) -> ExitCode {
    let done = match command {
        Command::Apply(apply) => apply.run(),
        Command::Diff(diff) => diff.run(),
        Command::Export(export) => export.run(),
        Command::Get(get) => get.run(),
        Command::History(history) => history.run(),
        Command::Rollback(rollback) => rollback.run(),
        Command::Completions { shell } => Ok(Done::saying(completions::<C>(*shell))),
    };
    match done {
        Ok(done) => {
            // Whoever closes the pipe has read enough.
            let _ = std::io::stdout().write_all(done.text.as_bytes());
            ExitCode::from(u8::from(done.differs))
        }
        Err(failure) => {
            eprintln!("{failure}");
            failure.code()
        }
    }
}

fn completions<C: CommandFactory>(shell: Shell) -> String {
    let mut command = C::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    generate(shell, &mut command, name, &mut text);
    String::from_utf8_lossy(&text).into_owned()
}
