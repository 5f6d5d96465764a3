//! Which members of a cluster a request was already sent to.

/// The members one request was sent to so far, by their place in one [`Cluster`](super::Cluster): use a fresh
/// one for each.
///
/// Holds ten, which is as often as a request is sent at most; an eleventh is not remembered.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    members: [u16; 10],
    count: u8,
}

impl Tried {
    /// Nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many sends are remembered.
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    pub(super) fn contains(&self, member: u16) -> bool {
        self.members[..self.count()].contains(&member)
    }

    pub(super) fn insert(&mut self, member: u16) {
        if let Some(place) = self.members.get_mut(usize::from(self.count)) {
            *place = member;
            self.count += 1;
        }
    }
}
