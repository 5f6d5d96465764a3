//! The circuit breaker: keeps requests from a server that fails, and finds out when it is well again.
//!
//! ```text
//!              enough failures or slow calls
//!   passing ───────────────────────────────▶ rejecting ◀──┐
//!      ▲                                         │        │ a probe fails
//!      │                     its pause is over   ▼        │ (the next pause is twice as long)
//!      └──────────────────────────────────── probing ─────┘
//!              enough probes succeed
//! ```
//!
//! Out of any of them it can be forced to pass or to reject, until released.
//!
//! - `rules` is what the configuration says, and the arithmetic on it;
//! - `words` is what a breaker is asked, told and answers;
//! - `state` is the diagram above as one pure function, and `packed` its form as 64 bits;
//! - `window` counts outcomes over the time looked back on;
//! - `cell` joins them: [`Breaker`], an atomic state and a window;
//! - `counted` is one with counters and a log: [`Counted`], what servers and routes own;
//! - `terms` is what their configuration says of it: [`Terms`].
//!
//! It knows neither servers nor requests nor clocks: times are milliseconds of the process that the caller
//! passes in, chance comes from the caller, and so does the word whether one more server may be rejecting.
//! Nothing here waits, locks or allocates.

mod cell;
mod counted;
mod packed;
mod rules;
mod state;
mod terms;
mod window;
mod words;

pub use cell::Breaker;
pub use counted::{BreakerStatus, Counted};
pub use rules::Rules;
pub use terms::Terms;
pub use words::{Condition, Forced, Outcome, Rejection, Ticket, Transition, View, Why};

#[cfg(test)]
mod tests;
