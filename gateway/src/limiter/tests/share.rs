use meta::model::PriorityClass::{Critical, Normal, Sheddable};

use crate::limiter::adaptive::share;

#[test]
fn classes_share_a_limit_by_what_they_matter() {
    assert_eq!(
        [Critical, Normal, Sheddable].map(|class| share(class, 100)),
        [100, 80, 60]
    );
    assert_eq!(
        [Critical, Normal, Sheddable].map(|class| share(class, 4)),
        [4, 3, 2]
    );
}

#[test]
fn every_class_may_have_one() {
    assert_eq!(
        [Critical, Normal, Sheddable].map(|class| share(class, 1)),
        [1, 1, 1]
    );
}
