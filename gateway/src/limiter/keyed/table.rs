//! A map from keys to one word each, in a fixed number of cells, without locks: what both keyed limits are kept in.
//!
//! A key may be in any cell of two groups of neighbours that its hash names; one that comes new goes into the group with more room
//! (balanced allocations, Azar, Broder, Karlin, Upfal, SIAM J. Comput. 29(1), 1999). With groups of 16 both are full for
//! none in a million newcomers while three quarters of the cells are in use; groups of 8 would turn away 1 in 80. Nothing
//! is ever deleted: a cell whose word has run its course (`left` says 0) is as good as empty.
//!
//! **One live cell a key.** Two threads may bring in one key at once and choose different cells. So a cell is first claimed: its word is
//! a mark that admits nothing. A claim becomes live only by a thread that has seen it and *then* found no other cell of the key in
//! either group. Of two claims of a key, the later one is visible to whoever looks after it was made, so the two never become
//! live both; one that meets a live cell is given up, and of two claims the one in the lower cell stays. Any thread
//! that meets a claim settles it, so none waits for another. Each claim has a number of its own, so that a thread that was held
//! up cannot take a later claim for the one it looked at. A live cell needs no such care: it is changed by one swap.
//!
//! Without the mark, a third thread could take from the cell that is about to be given up, and a key have its burst twice.

use std::array;

use crate::sync::{AtomicU64, Ordering::Relaxed, Pair};

/// Marks a word as a claim; the other bits number it.
const CLAIMED: u64 = 1 << 63;
const EMPTY: (u64, u64) = (0, 0);

/// Each lost attempt is another thread's success at the same key or cell, so running out of them takes dozens of threads.
const ATTEMPTS: usize = 64;

/// Cells in groups of `WIDTH`.
#[derive(Debug)]
pub(super) struct Table<const WIDTH: usize> {
    groups: Box<[Group<WIDTH>]>,
    claims: AtomicU64,
}

/// On cache lines of its own.
#[derive(Debug)]
#[repr(align(64))]
struct Group<const WIDTH: usize>([Pair; WIDTH]);

/// A cell: its group, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(usize, usize);

/// The cell that can best be spared.
struct Vacancy {
    place: Place,
    content: (u64, u64),
    left: u64,
    /// Cells of its group that are in use.
    crowd: usize,
}

enum Found {
    Live(Place, u64),
    Claim(Place, u64),
    Nowhere(Option<Vacancy>),
}

impl<const WIDTH: usize> Table<WIDTH> {
    /// At least `cells` cells, 16 bytes each: as many as make the number of groups a power of two.
    pub(super) fn new(cells: usize) -> Self {
        let groups = cells.div_ceil(WIDTH).next_power_of_two();
        let empty = || Group(array::from_fn(|_| Pair::default()));
        Self {
            groups: (0..groups).map(|_| empty()).collect(),
            claims: AtomicU64::new(0),
        }
    }

    /// Changes the word of `key` by `step`, and returns what `step` says of it and where the word is.
    ///
    /// `step` sees 0 for a key that is not there, and may be asked several times; a word that it leaves alone is not written. `left`
    /// says how much a word still matters, 0 for not at all; a newcomer takes the cell that matters least, if that is less than its own
    /// first word does. `None` if there is no such cell. Words stay below 2⁶³.
    pub(super) fn update<R>(
        &self,
        key: u64,
        left: impl Fn(u64) -> u64,
        step: impl Fn(u64) -> (u64, R),
    ) -> Option<(R, Place)> {
        for _ in 0..ATTEMPTS {
            let done = match self.find(key, &left) {
                Found::Live(place, word) => self.swap(place, (key, word), (key, word), &step),
                Found::Claim(place, claim) => self.settle(place, (key, claim), &step),
                Found::Nowhere(vacancy) => {
                    let (first, _) = step(0);
                    let vacancy = vacancy.filter(|vacancy| vacancy.left < left(first).max(1))?;
                    self.claim(key, &vacancy)
                        .and_then(|claim| self.settle(vacancy.place, claim, &step))
                }
            };
            if done.is_some() {
                return done;
            }
        }
        None
    }

