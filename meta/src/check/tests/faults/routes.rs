//! Every fault of a route by itself.

use super::*;

#[test]
fn every_fault_of_a_route_is_found_where_it_stands() {
    let cases: &[(&[&str], &[&str])] = &[
        (
            &["to: [{ cluster: users }]", "priority: 1000001"],
            &["5:13: routes/x: priority: 1000001 is out of bounds: use -1000000 to 1000000"],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "match: { path: '/a/{id}', when: param.name == \"b\" && param.id == \"c\" }",
            ],
            &["5:35: routes/x: match.when: there is no parameter \"name\"; the path has: id"],
        ),
        (
            &["to: [{ cluster: users }]", "match: { when: 'param.id == \"c\"' }"],
            &["5:19: routes/x: match.when: there is no parameter \"id\"; the path has no parameters"],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "match: { when: 'method == \"GET\" && body.user == \"c\"' }",
            ],
            &["5:38: routes/x: match.when: body.user: a route does not read bodies"],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "match: { when: 'node.user.level > 3' }",
            ],
            &["5:19: routes/x: match.when: node.user.level: only an aggregation has nodes"],
        ),
        (
            &["to: [{ cluster: users }]", "match: { when: 'host == ' }"],
            &["5:27: routes/x: match.when: expected a value after \"==\" at character 9"],
        ),
        (
            &["to: [{ cluster: users }]", "match: { path: users }"],
            &["5:18: routes/x: match.path: a path pattern begins with `/` at character 1"],
        ),
        (
            &["to: [{ cluster: users }]", "match: { path: '/a/{id:[}' }"],
            &["5:26: routes/x: match.path: bad regex: unclosed character class at character 8"],
        ),
        (
            &["to: [{ cluster: users }]", "rewrite: https://example.com/{path}"],
            &[
                "5:12: routes/x: rewrite: a rewrite is a path, as in \"/users/{param.id}\": the cluster decides the host",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "match: { path: '/a/{id}/{other}' }",
                "rewrite: /b/{param.id}/{param.ohter}",
            ],
            &["6:27: routes/x: rewrite: there is no parameter \"ohter\"; the path has: id, other"],
        ),
        (
            &["to: [{ cluster: users }, { cluster: users, weight: 2 }]"],
            &[
                "4:39: routes/x: to[1].cluster: the cluster \"users\" stands twice: name it once, with the sum of the weights",
            ],
        ),
        (
            &["to: [{ cluster: users, weight: 0 }]"],
            &["4:34: routes/x: to[0].weight: expected a whole number from 1 to 1000, found the number 0"],
        ),
        (
            &["to: [{ cluster: user }]"],
            &["4:19: routes/x: to[0].cluster: there is no cluster \"user\"; did you mean \"users\"?"],
        ),
        (
            &["to: [{ cluster: payments }]"],
            &["4:19: routes/x: to[0].cluster: there is no cluster \"payments\""],
        ),
        (
            &["to: [{ cluster: users }]", "sticky: method"],
            &[
                "5:11: routes/x: sticky: method cannot keep a client on its target: use cookie.NAME, header.NAME or client_ip",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "sticky: cookie.user"],
            &[
                "5:11: warning: routes/x: sticky: there is nothing to stick to: the route has fewer than two targets",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "mirror: { cluster: users, percent: 0 }",
            ],
            &["5:38: routes/x: mirror.percent: 0 percent: use more than 0, up to 100"],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "mirror: { cluster: users, percent: 100.5 }",
            ],
            &["5:38: routes/x: mirror.percent: 100.5 percent: use more than 0, up to 100"],
        ),
        (
            &["to: [{ cluster: users }]", "mirror: { cluster: userz }"],
            &["5:22: routes/x: mirror.cluster: there is no cluster \"userz\"; did you mean \"users\"?"],
        ),
        (
            &["to: [{ cluster: users }]", "retry: { attempts: 20 }"],
            &["5:22: routes/x: retry.attempts: 20 attempts: use 1 to 10, the first one included"],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "match: { methods: [POST, PUT] }",
                "cache: { ttl: 1s, key: [param.id] }",
                "coalesce: true",
            ],
            &[
                "6:10: routes/x: cache: only answers to GET and HEAD are shared, not to POST: leave \"cache\" out",
                "6:27: routes/x: cache.key[0]: there is no parameter \"id\"; the path has no parameters",
                "7:13: routes/x: coalesce: only answers to GET and HEAD are shared, not to POST: leave \"coalesce\" out",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "match: { methods: [POST, HEAD] }",
                "cache: { ttl: 1s }",
                "coalesce: { key: [header.x, body.id] }",
            ],
            &[
                "7:31: routes/x: coalesce.key[1]: \"body.id\" cannot be a key: use header.NAME, cookie.NAME, query.NAME, param.NAME, path, host or client_ip",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "filters: [{ acces: {} }]"],
            &[
                "5:15: routes/x: filters[0].acces: there is no filter \"acces\"; did you mean \"access\"? There are: access, headers, redirect, reply",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "filters: [{ compress: {} }]"],
            &[
                "5:15: routes/x: filters[0].compress: there is no filter \"compress\"; there are: access, headers, redirect, reply",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "filters: [{ access: {}, reply: {} }]"],
            &[
                "5:13: routes/x: filters[0]: a filter has one kind, here are \"access\" and \"reply\": write each as its own list item",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "filters: [{ access: {} }]"],
            &[
                "5:23: routes/x: filters[0].access: neither \"allow\" nor \"deny\" has an entry: name at least one",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "filters: [{ access: { allow: [10.0.0.0/33] } }]",
            ],
            &[
                "5:33: routes/x: filters[0].access.allow[0]: \"10.0.0.0/33\" is no block of addresses: write one as in \"10.0.0.0/8\", \"2001:db8::/32\" or \"192.0.2.7\"",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "filters: [{ headers: {} }]"],
            &[
                "5:24: routes/x: filters[0].headers: nothing is changed: name at least one of request.set, request.add, request.remove, response.set, response.add, response.remove",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "filters: [{ headers: { request: { set: { connection: close } } } }]",
            ],
            &[
                "5:56: routes/x: filters[0].headers.request.set.connection: \"connection\" belongs to the connection or to the framing of a message: it cannot be changed",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "filters: [{ headers: { request: { remove: [host] }, response: { set: { host: a } } } }]",
            ],
            &[
                "5:46: routes/x: filters[0].headers.request.remove[0]: a request needs its \"host\": set it instead",
                "5:80: routes/x: filters[0].headers.response.set.host: a response has no \"host\"",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "filters:",
                "- headers:",
                "    request: { set: { x-id: \"{param.id}\" } }",
            ],
            &[
                "7:31: routes/x: filters[0].headers.request.set.x-id: there is no parameter \"id\"; the path has no parameters",
            ],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "filters: [{ headers: { response: { add: { x-id: \"{body.id}\" } } } }]",
            ],
            &["5:51: routes/x: filters[0].headers.response.add.x-id: body.id: a route does not read bodies"],
        ),
        (
            &[
                "to: [{ cluster: users }]",
                "filters: [{ headers: { requests: {} } }]",
            ],
            &[
                "5:26: routes/x: filters[0].headers.requests: unknown key \"requests\"; did you mean \"request\"? allowed: request, response",
            ],
        ),
        (
            &["filters: [{ redirect: { to: /b, status: 200 } }]"],
            &[
                "4:43: routes/x: filters[0].redirect.status: 200 is no redirect: use 301, 302, 303, 307 or 308",
            ],
        ),
        (
            &["filters: [{ redirect: { to: \"/{param.id}\" } }]"],
            &[
                "4:31: routes/x: filters[0].redirect.to: there is no parameter \"id\"; the path has no parameters",
            ],
        ),
        (
            &["filters: [{ reply: { status: 99 } }]"],
            &["4:32: routes/x: filters[0].reply.status: 99 is no status of an answer: use 200 to 599"],
        ),
        (
            &["filters: [{ reply: { status: 204, body: \"x\" } }]"],
            &["4:43: routes/x: filters[0].reply.body: an answer 204 has no body"],
        ),
        (
            &["filters: [{ reply: {} }, { access: { deny: [10.0.0.1] } }]"],
            &[
                "4:38: warning: routes/x: filters[1].access: a filter before this one answers: this one never sees a request",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "filters: [{ reply: {} }]"],
            &["4:7: warning: routes/x: to: a filter answers every request: none reaches these clusters"],
        ),
        (
            &["priority: 1"],
            &[
                "3:3: routes/x: the route goes nowhere: \"to\" names its clusters, or a filter \"reply\" or \"redirect\" answers",
            ],
        ),
        (
            &["to: [{ cluster: users }]", "expires: 2020-01-01T00:00:00Z"],
            &["5:12: warning: routes/x: expires: this time has passed: the route matches nothing"],
        ),
        (
            &["to: [{ cluster: users }]", "expires: tomorrow"],
            &[
                "5:12: routes/x: expires: \"tomorrow\" is no time: write one as in \"2026-12-31T00:00:00Z\" (RFC 3339)",
            ],
        ),
    ];
    for (lines, expected) in cases {
        assert_found(Kind::Route, lines, expected);
    }
}
