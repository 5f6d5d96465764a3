//! Every fault of a node by itself.

use super::*;

#[test]
fn a_url_is_a_path_that_reads_what_is_there() {
    assert_cases(&[
        (
            &[],
            &["name: user, url: \"https://x.y/{path}\""],
            &[
                "5:40: nodes[0].url: the url of a node is a path, as in \"/users/{param.id}\": the cluster decides the host",
            ],
        ),
        (
            &[],
            &["name: user, url: users"],
            &["5:40: nodes[0].url: expected `/`, `http://` or `https://` at character 1"],
        ),
        (
            &["match: { path: \"/a/{id}\" }"],
            &["name: user, url: \"/u/{param.id}/{param.di}\""],
            &["6:56: nodes[0].url: there is no parameter \"di\"; the path has: id"],
        ),
        (
            &[],
            &["name: user, url: \"/u/{param.id}\""],
            &["5:45: nodes[0].url: there is no parameter \"id\"; the path has no parameters"],
        ),
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, url: \"/é{node.user.id}/{node.usr.level}\"",
            ],
            &["6:58: nodes[1].url: there is no node \"usr\"; did you mean \"user\"?"],
        ),
        (
            &[],
            &["name: user, url: /u", "name: vip, url: \"/{node.payments}\""],
            &["6:42: nodes[1].url: there is no node \"payments\"; there are: user, vip"],
        ),
        (
            &[],
            &["name: user, url: /u", "name: vip, url: \"/{node.vip.x}\""],
            &["6:42: nodes[1].url: node.vip.x: a node cannot read its own answer"],
        ),
    ]);
}

#[test]
fn headers_bodies_and_conditions_read_what_is_there() {
    assert_cases(&[
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, url: /, headers: { x-a: \"{node.usr}\", X-B: \"b {param.c}\" }",
            ],
            &[
                "6:51: nodes[1].headers.x-b: there is no parameter \"c\"; the path has no parameters",
                "6:60: nodes[1].headers.x-a: there is no node \"usr\"; did you mean \"user\"?",
            ],
        ),
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, method: POST, url: /, body: { a: [1, \"x {node.usr}\"], b/c: \"{param.b}\", \"{node.k}\": 1 }",
            ],
            &[
                "6:75: nodes[1].body.a[1]: there is no node \"usr\"; did you mean \"user\"?",
                "6:95: nodes[1].body.b/c: there is no parameter \"b\"; the path has no parameters",
            ],
        ),
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, method: POST, url: /, body: \"{node.usr}\"",
            ],
            &["6:64: nodes[1].body: there is no node \"usr\"; did you mean \"user\"?"],
        ),
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, url: /, when: \"node.user.level > 3 && node.usr.x\"",
            ],
            &["6:72: nodes[1].when: there is no node \"usr\"; did you mean \"user\"?"],
        ),
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, url: /, when: \"node.user.level >\"",
            ],
            &["6:66: nodes[1].when: expected a value after \">\" at character 18"],
        ),
        (
            &[],
            &[
                "name: user, url: /u",
                "name: vip, method: POST, url: /, body: { a: [\"{node.user\"] }",
            ],
            &["6:69: nodes[1].body.a[0]: expected a `}` for the brace that opens at character 1"],
        ),
        (
            &["response: { data: [\"{node.user.name}\", \"{node.usr.name} {param.id}\"] }"],
            &["name: user, url: /u"],
            &[
                "4:44: response.data[1]: there is no node \"usr\"; did you mean \"user\"?",
                "4:60: response.data[1]: there is no parameter \"id\"; the path has no parameters",
            ],
        ),
        (
            &["response: { data: \"{nod.user}\" }"],
            &["name: user, url: /u"],
            &["4:23: response.data: expected a value instead of \"nod\", did you mean `node` at character 2"],
        ),
    ]);
}

