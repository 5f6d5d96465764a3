//! Who may use how much of a limit, so that what matters least is refused first.

use meta::model::PriorityClass;

/// How many requests may be in flight, of all classes together, for one of this class to be admitted: critical requests may use all
/// of the limit, normal ones 80 %, sheddable ones 60 %; at least 1.
pub(crate) fn share(class: PriorityClass, limit: u64) -> u64 {
    let percent = match class {
        PriorityClass::Critical => 100,
        PriorityClass::Normal => 80,
        PriorityClass::Sheddable => 60,
    };
    (limit.saturating_mul(percent) / 100).max(1)
}
