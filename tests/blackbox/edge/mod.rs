//! What stands between clients and backends: the headers that change, and the answers the gateway makes itself.

mod forwarded;
mod own_answers;
