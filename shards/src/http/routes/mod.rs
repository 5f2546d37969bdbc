//! Which call a method and a path are on the serving port.

mod features;
mod oip;
mod v1;

pub use self::features::{feature_call, percent_decoded};
pub use self::oip::repository_call;
use crate::api::{Call, FeatureCall};

/// The meaning of a request's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// An endpoint is asked.
    Call(Call<'a>),
    /// No such path.
    NotFound,
    /// The path exists, for other methods.
    MethodNotAllowed {
        /// The `Allow` field's line.
        allow: &'static str,
    },
    /// A method that is not one of HTTP's.
    MethodUnknown,
}

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY"];

/// Reads a method and a path.
pub fn route<'a>(method: &str, path: &'a str) -> Route<'a> {
    if let Some(rest) = path.strip_prefix("/v2") {
        if let Some(call) = feature_call(method, rest) {
            return match call {
                Ok(call) => Route::Call(Call::WriteFeatures(call)),
                Err(allow) if METHODS.contains(&method) => Route::MethodNotAllowed { allow },
                Err(_) => Route::MethodUnknown,
            };
        }
        return match (oip::call(rest), method) {
            (None, _) => unknown(method),
            (Some(call), "GET" | "HEAD") if !oip::is_post(&call) => Route::Call(call),
            (Some(call), "POST") if oip::is_post(&call) => Route::Call(call),
            (Some(call), _) if METHODS.contains(&method) => Route::MethodNotAllowed {
                allow: if oip::is_post(&call) { "allow: POST\r\n" } else { "allow: GET, HEAD\r\n" },
            },
            (Some(_), _) => Route::MethodUnknown,
        };
    }
    if let Some(rest) = path.strip_prefix("/v1/models") {
        return v1::route(method, rest);
    }
    if path == "/openapi.json" {
        return looked_at(method, Call::OpenApi);
    }
    let model = match path.strip_prefix("/predict") {
        Some("") => None,
        Some(rest) => match rest.strip_prefix('/') {
            Some(name) if !name.is_empty() && !name.contains('/') => Some(name),
            _ => return unknown(method),
        },
        None => return unknown(method),
    };
    posted(method, Call::Predict { model })
}

/// A call that only looks at something.
fn looked_at<'a>(method: &str, call: Call<'a>) -> Route<'a> {
    match method {
        "GET" | "HEAD" => Route::Call(call),
        _ if METHODS.contains(&method) => Route::MethodNotAllowed { allow: "allow: GET, HEAD\r\n" },
        _ => Route::MethodUnknown,
    }
}

/// A call that has a body.
fn posted<'a>(method: &str, call: Call<'a>) -> Route<'a> {
    match method {
        "POST" => Route::Call(call),
        _ if METHODS.contains(&method) => Route::MethodNotAllowed { allow: "allow: POST\r\n" },
        _ => Route::MethodUnknown,
    }
}

/// The method and the path of a route, with no names of models in it: what requests of a kind are
/// called in traces.
pub(crate) fn route_name(route: &Route<'_>) -> &'static str {
    match route {
        Route::Call(call) => match call {
            Call::Predict { model: None } => "POST /predict",
            Call::Predict { model: Some(_) } => "POST /predict/{model}",
            Call::Infer(_) => "POST /v2/models/{model}/infer",
            Call::Instances { .. } => "POST /v1/models/{model}:predict",
            Call::InstancesReady { .. } => "GET /v1/models/{model}",
            Call::ModelNames => "GET /v1/models",
            Call::OpenApi => "GET /openapi.json",
            Call::ServerMetadata => "GET /v2",
            Call::ServerLive => "GET /v2/health/live",
            Call::ServerReady => "GET /v2/health/ready",
            Call::ModelMetadata(_) => "GET /v2/models/{model}",
            Call::ModelConfig(_) => "GET /v2/models/{model}/config",
            Call::ModelReady(_) => "GET /v2/models/{model}/ready",
            Call::Statistics => "GET /v2/models/stats",
            Call::ModelStatistics(_) => "GET /v2/models/{model}/stats",
            Call::Repository(_) => "POST /v2/repository",
            Call::WriteFeatures(FeatureCall { key: None, .. }) => "POST /v2/features/{entity}",
            Call::WriteFeatures(FeatureCall { is_removal: true, .. }) => {
                "DELETE /v2/features/{entity}/{key}"
            }
            Call::WriteFeatures(_) => "POST /v2/features/{entity}/{key}",
        },
        Route::NotFound | Route::MethodNotAllowed { .. } | Route::MethodUnknown => "HTTP",
    }
}

fn unknown(method: &str) -> Route<'static> {
    if METHODS.contains(&method) { Route::NotFound } else { Route::MethodUnknown }
}

#[cfg(test)]
mod tests {
    use super::{Call, Route, route};

    #[test]
    fn each_target_has_one_meaning() {
        let predict = |path| match route("POST", path) {
            Route::Call(call) => call,
            other => panic!("{other:?}"),
        };
        assert_eq!(predict("/predict"), Call::Predict { model: None });
        assert_eq!(predict("/predict/a-b"), Call::Predict { model: Some("a-b") });
        assert_eq!(route("GET", "/predict"), Route::MethodNotAllowed { allow: "allow: POST\r\n" });
        for path in ["/", "/predict/", "/predictx", "/predict/a/b", "*"] {
            assert_eq!(route("POST", path), Route::NotFound, "{path}");
        }
        assert_eq!(route("BREW", "/predict"), Route::MethodUnknown);
    }
}
