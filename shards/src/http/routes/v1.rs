//! The paths of `KServe`'s version 1.

use super::{Route, looked_at, posted, unknown};
use crate::api::Call;

/// Reads a method and what follows `/v1/models` in a path.
pub(super) fn route<'a>(method: &str, rest: &'a str) -> Route<'a> {
    let Some(path) = rest.strip_prefix('/') else {
        return if rest.is_empty() { looked_at(method, Call::ModelNames) } else { unknown(method) };
    };
    if path.contains('/') {
        return unknown(method);
    }
    match path.split_once(':') {
        Some((model, "predict")) if !model.is_empty() => posted(method, Call::Instances { model }),
        None if !path.is_empty() => looked_at(method, Call::InstancesReady { model: path }),
        _ => unknown(method),
    }
}

#[cfg(test)]
mod tests {
    use super::super::route;
    use super::{Call, Route};

    #[test]
    fn each_path_has_one_meaning() {
        for (method, path, expected) in [
            ("GET", "/v1/models", Route::Call(Call::ModelNames)),
            ("GET", "/v1/models/m", Route::Call(Call::InstancesReady { model: "m" })),
            ("POST", "/v1/models/m:predict", Route::Call(Call::Instances { model: "m" })),
            ("GET", "/v1/models/", Route::NotFound),
            ("GET", "/v1/modelsx", Route::NotFound),
            ("POST", "/v1/models/:predict", Route::NotFound),
            ("POST", "/v1/models/m:explain", Route::NotFound),
            ("POST", "/v1/models/m/x:predict", Route::NotFound),
            ("GET", "/v1/models/m:predict", Route::MethodNotAllowed { allow: "allow: POST\r\n" }),
            ("POST", "/openapi.json", Route::MethodNotAllowed { allow: "allow: GET, HEAD\r\n" }),
        ] {
            assert_eq!(route(method, path), expected, "{method} {path}");
        }
    }
}
