//! The description of the API: what the routes cannot say of themselves.

use limiter_api::Problem;
use limiter_api::problem::PROBLEM_JSON;
use utoipa::PartialSchema as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, Ref, RefOr, Required, Response, ResponseBuilder,
};

/// Name of the scheme by which callers are known.
const BEARER: &str = "bearer";

/// Completes what the routes say: names of operations, path parameters, problems and how callers are known.
pub(super) fn complete(document: &mut OpenApi) {
    document.info = InfoBuilder::new()
        .title("limiter")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some("Networks, instances, bandwidth plans and speed limit rules."))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.schemas.insert("Problem".to_owned(), Problem::schema());
    let scheme = SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build());
    components.add_security_scheme(BEARER, scheme);
    document.security = Some(vec![SecurityRequirement::new(BEARER, [""; 0])]);
    for (path, item) in &mut document.paths.paths {
        for operation in operations(item) {
            let tag = operation.tags.iter().flatten().next().cloned().unwrap_or_default();
            let name = operation.operation_id.take().unwrap_or_default();
            operation.operation_id = Some(format!("{tag}_{name}"));
            operation.responses.responses.insert("default".to_owned(), RefOr::T(problem()));
            if path.contains("{id}") {
                operation.parameters.get_or_insert_default().insert(0, RefOr::T(id()));
            }
        }
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch].into_iter().flatten()
}

/// Every operation may answer with a problem.
fn problem() -> Response {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    ResponseBuilder::new().description("refused; nothing was changed").content(PROBLEM_JSON, content).build()
}

fn id() -> Parameter {
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some("Its identity; accounts, users and nodes also by name."))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}
