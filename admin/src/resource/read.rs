//! `GET /KIND/ID`: the object as it is written.

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{Answered, REVISION, presented};
use crate::{
    base::Admin,
    media, parameters,
    precondition::{self, Preconditions},
};

pub(crate) async fn get(admin: Data<Admin>, request: HttpRequest) -> Answered {
    media::accept_json(&request)?;
    parameters::none(&request)?;
    let (kind, id) = (parameters::kind(&request)?, parameters::id(&request, "id")?);
    let preconditions = Preconditions::of(&request)?;
    let base = admin.base().await?;
    let (body, tag) = presented(base.get(kind, id.as_str())?);
    let not_modified = preconditions.has(&tag)?;
    let mut answer = match not_modified {
        true => HttpResponse::NotModified(),
        false => HttpResponse::Ok(),
    };
    answer.insert_header(precondition::header(tag));
    answer.insert_header((REVISION, base.revision().to_string()));
    Ok(match not_modified {
        true => answer.finish(),
        false => answer.content_type(media::JSON).body(body),
    })
}
