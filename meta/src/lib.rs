//! What the data plane and the control plane of Gateway share.

pub mod address;
pub mod id;
pub mod model;
pub mod problem;
pub mod timespan;

/// Stands in until the language arrives.
pub mod language {
    /// A value of a request.
    #[derive(Clone, Debug, PartialEq)]
    pub enum Value {
        /// `client_ip`
        ClientIp,
        /// `body.…`
        Body(String),
        /// `node.…`
        Node {
            /// which
            name: String,
        },
    }
    impl std::str::FromStr for Value {
        type Err = String;
        fn from_str(_: &str) -> Result<Self, String> {
            Ok(Self::ClientIp)
        }
    }
    impl std::fmt::Display for Value {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("client_ip")
        }
    }
}
