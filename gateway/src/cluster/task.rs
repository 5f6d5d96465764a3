//! Background tasks with one owner: who drops a [`Task`] ends it.

use std::{future::Future, time::Duration};

use tokio::{runtime::Handle, task::JoinHandle};

/// A task that ends at its next wait when this is dropped.
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    pub(crate) fn spawn(on: &Handle, work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(on.spawn(work))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// `span` ±10 %, so that what started together does not stay together.
pub(crate) fn jittered(span: Duration) -> Duration {
    span.mul_f64(0.9 + 0.2 * fastrand::f64())
}
