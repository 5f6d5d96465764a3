//! JSON as services answer it: lists of small objects with texts, numbers, dates and links. Always the same for the same seed.

use std::fmt::Write;

const WORDS: [&str; 24] = [
    "red", "blue", "large", "small", "steel", "wooden", "chair", "table", "lamp", "desk", "garden",
    "kitchen", "modern", "classic", "light", "heavy", "with", "for", "and", "set", "of", "premium", "basic",
    "outdoor",
];

/// An object of exactly `length` bytes, which must be at least 40. Every fourth item or so has an escape in a text.
pub(crate) fn object(length: usize, seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut text = format!("{{\"id\":{},\"items\":[", 100_000 + random.below(900_000));
    let mut separator = "";
    loop {
        let item = item(&mut random);
        // What follows the items takes at least 11 bytes.
        if text.len() + separator.len() + item.len() + 11 > length {
            break;
        }
        let _ = write!(text, "{separator}{item}");
        separator = ",";
    }
    text.push_str("],\"note\":\"");
    while text.len() + 2 < length {
        let word = WORDS[random.below(WORDS.len() as u64) as usize];
        let room = length - 2 - text.len();
        text.extend(word.chars().chain([' ']).take(room));
    }
    text.push_str("\"}");
    text.into_bytes()
}

fn item(random: &mut Random) -> String {
    let id = random.below(1 << 30);
    let words = |random: &mut Random, count| {
        let words: Vec<_> = (0..count)
            .map(|_| WORDS[random.below(WORDS.len() as u64) as usize])
            .collect();
        words.join(" ")
    };
    let name = words(random, 2);
    let count = 5 + random.below(12);
    let mut description = words(random, count);
    if random.below(4) == 0 {
        description.push_str(" \\\"new\\\"");
    }
    format!(
        r#"{{"id":{id},"uuid":"{:016x}","name":"{name}","description":"{description}","price":{}.{:02},"stock":{},"on_sale":{},"updated_at":"2025-{:02}-{:02}T{:02}:{:02}:00Z","links":{{"self":"https://api.example.com/v1/products/{id}"}},"parent":null}}"#,
        random.below(u64::MAX),
        random.below(900),
        random.below(100),
        random.below(500),
        random.below(2) == 0,
        1 + random.below(12),
        1 + random.below(28),
        random.below(24),
        random.below(60),
    )
}

/// Xorshift (Marsaglia, "Xorshift RNGs", 2003): good enough for texts.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
