//! Long work off the threads that serve, and behind them where processors are short.

use tokio::task::spawn_blocking;

/// How much the work gives way: beside a busy thread of the usual priority it gets about a tenth of a processor (`nice(2)`).
const NICENESS: i32 = 10;

/// Does `work` on a thread of its own, which gives way to those that answer requests. `None` if it panicked, which is logged.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = spawn_blocking(move || {
        give_way();
        work()
    });
    done.await
        .inspect_err(|error| log::error!("a change of the configuration was not worked out: {error}"))
        .ok()
}

/// On Linux, where a thread has a priority of its own, this is the thread's. It stays: the other work that the threads of this runtime's
/// pool get, writing to the disk and resolving names, can give way too.
fn give_way() {
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        log::debug!("the priority of a thread: {error}");
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::getpriority_process;

    use super::*;

    #[tokio::test]
    async fn work_aside_gives_way_and_a_panic_in_it_is_no_more_than_no_result() {
        let niceness = || getpriority_process(None).ok();
        let before = niceness();
        assert_eq!(aside(niceness).await, Some(Some(NICENESS)));
        assert_eq!(niceness(), before);
        assert_eq!(aside(|| assert_eq!(1, 2, "as meant")).await, None);
    }
}
