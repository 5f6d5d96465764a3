//! Numbers as they are written, compared exactly.
//!
//! Ids beyond 2^53 and amounts like 0.1 do not survive a trip through binary floating point, so none is made: two numbers
//! are compared by sign, power of ten and digits. No size limit, no rounding, no allocation.

use std::borrow::Cow;
use std::cmp::Ordering;

/// A decimal number, kept as its significant digits.
#[derive(Debug, Clone)]
pub(super) struct Number<'a> {
    negative: bool,
    /// The power of ten of the first significant digit: 2 for 345.6, -2 for 0.034.
    magnitude: i64,
    /// From the first digit that is not 0 to the last, perhaps with a point in between; empty for zero.
    digits: Cow<'a, str>,
}

impl<'a> Number<'a> {
    /// Reads `12`, `-0.5`, `007`, `1e+08`: digits, perhaps with sign `-`, fraction, exponent. Anything else is no number,
    /// in particular `+1`, `.5`, `5.`, `inf`, `NaN`, the empty text, and surrounding space.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let significant = mantissa.trim_start_matches(['0', '.']);
        // How far the point is to the right of the first significant digit (the point itself takes a place if it is left).
        let places = whole.len() as i64 - (mantissa.len() - significant.len()) as i64;
        let first = if places > 0 { places - 1 } else { places };
        Some(Self {
            negative,
            magnitude: first + i64::from(exponent),
            digits: Cow::Borrowed(significant.trim_end_matches(['0', '.'])),
        })
    }

    /// The same number without the text it was read from.
    pub(super) fn into_owned(self) -> Number<'static> {
        Number {
            digits: Cow::Owned(self.digits.into_owned()),
            ..self
        }
    }

    /// Orders by value: 1.0 equals 1, -0 equals 0.
    pub(super) fn compare(&self, other: &Number<'_>) -> Ordering {
        let by_sign = self.sign().cmp(&other.sign());
        if by_sign.is_ne() || self.sign() == 0 {
            return by_sign;
        }
        let by_size = self
            .magnitude
            .cmp(&other.magnitude)
            .then_with(|| self.digits().cmp(other.digits()));
        if self.negative { by_size.reverse() } else { by_size }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.digits.bytes().filter(u8::is_ascii_digit)
    }
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn compare(left: &str, right: &str) -> Ordering {
        Number::parse(left)
            .unwrap()
            .compare(&Number::parse(right).unwrap())
    }

    #[test]
    fn numbers_are_ordered_by_value_and_not_by_spelling() {
        for (left, right) in [
            ("-2", "-1"),
            ("-1", "0"),
            ("0", "0.001"),
            ("0.09", "0.1"),
            ("2", "10"),
            ("1.05", "1.5"),
            ("9007199254740992", "9007199254740993"),
            (
                "340282366920938463463374607431768211456",
                "340282366920938463463374607431768211457",
            ),
            ("0.1", "0.1000000000000000000000001"),
            ("9", "1e1"),
            ("1e-3", "0.0011"),
        ] {
            assert_eq!(compare(left, right), Ordering::Less, "{left} < {right}");
            assert_eq!(compare(right, left), Ordering::Greater, "{right} > {left}");
        }
    }

    #[test]
    fn one_number_has_many_spellings() {
        for (left, right) in [
            ("1", "1.0"),
            ("007", "7"),
            ("-0", "0"),
            ("0.0", "0e9"),
            ("1e+08", "100000000"),
            ("12.5", "1.25E1"),
            ("0.050", "5e-2"),
        ] {
            assert_eq!(compare(left, right), Ordering::Equal, "{left} = {right}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "",
            "-",
            "+1",
            ".5",
            "5.",
            "1 ",
            "inf",
            "NaN",
            "1e",
            "1e99999999999",
            "1.2.3",
            "0x1",
            "--1",
            "1,5",
            "١",
        ] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn integers_compare_as_integers(left: i128, right: i128) {
            prop_assert_eq!(compare(&left.to_string(), &right.to_string()), left.cmp(&right));
        }

        #[test]
        fn decimals_compare_as_decimals(left in -99999i64..99999, right in -99999i64..99999) {
            let hundredths = |n: i64| format!("{}{}.{:02}", if n < 0 { "-" } else { "" }, n.abs() / 100, n.abs() % 100);
            prop_assert_eq!(compare(&hundredths(left), &hundredths(right)), left.cmp(&right));
        }

        #[test]
        fn reading_never_panics(text: String, digits in "-?[0-9.eE+-]{0,12}") {
            let _ = Number::parse(&text);
            let _ = Number::parse(&digits);
        }
    }
}
