//! Which path has which methods, and what these take and give.

use meta::model::Kind;
use serde_json::{Map, Value as Json, json};

use super::operation::{Operation, operation, schema};
use crate::{
    media::{JSON, MERGE_PATCH, YAML},
    problem::Code,
    resource::{LIMIT, SORTS},
};

pub(super) fn paths() -> Json {
    let mut paths = Map::new();
    let mut add = |path: &str, operations: Vec<Operation>| {
        let operations = operations.into_iter().map(Operation::done).collect();
        paths.insert(path.to_owned(), Json::Object(operations));
    };
    for kind in Kind::ALL {
        add(&format!("/api/v1/{kind}"), vec![list(kind), create(kind)]);
        let object = vec![get(kind), put(kind), patch(kind), delete(kind)];
        add(&format!("/api/v1/{kind}/{{id}}"), object);
    }
    add(
        "/api/v1/clusters/{cluster}/servers/{server}",
        vec![bind(), unbind()],
    );
    add("/api/v1/transactions", vec![transact()]);
    add("/api/v1/config", vec![config(), put_config()]);
    add("/api/v1/check", vec![check()]);
    add("/api/v1/revisions", vec![revisions()]);
    add("/api/v1/revisions/{revision}", vec![revision()]);
    add("/api/v1/revisions/{revision}/diff", vec![diff()]);
    add("/api/v1/revisions/{revision}/rollback", vec![rollback()]);
    add("/openapi.json", vec![description()]);
    Json::Object(paths)
}

fn list(kind: Kind) -> Operation {
    let text = json!({ "type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\ufffd]*$" });
    let signed = SORTS
        .iter()
        .flat_map(|member| [(*member).to_owned(), format!("-{member}")]);
    let sorts: Vec<String> = signed.filter(|sort| sorts(kind, sort)).collect();
    operation(
        "get",
        &format!("list_{kind}"),
        &format!("The {kind}, page by page."),
    )
    .parameter(
        "q",
        "query",
        "A text in any value of the object; case does not count.",
        text.clone(),
    )
    .parameter(
        "tag",
        "query",
        "A tag that the object has. Several: it has all.",
        json!({ "type": "array", "items": text }),
    )
    .parameter(
        "sort",
        "query",
        "By what; `-` turns the order round.",
        json!({ "enum": sorts, "default": "id" }),
    )
    .parameter(
        "limit",
        "query",
        "How many items at most.",
        json!({ "type": "integer", "minimum": 1, "maximum": LIMIT.0, "default": LIMIT.1 }),
    )
    .parameter(
        "after",
        "query",
        "Where to go on: `next` of the page before. Sorted by id, any id.",
        json!({ "type": "string" }),
    )
    .answers(200, "One page.", &[], &[(JSON, schema("Page"))])
}

fn sorts(kind: Kind, sort: &str) -> bool {
    match sort.trim_start_matches('-') {
        "address" | "weight" => kind == Kind::Server,
        "priority" => matches!(kind, Kind::Route | Kind::Aggregation),
        _ => true,
    }
}

fn create(kind: Kind) -> Operation {
    let one = kind.singular();
    operation("post", &format!("create_{one}"), &format!("Adds a {one}."))
        .writes()
        .refuses(&[Code::Exists])
        .body(&[(JSON, schema(type_of(kind)))], true)
        .answers(201, "It is added.", &[REVISION, "Location", "ETag"], &outcome())
        .answers(200, "It would be added (`dry_run`).", &[REVISION], &outcome())
}

fn get(kind: Kind) -> Operation {
    let one = kind.singular();
    at_id(operation(
        "get",
        &format!("get_{one}"),
        &format!("A {one} as it is written."),
    ))
    .conditional()
    .answers(
        200,
        "The object.",
        &["ETag", REVISION],
        &[(JSON, schema("AnyObject"))],
    )
    .answers(304, "The client has it.", &["ETag", REVISION], &[])
}

fn put(kind: Kind) -> Operation {
    let one = kind.singular();
    let body = schema(&format!("{}AtPath", type_of(kind)));
    at_id(operation(
        "put",
        &format!("put_{one}"),
        &format!("Replaces a {one}, or adds it."),
    ))
    .conditional()
    .writes()
    .body(&[(JSON, body)], true)
    .answers(200, "It is as it was sent.", &[REVISION, "ETag"], &outcome())
    .answers(201, "It is added.", &[REVISION, "Location", "ETag"], &outcome())
}

fn patch(kind: Kind) -> Operation {
    let one = kind.singular();
    at_id(operation(
        "patch",
        &format!("patch_{one}"),
        &format!("Changes members of a {one}."),
    ))
    .describes("A JSON merge patch (RFC 7396). Pointers in problems are into the patched object.")
    .conditional()
    .writes()
    .body(&[(MERGE_PATCH, json!({ "type": "object" }))], true)
    .answers(200, "It is changed.", &[REVISION, "ETag"], &outcome())
}