    /// Changes the word of `key` at `place`, where it is known to be live.
    pub(super) fn update_at(&self, place: Place, key: u64, step: impl Fn(u64) -> u64) {
        loop {
            let (found, word) = self.cell(place).load();
            if found != key || self.cell(place).replace((key, word), (key, step(word))) {
                return;
            }
        }
    }

    fn find(&self, key: u64, left: &impl Fn(u64) -> u64) -> Found {
        let mut best: Option<Vacancy> = None;
        for group in self.groups_of(key) {
            let mut spare: Option<Vacancy> = None;
            let mut crowd = 0;
            for place in places::<WIDTH>(group, key) {
                let content = self.cell(place).load();
                match content {
                    (found, claim) if found == key && claim & CLAIMED != 0 => {
                        return Found::Claim(place, claim);
                    }
                    (found, word) if found == key => return Found::Live(place, word),
                    _ => {}
                }
                let left = if content.1 & CLAIMED != 0 {
                    u64::MAX
                } else {
                    left(content.1)
                };
                crowd += usize::from(left > 0);
                if spare.as_ref().is_none_or(|spare| left < spare.left) {
                    spare = Some(Vacancy {
                        place,
                        content,
                        left,
                        crowd: 0,
                    });
                }
            }
            let spare = spare.map(|spare| Vacancy { crowd, ..spare });
            best = best
                .into_iter()
                .chain(spare)
                .min_by_key(|vacancy| (vacancy.left, vacancy.crowd));
        }
        Found::Nowhere(best)
    }

    fn claim(&self, key: u64, vacancy: &Vacancy) -> Option<(u64, u64)> {
        let claim = (key, CLAIMED | self.claims.fetch_add(1, Relaxed));
        self.cell(vacancy.place)
            .replace(vacancy.content, claim)
            .then_some(claim)
    }

    /// Makes a claim live or gives it up. What is returned only if it was made live, and here.
    fn settle<R>(
        &self,
        place: Place,
        claim: (u64, u64),
        step: &impl Fn(u64) -> (u64, R),
    ) -> Option<(R, Place)> {
        while let Some((rival, content)) = self.rival(place, claim.0) {
            if content.1 & CLAIMED == 0 || rival < place {
                self.cell(place).replace(claim, EMPTY);
                return None;
            }
            self.cell(rival).replace(content, EMPTY);
        }
        self.swap(place, claim, (claim.0, 0), step)
    }

    /// Another cell of the key.
    fn rival(&self, place: Place, key: u64) -> Option<(Place, (u64, u64))> {
        self.groups_of(key)
            .flat_map(|group| places::<WIDTH>(group, key))
            .filter(|&other| other != place)
            .map(|other| (other, self.cell(other).load()))
            .find(|(_, content)| content.0 == key)
    }

    /// Puts the step from `start` where `current` still is.
    fn swap<R>(
        &self,
        place: Place,
        current: (u64, u64),
        start: (u64, u64),
        step: &impl Fn(u64) -> (u64, R),
    ) -> Option<(R, Place)> {
        let (word, verdict) = step(start.1);
        let next = (start.0, word);
        (next == current || self.cell(place).replace(current, next)).then_some((verdict, place))
    }

    fn cell(&self, Place(group, index): Place) -> &Pair {
        &self.groups[group].0[index]
    }

    /// The two groups of a key; one if there are no two.
    fn groups_of(&self, key: u64) -> impl Iterator<Item = usize> {
        let mask = self.groups.len() - 1;
        let first = key as usize & mask;
        let second = (key >> 32) as usize & mask;
        let second = if first == second {
            (second + 1) & mask
        } else {
            second
        };
        [first, second].into_iter().take(self.groups.len())
    }
}

/// The cells of a group from the one that the key prefers, where it is found at once in a table with room.
fn places<const WIDTH: usize>(group: usize, key: u64) -> impl Iterator<Item = Place> {
    let preferred = (key >> 56) as usize;
    (0..WIDTH).map(move |index| Place(group, (preferred + index) % WIDTH))
}
