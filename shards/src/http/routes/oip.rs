//! The paths of the Open Inference Protocol.

use crate::api::{Call, ModelName, RepositoryCall};

/// The call that a path asks for, by what follows `/v2` in it; `None` where there is none.
pub(super) fn call(rest: &str) -> Option<Call<'_>> {
    if rest.is_empty() {
        return Some(Call::ServerMetadata);
    }
    match rest.strip_prefix('/')? {
        "" => Some(Call::ServerMetadata),
        "health/live" => Some(Call::ServerLive),
        "health/ready" => Some(Call::ServerReady),
        "models/stats" => Some(Call::Statistics),
        other => match other.split_once('/')? {
            ("models", model) => model_call(model),
            ("repository", _) => repository_call(rest).map(Call::Repository),
            _ => None,
        },
    }
}

/// `NAME[/versions/VERSION][/…]`.
fn model_call(path: &str) -> Option<Call<'_>> {
    let mut parts = path.split('/');
    let name = parts.next().filter(|name| !name.is_empty())?;
    let mut next = parts.next();
    let mut version = None;
    if next == Some("versions") {
        version = Some(parts.next().filter(|version| !version.is_empty())?);
        next = parts.next();
    }
    let model = ModelName { name, version };
    let call = match next {
        None => Call::ModelMetadata(model),
        Some("ready") => Call::ModelReady(model),
        Some("stats") => Call::ModelStatistics(model),
        Some("config") => Call::ModelConfig(model),
        Some("infer") => Call::Infer(model),
        Some(_) => return None,
    };
    parts.next().is_none().then_some(call)
}

/// The call of the model repository that a path asks for, by what follows `/v2` in it; `None` where
/// there is none.
pub fn repository_call(rest: &str) -> Option<RepositoryCall<&str>> {
    match rest.strip_prefix("/repository/")? {
        "index" => Some(RepositoryCall::Index),
        other => match other.strip_prefix("models/")?.split_once('/')? {
            ("", _) => None,
            (name, "load") => Some(RepositoryCall::Load { name }),
            (name, "unload") => Some(RepositoryCall::Unload { name }),
            _ => None,
        },
    }
}

/// Whether it is asked for with POST; the others take GET.
pub(super) fn is_post(call: &Call<'_>) -> bool {
    matches!(call, Call::Repository(_) | Call::Infer(_))
}

#[cfg(test)]
mod tests {
    use super::{Call, ModelName, RepositoryCall, call};

    #[test]
    fn each_path_has_one_meaning() {
        let model = |version| ModelName { name: "m", version };
        let load = RepositoryCall::Load { name: "m" };
        let unload = RepositoryCall::Unload { name: "m" };
        for (rest, expected) in [
            ("", Call::ServerMetadata),
            ("/", Call::ServerMetadata),
            ("/health/live", Call::ServerLive),
            ("/health/ready", Call::ServerReady),
            ("/models/stats", Call::Statistics),
            ("/models/m", Call::ModelMetadata(model(None))),
            ("/models/m/infer", Call::Infer(model(None))),
            ("/models/m/stats", Call::ModelStatistics(model(None))),
            ("/models/m/versions/2", Call::ModelMetadata(model(Some("2")))),
            ("/models/m/versions/2/ready", Call::ModelReady(model(Some("2")))),
            ("/models/m/versions/x/config", Call::ModelConfig(model(Some("x")))),
            ("/repository/index", Call::Repository(RepositoryCall::Index)),
            ("/repository/models/m/load", Call::Repository(load)),
            ("/repository/models/m/unload", Call::Repository(unload)),
        ] {
            assert_eq!(call(rest), Some(expected), "{rest}");
        }
        for rest in ["x", "/models", "/models/", "/models/m/", "/models/m/x", "/models/m/infer/"] {
            assert_eq!(call(rest), None, "{rest}");
        }
        assert_eq!(call("/models/m/versions//infer"), None);
        for rest in ["/repository", "/repository/", "/repository/models/m", "/repository/index/"] {
            assert_eq!(call(rest), None, "{rest}");
        }
        assert_eq!(call("/repository/models//load"), None);
    }
}
