//! `PATCH /KIND/ID`: a JSON merge patch (RFC 7396).

use actix_web::{
    HttpRequest,
    web::{Data, Payload},
};
use meta::store::Operation;
use serde_json::{Map, Value as Json};

use super::{Answered, draft, hold, write::named, written};
use crate::{
    base::{Admin, shown},
    body::{MOST_OBJECT, read_json},
    finding::{Finding, Sent},
    media,
    order::Order,
    parameters,
    precondition::Preconditions,
    problem::{Code, Problem},
};

/// Changes the members that the patch names, and takes those away for which it says `null`.
pub(crate) async fn patch(admin: Data<Admin>, request: HttpRequest, payload: Payload) -> Answered {
    media::accept_json(&request)?;
    let (order, kind) = (Order::of(&request)?, parameters::kind(&request)?);
    let id = parameters::id(&request, "id")?;
    let preconditions = Preconditions::of(&request)?;
    let patch = read_json(&request, payload, MOST_OBJECT, media::MERGE_PATCH).await?;
    if !patch.is_object() {
        let error = Finding::at("", "a patch of an object is a JSON object");
        return Err(Problem::new(Code::Invalid, "the patch would not leave an object").because(vec![error]));
    }
    let outcome = admin.write(&order, |base| {
        let before = shown(base.get(kind, id.as_str())?);
        hold(base, &preconditions, kind, id.as_str())?;
        let mut object = before;
        merge(&mut object, &patch);
        let object = named(object, id.as_str())?;
        draft(
            base,
            Operation::Put { kind, object },
            Sent::Object(kind, id.to_string()),
        )
    });
    Ok(written(&outcome.await?, None))
}

/// RFC 7396 §2. As deep as the patch is, which is bounded.
fn merge(target: &mut Json, patch: &Json) {
    let Json::Object(members) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Json::Object(Map::new());
    }
    let Json::Object(object) = target else { return };
    for (name, value) in members {
        match value {
            Json::Null => drop(object.shift_remove(name)),
            _ => merge(object.entry(name.clone()).or_insert(Json::Null), value),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7396, appendix A.
    #[test]
    fn merging_is_as_the_standard_has_it() {
        for (mut target, patch, expected) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (
                json!({"a":{"b":"c"}}),
                json!({"a":{"b":"d","c":null}}),
                json!({"a":{"b":"d"}}),
            ),
            (json!({"a":[{"b":"c"}]}), json!({"a":[1]}), json!({"a":[1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a":"b"}), json!(["c"]), json!(["c"])),
            (json!({"a":"foo"}), json!(null), json!(null)),
            (json!({"a":"foo"}), json!("bar"), json!("bar")),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!([1, 2]), json!({"a":"b","c":null}), json!({"a":"b"})),
            (
                json!({}),
                json!({"a":{"bb":{"ccc":null}}}),
                json!({"a":{"bb":{}}}),
            ),
        ] {
            merge(&mut target, &patch);
            assert_eq!(target, expected, "{patch}");
        }
    }
}