#[test]
fn bodies_are_where_methods_have_them() {
    assert_cases(&[
        (
            &["match: { methods: [GET, HEAD] }"],
            &["name: user, url: \"/{body.id}\""],
            &["6:43: nodes[0].url: body.id: GET has no body: add POST to match.methods"],
        ),
        (
            &[],
            &["name: user, url: \"/{body.id}\""],
            &[
                "5:43: nodes[0].url: body.id: the request of the only node is passed on without being read; add merge: object, or \"response\"",
            ],
        ),
        (&["merge: object"], &["name: user, url: \"/{body.id}\""], &[]),
        (
            &["match: { methods: [GET] }", "response: { a: \"{body.id}\" }"],
            &["name: user, url: /u"],
            &["5:20: response.a: body.id: GET has no body: add POST to match.methods"],
        ),
        (
            &["match: { methods: [OPTIONS, TRACE] }"],
            &["name: user, method: POST, url: /, pass_body: true"],
            &[
                "6:68: nodes[0].pass_body: OPTIONS has no body: add POST to match.methods, or leave \"pass_body\" out",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, body: { a: 1 }"],
            &["5:50: nodes[0].body: GET has no body: add method: POST, or leave \"body\" out"],
        ),
        (
            &[],
            &["name: user, url: /u, method: HEAD, body: { a: 1 }"],
            &["5:64: nodes[0].body: HEAD has no body: add method: POST, or leave \"body\" out"],
        ),
        (
            &[],
            &["name: user, url: /u, method: GET, pass_body: true"],
            &["5:68: nodes[0].pass_body: GET has no body: add method: POST, or leave \"pass_body\" out"],
        ),
        (
            &[],
            &["name: user, url: /u", "name: vip, url: /, pass_body: true"],
            &["6:53: nodes[1].pass_body: GET has no body: add method: POST, or leave \"pass_body\" out"],
        ),
        (
            &[],
            &["name: user, url: /u, method: POST, body: x, pass_body: true"],
            &["5:78: nodes[0].pass_body: the call has one body: leave \"body\" or \"pass_body\" out"],
        ),
        (
            &["match: { methods: [GET] }"],
            &["name: user, url: /u, pass_body: true"],
            &[
                "6:55: nodes[0].pass_body: GET has no body: add POST to match.methods, or leave \"pass_body\" out",
            ],
        ),
    ]);
}

#[test]
fn fields_of_the_connection_cannot_be_named() {
    assert_cases(&[
        (
            &[],
            &[
                "name: user, url: /u, headers: { Connection: close, host: x.y }, pass_headers: [te, host], keep_headers: [transfer-encoding, etag]",
            ],
            &[
                "5:67: nodes[0].headers.Connection: \"Connection\" belongs to the connection or to the framing of a message: it cannot be changed",
                "5:102: nodes[0].pass_headers[0]: \"te\" belongs to the connection or to the framing of a message: it cannot be changed",
                "5:128: nodes[0].keep_headers[0]: \"transfer-encoding\" belongs to the connection or to the framing of a message: it cannot be changed",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, keep_headers: [etag, Host]"],
            &["5:65: nodes[0].keep_headers[1]: a response has no \"host\""],
        ),
        (
            &[],
            &["name: user, url: /u, headers: { \"x y\": a }"],
            &["5:62: nodes[0].headers.x y: \"x y\" is no header name (RFC 9110 §5.6.2)"],
        ),
    ]);
}

#[test]
fn what_counts_as_success_is_named_once() {
    assert_cases(&[
        (
            &[],
            &["name: user, url: /u, status: [200, 404, 200, 404]"],
            &[
                "5:63: nodes[0].status[2]: 200 stands twice: name it once",
                "5:68: nodes[0].status[3]: 404 stands twice: name it once",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, status: []"],
            &[
                "5:52: nodes[0].status: no status would be a success: name at least one, or leave \"status\" out for 200 to 299",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, status: [199, 600]"],
            &[
                "5:53: nodes[0].status[0]: 199 is out of bounds: use 200 to 599",
                "5:58: nodes[0].status[1]: 600 is out of bounds: use 200 to 599",
            ],
        ),
    ]);
}

#[test]
fn members_that_do_not_go_together_are_refused() {
    assert_cases(&[
        (
            &["on_collision: first"],
            &["name: user, url: /u", "name: vip, url: /"],
            &[
                "4:17: on_collision: only the members of a flat merge collide: add merge: flat, or leave \"on_collision\" out",
            ],
        ),
        (
            &["merge: list", "on_collision: first"],
            &["name: user, url: /u", "name: vip, url: /"],
            &[
                "5:17: on_collision: only the members of a flat merge collide: add merge: flat, or leave \"on_collision\" out",
            ],
        ),
        (
            &["merge: falt"],
            &["name: user, url: /u", "name: vip, url: /"],
            &["4:10: merge: unknown value \"falt\"; did you mean \"flat\"? allowed: object, flat, list"],
        ),
        (
            &[],
            &["name: user, url: /u, method: POST, hedge: { after: 10ms }"],
            &["5:65: nodes[0].hedge: POST may not be sent twice (RFC 9110 §9.2.2): leave \"hedge\" out"],
        ),
        (
            &[],
            &["name: user, url: /u, method: PATCH, hedge: { after: p95 }"],
            &["5:66: nodes[0].hedge: PATCH may not be sent twice (RFC 9110 §9.2.2): leave \"hedge\" out"],
        ),
        (
            &[],
            &["name: user, url: /u, hedge: { after: p42, budget_percent: 0 }"],
            &[
                "5:60: nodes[0].hedge.after: \"p42\" is no percentile: use p50, p90, p95 or p99",
                "5:81: nodes[0].hedge.budget_percent: 0 is out of bounds: use 1 to 100",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, hedge: { after: 2m }"],
            &["5:60: nodes[0].hedge.after: 2m is out of bounds: use 1ms to 1m"],
        ),
        (
            &[],
            &["name: user, url: /u, method: POST, cache: { ttl: 1s }, coalesce: true"],
            &[
                "5:65: nodes[0].cache: only answers to GET and HEAD are shared, not to POST: leave \"cache\" out",
                "5:88: nodes[0].coalesce: only answers to GET and HEAD are shared, not to POST: leave \"coalesce\" out",
            ],
        ),
        (
            &["match: { methods: [POST, PUT] }"],
            &["name: user, url: /u, cache: { ttl: 1s }"],
            &[
                "6:51: nodes[0].cache: only answers to GET and HEAD are shared, not to POST: leave \"cache\" out",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, coalesce: 1"],
            &["5:54: nodes[0].coalesce: expected true, false, or { key: [..] }, found the number 1"],
        ),
        (
            &[],
            &[
                "name: user, url: /u, cache: { ttl: 1s, key: [header.x, param.id] }, coalesce: { key: [param.id] }",
            ],
            &[
                "5:78: nodes[0].cache.key[1]: there is no parameter \"id\"; the path has no parameters",
                "5:109: nodes[0].coalesce.key[0]: there is no parameter \"id\"; the path has no parameters",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, cache: { ttl: 25h, key: [node.user.id, body.x] }"],
            &[
                "5:58: nodes[0].cache.ttl: 25h is out of bounds: use 1ms to 24h",
                "5:69: nodes[0].cache.key[0]: \"node.user.id\" cannot be a key: use header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip",
                "5:83: nodes[0].cache.key[1]: \"body.x\" cannot be a key: use header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip",
            ],
        ),
        (
            &[],
            &["name: user, url: /u, retry: { attempts: 20 }"],
            &["5:63: nodes[0].retry.attempts: 20 attempts: use 1 to 10, the first one included"],
        ),
        (
            &[],
            &["name: user, url: /u, timeout: 11m, max_bytes: 0"],
            &[
                "5:53: nodes[0].timeout: 11m is out of bounds: use 1ms to 10m",
                "5:69: nodes[0].max_bytes: 0 is out of bounds: use 1 to 1073741824",
            ],
        ),
    ]);
}
