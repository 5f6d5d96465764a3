//! Whom a request asks. Nobody is asked who he is, so a browser on this machine could be used by any page: one that has its name lead
//! here (DNS rebinding) would even be of the same origin as the admin. Such a request names that page's host.

use std::net::IpAddr;

use actix_web::{
    Error, HttpRequest, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::HOST,
    middleware::Next,
};

use crate::problem::{Code, Problem};

/// Lets requests through that ask for this machine.
pub(crate) async fn own(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match is_own(request.request()) {
        true => Ok(next.call(request).await?.map_into_boxed_body()),
        false => {
            let detail = "nobody is asked who he is here, so only localhost and loopback addresses are answered as Host";
            let problem = Problem::new(Code::OtherSite, detail);
            Ok(request.into_response(problem.error_response()))
        }
    }
}

/// Whether the host is this machine, or is not said: browsers always say it.
fn is_own(request: &HttpRequest) -> bool {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let header = request.headers().get(HOST);
    let Some(host) = authority.or_else(|| header.map(|host| host.to_str().unwrap_or_default())) else {
        return true;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    name.is_some_and(|name| {
        let is_loopback = name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        is_loopback || name.eq_ignore_ascii_case("localhost")
    })
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_names_of_this_machine_are_its_own() {
        for (host, expected) in [
            ("localhost:9093", true),
            ("LocalHost", true),
            ("127.0.0.1:9093", true),
            ("127.1.2.3", true),
            ("[::1]:9093", true),
            ("evil.example:9093", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1", false),
            ("[2001:db8::1]:9093", false),
            ("", false),
        ] {
            let request = TestRequest::get().insert_header(("host", host)).to_http_request();
            assert_eq!(is_own(&request), expected, "{host}");
        }
        assert!(is_own(&TestRequest::get().to_http_request()));
    }
}