fn delete(kind: Kind) -> Operation {
    let one = kind.singular();
    at_id(operation(
        "delete",
        &format!("delete_{one}"),
        &format!("Takes a {one} away that nothing uses."),
    ))
    .conditional()
    .writes()
    .answers(200, "It is gone.", &[REVISION], &outcome())
}

fn bind() -> Operation {
    membership(operation(
        "put",
        "bind_server",
        "Makes a server a member of a cluster.",
    ))
    .body(&[(JSON, schema("Membership"))], false)
    .answers(200, "It is a member.", &[REVISION, "ETag"], &outcome())
}

fn unbind() -> Operation {
    membership(operation(
        "delete",
        "unbind_server",
        "Ends the membership of a server in a cluster.",
    ))
    .answers(200, "It is no member.", &[REVISION, "ETag"], &outcome())
}

fn membership(operation: Operation) -> Operation {
    operation
        .describes("A membership is part of its cluster: `If-Match` speaks of the cluster.")
        .parameter("cluster", "path", "The id of the cluster.", schema("Id"))
        .parameter("server", "path", "The id of the server.", schema("Id"))
        .refuses(&[Code::NotFound])
        .conditional()
        .writes()
}

fn transact() -> Operation {
    operation("post", "transact", "Does several changes together, or none.")
        .describes("`If-Match` speaks of the whole configuration, as `GET /config` does.")
        .conditional()
        .writes()
        .body(&[(JSON, schema("Transaction"))], true)
        .answers(200, "All is done.", &[], &outcome())
}

fn config() -> Operation {
    operation(
        "get",
        "get_config",
        "The whole configuration, sorted by kind and id.",
    )
    .conditional()
    .answers(
        200,
        "It.",
        &["ETag", REVISION],
        &configuration("AnyConfiguration"),
    )
    .answers(304, "The client has it.", &["ETag", REVISION], &[])
}

fn put_config() -> Operation {
    operation(
        "put",
        "put_config",
        "Makes the configuration what is sent; what is not named is taken away.",
    )
    .describes("Comments of a YAML text are not kept.")
    .conditional()
    .writes()
    .body(&configuration("Configuration"), true)
    .answers(200, "It is as it was sent.", &[], &outcome())
}

fn check() -> Operation {
    operation("post", "check", "What is wrong with a configuration.")
        .describes("Whatever is sent is looked at; it has nothing to do with what is in the store, and nothing is written.")
        .body(&[JSON, YAML].map(|media| (media, json!({}))), true)
        .answers(
            200,
            "Everything that is wrong or odd.",
            &[],
            &[(JSON, schema("Verdict"))],
        )
}

fn revisions() -> Operation {
    operation("get", "list_revisions", "The states that are kept, newest first.").answers(
        200,
        "The states.",
        &[],
        &[(JSON, schema("Revisions"))],
    )
}

fn revision() -> Operation {
    at_revision(operation("get", "get_revision", "A state of the past.")).answers(
        200,
        "The state.",
        &[],
        &[(JSON, schema("Past"))],
    )
}

fn diff() -> Operation {
    at_revision(operation(
        "get",
        "diff_revisions",
        "What is different between two states.",
    ))
    .parameter(
        "to",
        "query",
        "The other one; the present one if absent.",
        json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
    )
    .answers(200, "The difference.", &[], &[(JSON, schema("Difference"))])
}

fn rollback() -> Operation {
    at_revision(operation(
        "post",
        "rollback",
        "Makes the configuration what it was.",
    ))
    .describes("That is a write like any other; the states in between stay in the history.")
    .conditional()
    .writes()
    .answers(200, "It is what it was.", &[], &outcome())
}

fn description() -> Operation {
    operation("get", "describe", "This description.").answers(
        200,
        "OpenAPI 3.1.",
        &[],
        &[(JSON, json!({ "type": "object" }))],
    )
}

fn at_id(operation: Operation) -> Operation {
    operation
        .parameter("id", "path", "The id of the object.", schema("Id"))
        .refuses(&[Code::NotFound])
}

fn at_revision(operation: Operation) -> Operation {
    operation
        .parameter(
            "revision",
            "path",
            "The number of the state.",
            json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX }),
        )
        .refuses(&[Code::NotFound, Code::Invalid])
}

const REVISION: &str = "X-Gateway-Revision";

fn outcome() -> [(&'static str, Json); 1] {
    [(JSON, schema("Outcome"))]
}

/// The forms of a whole configuration, of which `name` is the type.
fn configuration(name: &str) -> [(&'static str, Json); 2] {
    [JSON, YAML].map(|media| (media, schema(name)))
}

/// The name of the type of the objects of a kind.
pub(super) fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Server => "Server",
        Kind::Cluster => "Cluster",
        Kind::Route => "Route",
        Kind::Aggregation => "Aggregation",
    }
}
