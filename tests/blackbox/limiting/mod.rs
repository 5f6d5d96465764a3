//! Traffic control: rates, requests in flight, queues, keys, overload.

mod in_flight;
mod keys;
mod overload;
mod queues;
mod rates;
