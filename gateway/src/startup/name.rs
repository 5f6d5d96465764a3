//! What a proxy is called that is given no name.

use meta::id::Id;

/// The longest part of a host's name that is used.
const MOST_HOST: usize = 50;

/// The name of this machine; `proxy` if it tells none.
pub(super) fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "proxy".into(),
        name => name.to_owned(),
    }
}

/// `HOST-PORT` in the letters that an id has.
pub(super) fn of_host_and_port(host: &str, port: u16) -> Id {
    let letter = |letter: char| match letter.to_ascii_lowercase() {
        letter @ ('a'..='z' | '0'..='9' | '.' | '_' | '-') => letter,
        _ => '-',
    };
    let host: String = host.chars().map(letter).take(MOST_HOST).collect();
    let host = host.trim_start_matches(['.', '_', '-']);
    let name = match host {
        "" => format!("proxy-{port}"),
        host => format!("{host}-{port}"),
    };
    name.parse()
        .expect("at most 56 of the letters of an id, the first a letter or digit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_host_is_called_the_name_is_an_id() {
        for (host, name) in [
            ("web-1", "web-1-8080"),
            ("Web.Example.ORG", "web.example.org-8080"),
            ("_büro host", "b-ro-host-8080"),
            ("--", "proxy-8080"),
            ("", "proxy-8080"),
            (&"x".repeat(300), &format!("{}-8080", "x".repeat(50))),
        ] {
            assert_eq!(of_host_and_port(host, 8080).as_str(), name);
        }
        assert!(!host().is_empty());
    }
}
