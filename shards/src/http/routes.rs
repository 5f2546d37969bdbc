//! What a method and a path mean on the serving port.

use super::oip::OipRoute;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route<'a> {
    /// Score rows with a model, or with the default one.
    Predict {
        /// The model's name, where the path has one.
        model: Option<&'a str>,
    },
    /// The Open Inference Protocol.
    Oip(OipRoute<'a>),
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

const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];

/// Reads a method and a path.
pub fn route<'a>(method: &str, path: &'a str) -> Route<'a> {
    if let Some(rest) = path.strip_prefix("/v2") {
        return match (OipRoute::of(rest), method) {
            (None, _) => unknown(method),
            (Some(route), "GET" | "HEAD") if !route.is_post() => Route::Oip(route),
            (Some(route), "POST") if route.is_post() => Route::Oip(route),
            (Some(route), _) if METHODS.contains(&method) => Route::MethodNotAllowed {
                allow: if route.is_post() { "allow: POST\r\n" } else { "allow: GET, HEAD\r\n" },
            },
            (Some(_), _) => Route::MethodUnknown,
        };
    }
    let model = match path.strip_prefix("/predict") {
        Some("") => None,
        Some(rest) => match rest.strip_prefix('/') {
            Some(name) if !name.is_empty() && !name.contains('/') => Some(name),
            _ => return unknown(method),
        },
        None => return unknown(method),
    };
    match method {
        "POST" => Route::Predict { model },
        _ if METHODS.contains(&method) => Route::MethodNotAllowed { allow: "allow: POST\r\n" },
        _ => Route::MethodUnknown,
    }
}

fn unknown(method: &str) -> Route<'static> {
    if METHODS.contains(&method) { Route::NotFound } else { Route::MethodUnknown }
}

#[cfg(test)]
mod tests {
    use super::{Route, route};

    #[test]
    fn each_target_has_one_meaning() {
        assert_eq!(route("POST", "/predict"), Route::Predict { model: None });
        assert_eq!(route("POST", "/predict/a-b"), Route::Predict { model: Some("a-b") });
        assert_eq!(route("GET", "/predict"), Route::MethodNotAllowed { allow: "allow: POST\r\n" });
        for path in ["/", "/predict/", "/predictx", "/predict/a/b", "*"] {
            assert_eq!(route("POST", path), Route::NotFound, "{path}");
        }
        assert_eq!(route("BREW", "/predict"), Route::MethodUnknown);
    }
}
