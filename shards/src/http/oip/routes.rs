//! The paths of the Open Inference Protocol.

/// What a path below `/v2` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OipRoute<'a> {
    /// `/v2`: what the server is.
    Server,
    /// `/v2/health/live`: whether it runs.
    Live,
    /// `/v2/health/ready`: whether it takes requests.
    Ready,
    /// `/v2/models/stats`: what every model has done.
    Statistics,
    /// `/v2/models/NAME[/versions/VERSION][/…]`.
    Model {
        /// The model's name.
        name: &'a str,
        /// The version, as it is spelled in the path.
        version: Option<&'a str>,
        /// What is asked of it.
        action: ModelAction,
    },
    /// `/v2/repository/…`: which models are served, which the process says and changes.
    Repository(RepositoryRoute<'a>),
}

/// What is asked of the model repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RepositoryRoute<'a> {
    /// `/v2/repository/index`: which models and versions there are, and which are served.
    Index,
    /// `/v2/repository/models/NAME/load`: serve the model as it is on disk now.
    Load {
        /// The model's name.
        name: &'a str,
    },
    /// `/v2/repository/models/NAME/unload`: serve the model no more.
    Unload {
        /// The model's name.
        name: &'a str,
    },
}

impl<'a> RepositoryRoute<'a> {
    /// The route of what follows `/v2` in a path; `None` where it is none of the repository's.
    pub fn of(rest: &'a str) -> Option<Self> {
        match rest.strip_prefix("/repository/")? {
            "index" => Some(Self::Index),
            other => match other.strip_prefix("models/")?.split_once('/')? {
                ("", _) => None,
                (name, "load") => Some(Self::Load { name }),
                (name, "unload") => Some(Self::Unload { name }),
                _ => None,
            },
        }
    }
}

/// What is asked of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelAction {
    /// What it reads and gives.
    Metadata,
    /// Whether it takes requests.
    Ready,
    /// What it has done.
    Statistics,
    /// How it is served.
    Config,
    /// Scores.
    Infer,
}

impl<'a> OipRoute<'a> {
    /// The route of what follows `/v2` in a path; `None` where there is none.
    pub fn of(rest: &'a str) -> Option<Self> {
        if rest.is_empty() {
            return Some(Self::Server);
        }
        match rest.strip_prefix('/')? {
            "" => Some(Self::Server),
            "health/live" => Some(Self::Live),
            "health/ready" => Some(Self::Ready),
            "models/stats" => Some(Self::Statistics),
            other => match other.split_once('/')? {
                ("models", model) => Self::of_model(model),
                ("repository", _) => RepositoryRoute::of(rest).map(Self::Repository),
                _ => None,
            },
        }
    }

    fn of_model(path: &'a str) -> Option<Self> {
        let mut parts = path.split('/');
        let name = parts.next().filter(|name| !name.is_empty())?;
        let mut next = parts.next();
        let mut version = None;
        if next == Some("versions") {
            version = Some(parts.next().filter(|version| !version.is_empty())?);
            next = parts.next();
        }
        let action = match next {
            None => ModelAction::Metadata,
            Some("ready") => ModelAction::Ready,
            Some("stats") => ModelAction::Statistics,
            Some("config") => ModelAction::Config,
            Some("infer") => ModelAction::Infer,
            Some(_) => return None,
        };
        parts.next().is_none().then_some(Self::Model { name, version, action })
    }

    /// Whether it is asked for with POST; the others take GET.
    pub fn is_post(&self) -> bool {
        matches!(self, Self::Repository(_) | Self::Model { action: ModelAction::Infer, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::{ModelAction, OipRoute, RepositoryRoute};

    #[test]
    fn each_path_has_one_meaning() {
        let model = |version, action| Some(OipRoute::Model { name: "m", version, action });
        for (rest, route) in [
            ("", Some(OipRoute::Server)),
            ("/", Some(OipRoute::Server)),
            ("/health/live", Some(OipRoute::Live)),
            ("/health/ready", Some(OipRoute::Ready)),
            ("/models/stats", Some(OipRoute::Statistics)),
            ("/models/m", model(None, ModelAction::Metadata)),
            ("/models/m/infer", model(None, ModelAction::Infer)),
            ("/models/m/versions/2", model(Some("2"), ModelAction::Metadata)),
            ("/models/m/versions/2/ready", model(Some("2"), ModelAction::Ready)),
            ("/models/m/versions/x/config", model(Some("x"), ModelAction::Config)),
            ("/repository/index", Some(OipRoute::Repository(RepositoryRoute::Index))),
            (
                "/repository/models/m/load",
                Some(OipRoute::Repository(RepositoryRoute::Load { name: "m" })),
            ),
            (
                "/repository/models/m/unload",
                Some(OipRoute::Repository(RepositoryRoute::Unload { name: "m" })),
            ),
        ] {
            assert_eq!(OipRoute::of(rest), route, "{rest}");
        }
        for rest in ["x", "/models", "/models/", "/models/m/", "/models/m/x", "/models/m/infer/"] {
            assert_eq!(OipRoute::of(rest), None, "{rest}");
        }
        assert_eq!(OipRoute::of("/models/m/versions//infer"), None);
        for rest in ["/repository", "/repository/", "/repository/models/m", "/repository/index/"] {
            assert_eq!(OipRoute::of(rest), None, "{rest}");
        }
        assert_eq!(OipRoute::of("/repository/models//load"), None);
    }
}
