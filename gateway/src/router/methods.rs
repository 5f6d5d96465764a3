//! Sets of methods.

use std::fmt;

use http::Method;

/// The methods `http` names. Bit `n` of a set is the `n`th of them.
static STANDARD: [Method; 9] = [
    Method::CONNECT,
    Method::DELETE,
    Method::GET,
    Method::HEAD,
    Method::OPTIONS,
    Method::PATCH,
    Method::POST,
    Method::PUT,
    Method::TRACE,
];

/// The bit that stands for all methods `http` does not name.
const OTHERS: u16 = 1 << STANDARD.len();

/// The bits of a set that has every method.
const ANY: u16 = u16::MAX;

/// The methods of an entry. With `GET` comes `HEAD`.
#[derive(Debug)]
pub(super) struct MethodSet {
    bits: u16,
    others: Box<[Method]>,
}

impl MethodSet {
    /// The set an entry's list means: none listed is every method.
    pub(super) fn new(listed: &[Method]) -> Self {
        if listed.is_empty() {
            return MethodSet {
                bits: ANY,
                others: Box::default(),
            };
        }
        let bits = listed.iter().fold(0, |bits, method| bits | Self::bit(method));
        let head = if bits & Self::bit(&Method::GET) != 0 {
            Self::bit(&Method::HEAD)
        } else {
            0
        };
        let others = listed
            .iter()
            .filter(|method| Self::bit(method) == OTHERS)
            .cloned()
            .collect();
        MethodSet {
            bits: bits | head,
            others,
        }
    }

    /// The bit of the method, so that a set without it surely lacks the method.
    pub(super) fn bit(method: &Method) -> u16 {
        match *method {
            Method::CONNECT => 1,
            Method::DELETE => 1 << 1,
            Method::GET => 1 << 2,
            Method::HEAD => 1 << 3,
            Method::OPTIONS => 1 << 4,
            Method::PATCH => 1 << 5,
            Method::POST => 1 << 6,
            Method::PUT => 1 << 7,
            Method::TRACE => 1 << 8,
            _ => OTHERS,
        }
    }

    /// All bits of the set.
    pub(super) fn bits(&self) -> u16 {
        self.bits
    }

    /// Whether the set has `method`.
    pub(super) fn contains(&self, method: &Method) -> bool {
        match Self::bit(method) {
            OTHERS => self.bits == ANY || self.others.contains(method),
            bit => self.bits & bit != 0,
        }
    }
}

/// The methods that a path is known for: what the `Allow` header of a 405 says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allow<'r> {
    bits: u16,
    others: Vec<&'r Method>,
}

impl<'r> Allow<'r> {
    /// The methods in alphabetical order, each once.
    pub fn methods(&self) -> Vec<&'r Method> {
        let standard = STANDARD
            .iter()
            .filter(|method| self.bits & MethodSet::bit(method) != 0);
        let mut methods: Vec<_> = standard.chain(self.others.iter().copied()).collect();
        methods.sort_unstable_by_key(|method| method.as_str());
        methods
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bits == 0
    }

    pub(super) fn add(&mut self, set: &'r MethodSet) {
        self.bits |= set.bits;
        for method in &set.others {
            if !self.others.contains(&method) {
                self.others.push(method);
            }
        }
    }
}

/// As the header's value: `GET, HEAD, POST`.
impl fmt::Display for Allow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.methods().into_iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_standard_method_has_its_own_bit() {
        for (index, method) in STANDARD.iter().enumerate() {
            assert_eq!(MethodSet::bit(method), 1 << index);
        }
    }

    #[test]
    fn get_brings_head_and_no_list_is_every_method() {
        let purge = Method::from_bytes(b"PURGE").unwrap();
        let get = MethodSet::new(&[Method::GET]);
        assert!(get.contains(&Method::HEAD) && !get.contains(&Method::POST) && !get.contains(&purge));
        assert!(MethodSet::new(&[]).contains(&purge) && MethodSet::new(&[]).contains(&Method::POST));
        let other = MethodSet::new(std::slice::from_ref(&purge));
        assert!(other.contains(&purge) && !other.contains(&Method::from_bytes(b"LINK").unwrap()));
    }

    #[test]
    fn allow_is_sorted_and_names_each_method_once() {
        let purge = Method::from_bytes(b"PURGE").unwrap();
        let sets = [
            MethodSet::new(&[purge.clone(), Method::PUT]),
            MethodSet::new(&[Method::GET, purge]),
        ];
        let mut allow = Allow::default();
        assert!(allow.is_empty());
        sets.iter().for_each(|set| allow.add(set));
        assert_eq!(allow.to_string(), "GET, HEAD, PURGE, PUT");
    }
}
