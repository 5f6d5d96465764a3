//! Mistakes in routes.

use super::found;

#[tokio::test]
async fn mistakes_in_matches_are_found_at_their_place() {
    found(&[
        (
            "priority: 0",
            "priority: 5000000",
            "16:13",
            &["-1000000 to 1000000"],
        ),
        (
            "priority: 0",
            "prioritty: 0",
            "16:3",
            &["did you mean \"priority\"?"],
        ),
        ("match:\n", "mach:\n", "17:3", &["did you mean \"match\"?"]),
        (
            "api.test, ",
            "\"api.test:80\", ",
            "18:22",
            &["match.hosts[0]:", "no port"],
        ),
        ("api.test, ", "\"*\", ", "18:14", &["leave the hosts out"]),
        ("api.test, ", "\"a.*.test\", ", "18:16", &["match.hosts[0]:", "*"]),
        ("api.test, ", "b\u{fc}cher.test, ", "18:14", &["punycode"]),
        (
            "methods: [GET",
            "methods: [get",
            "19:15",
            &["match.methods[0]:", "GET"],
        ),
        (
            "methods: [GET",
            "methods: [\"G ET\"",
            "19:15",
            &["match.methods[0]:"],
        ),
        (
            "path: /users/{id}/{n:[0-9]+}",
            "path: users",
            "20:11",
            &["match.path:", "/"],
        ),
        ("{n:[0-9]+}", "{n:[0-9}", "20:26", &["match.path:", "unclosed"]),
        ("{n:[0-9]+}", "{id}", "20:24", &["match.path:", "id"]),
        ("{n:[0-9]+}", "{n", "20:23", &["match.path:", "not closed"]),
        (
            "{n:[0-9]+}",
            "{n*}/more",
            "20:27",
            &["match.path:", "nothing may follow"],
        ),
        ("{n:[0-9]+}", "v{n}", "20:24", &["match.path:", "whole segment"]),
        (
            "header.x-v >= 2",
            "header.x-v >= \"2",
            "21:46",
            &["match.when:", "instead of"],
        ),
        (
            "header.x-v >= 2",
            "header.x-v >= abc",
            "21:25",
            &["match.when:", "abc"],
        ),
        ("header.x-v >= 2", "method > 2", "21:20", &["match.when:"]),
        (
            "header.x-v >= 2",
            "heder.x-v >= 2",
            "21:11",
            &["did you mean `header", "match.when:"],
        ),
        (
            "header.x-v >= 2",
            "header.x-v ~ \"(\"",
            "21:24",
            &["regular expression"],
        ),
        (
            "header.x-v >= 2",
            "header.x-v = 2",
            "21:22",
            &["match.when:", "=="],
        ),
        (
            "10.0.0.0/8\"]\n",
            "10.0.0.0/40\"]\n",
            "21:44",
            &["match.when:", "an address or a network"],
        ),
        (
            "header.x-v >= 2",
            "param.nope == 2",
            "21:11",
            &["there is no parameter \"nope\"", "the path has: id, n"],
        ),
        (
            "header.x-v >= 2",
            "body.a == 2",
            "21:11",
            &["does not read bodies"],
        ),
        (
            "header.x-v >= 2",
            "node.a.b == 2",
            "21:11",
            &["only an aggregation has nodes"],
        ),
    ])
    .await;
}

#[tokio::test]
async fn mistakes_in_targets_rewrites_and_filters_are_found_at_their_place() {
    found(&[
        (
            "cluster: c, weight: 90",
            "cluster: e, weight: 90",
            "22:19",
            &["to[0].cluster:", "there is no cluster \"e\""],
        ),
        (
            "cluster: c, weight: 90",
            "weight: 90",
            "22:8",
            &["\"cluster\" is missing"],
        ),
        (
            "cluster: d, weight: 10",
            "cluster: c, weight: 10",
            "22:47",
            &["stands twice"],
        ),
        ("weight: 90", "weight: 0", "22:30", &["1 to 1000"]),
        (
            "cookie.user",
            "query.user",
            "23:11",
            &["cannot keep a client", "cookie.NAME"],
        ),
        ("cookie.user", "cookie", "23:17", &["sticky:", "cookie.group"]),
        ("/u/{param.id}", "u/{param.id}", "24:12", &["rewrite:", "/"]),
        (
            "/u/{param.id}",
            "http://x/{param.id}",
            "24:12",
            &["a rewrite is a path", "the cluster decides the host"],
        ),
        (
            "/u/{param.id}",
            "/u/{param.nope}",
            "24:16",
            &["there is no parameter \"nope\""],
        ),
        (
            "/u/{param.id}",
            "/u/{param.id",
            "24:24",
            &["rewrite:", "expected `}`"],
        ),
        ("/u/{param.id}", "/u/a b", "24:16", &["rewrite:"]),
        (
            "cluster: d, percent: 5",
            "cluster: x, percent: 5",
            "25:22",
            &["mirror.cluster:", "there is no cluster \"x\""],
        ),
        ("percent: 5", "percent: 0", "25:34", &["more than 0, up to 100"]),
        ("percent: 5", "percent: 101", "25:34", &["more than 0, up to 100"]),
        (
            "- access:",
            "- acess:",
            "27:5",
            &[
                "there is no filter \"acess\"",
                "did you mean \"access\"?",
                "redirect",
            ],
        ),
        (
            "allow: [10.0.0.0/8]",
            "allow: [10.0.0.0/99]",
            "27:23",
            &["filters[0].access.allow[0]:", "10.0.0.0/99"],
        ),
        (
            "deny: [10.6.6.6/32]",
            "deni: [10.6.6.6/32]",
            "27:36",
            &["did you mean \"deny\"?"],
        ),
        (
            "{ allow: [10.0.0.0/8], deny: [10.6.6.6/32] }",
            "{}",
            "27:13",
            &["neither \"allow\" nor \"deny\""],
        ),
        (
            "{param.id}\" }, r",
            "{param.x}\" }, r",
            "28:39",
            &[
                "there is no parameter \"x\"",
                "filters[1].headers.request.set.x-a:",
            ],
        ),
        ("remove: [x-b]", "remove: [\"x b\"]", "28:64", &["no header name"]),
        ("remove: [x-b]", "remove: [host]", "28:64", &["set it instead"]),
        ("x-c: \"1\"", "content-length: \"1\"", "28:107", &["framing"]),
        (
            "  - headers:",
            "  - reply: { status: 99 }\n  - headers:",
            "28:22",
            &["200 to 599"],
        ),
        (
            "  - headers:",
            "  - redirect: { to: /x, status: 200 }\n  - headers:",
            "28:33",
            &["no redirect", "308"],
        ),
        (
            "  - headers:",
            "  - redirect: { status: 301 }\n  - headers:",
            "28:15",
            &["\"to\" is missing"],
        ),
        (
            "  - headers:",
            "  - { access: { allow: [::1] }, reply: {} }\n  - headers:",
            "28:5",
            &["one kind", "its own list item"],
        ),
        ("2100-12-31T00:00:00Z", "tomorrow", "29:12", &["expires:"]),
        (
            "  to: [{ cluster: c, weight: 90 }, { cluster: d, weight: 10 }]\n  sticky: cookie.user\n",
            "",
            "15:3",
            &["goes nowhere", "\"to\""],
        ),
        ("routes:\n", "rutes:\n", "14:1", &["did you mean \"routes\"?"]),
        ("routes:\n", "policies: []\nroutes:\n", "14:1", &["policies"]),
    ])
    .await;
}
