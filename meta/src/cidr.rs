//! Blocks of addresses: `10.0.0.0/8`, `2001:db8::/32`, or one address.

use std::{fmt, net::IpAddr, str::FromStr};

use ipnet::{IpNet, Ipv4Net};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A block of addresses, kept in its canonical form (no bits beyond the prefix, IPv4 in IPv6 form as IPv4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Whether `address` is in the block. An IPv4-mapped IPv6 address counts as the IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// The lowest and the highest address of the block.
    pub fn bounds(&self) -> (IpAddr, IpAddr) {
        (self.0.network(), self.0.broadcast())
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let whole = text
            .parse::<IpNet>()
            .or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error));
        let shown: String = text.chars().take(60).collect();
        whole.map(|net| Self(canonical(net))).map_err(|_| {
            format!("{shown:?} is no block of addresses: write one as in \"10.0.0.0/8\", \"2001:db8::/32\" or \"192.0.2.7\"")
        })
    }
}

/// Addresses are compared as IPv4 where they are that, so a block of `::ffff:0:0/96` (RFC 4291 §2.5.5.2) has to be IPv4 too.
fn canonical(net: IpNet) -> IpNet {
    let net = net.trunc();
    match (net.network().to_canonical(), net.prefix_len()) {
        (IpAddr::V4(v4), length @ 96..) if net.network().is_ipv6() => {
            Ipv4Net::new(v4, length - 96).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Cidr {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl JsonSchema for Cidr {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Cidr".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9A-Fa-f:.]+(/[0-9]{1,3})?$",
            "description": "A block of addresses, or one address.",
            "examples": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn blocks_hold_their_addresses_also_when_mapped_into_ipv6() {
        let block: Cidr = "10.1.2.3/8".parse().unwrap();
        assert_eq!(block.to_string(), "10.0.0.0/8");
        assert!(block.contains("10.255.0.1".parse().unwrap()));
        assert!(block.contains("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!block.contains("11.0.0.1".parse().unwrap()));
        assert_eq!("192.0.2.7".parse::<Cidr>().unwrap().to_string(), "192.0.2.7/32");
    }

    #[test]
    fn a_block_of_ipv4_in_ipv6_form_is_the_ipv4_block() {
        for (text, same) in [
            ("::ffff:10.1.2.3", "10.1.2.3/32"),
            ("::ffff:10.1.0.0/112", "10.1.0.0/16"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
        ] {
            assert_eq!(text.parse::<Cidr>().unwrap().to_string(), same, "{text}");
        }
        let block: Cidr = "::ffff:10.1.0.0/112".parse().unwrap();
        assert!(
            block.contains("10.1.2.3".parse().unwrap()) && block.contains("::ffff:10.1.2.3".parse().unwrap())
        );
    }

    #[test]
    fn what_is_no_block_is_refused() {
        for bad in ["", "10.0.0.0/33", "10.0.0/8", "a", "::/129", "10.0.0.0/-1"] {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }
}
