//! What aggregations are made of here: three answers in JSON, of one size or another, and the whole they become.

use crate::content;

/// The services' names, which are also the last segments of their paths.
pub(crate) const NAMES: [&str; 3] = ["user", "orders", "offers"];

/// How long each of the three answers is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// 200 bytes: the cost is that of the calls.
    Small,
    /// 18 KB: the cost is also that of reading, checking and copying.
    Big,
}

impl Size {
    pub(crate) const ALL: [Self; 2] = [Self::Small, Self::Big];

    /// What the paths of this size end with, so that the backend can tell them apart.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Small => "",
            Self::Big => "-18k",
        }
    }

    /// Bytes of each answer.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Small => 200,
            Self::Big => 18 * 1024,
        }
    }

    /// The answer of a service.
    pub(crate) fn part(self, name: &str) -> Vec<u8> {
        let seed = NAMES.iter().position(|known| *known == name).unwrap_or_default();
        content::object(self.bytes(), seed as u64)
    }

    /// All three under their names, in their order, without whitespace: whoever puts them together makes the same bytes.
    pub(crate) fn whole(self) -> Vec<u8> {
        let mut whole = Vec::new();
        for name in NAMES {
            whole.extend_from_slice(if whole.is_empty() { b"{" } else { b"," });
            whole.extend_from_slice(format!("\"{name}\":").as_bytes());
            whole.extend_from_slice(&self.part(name));
        }
        whole.push(b'}');
        whole
    }
}
