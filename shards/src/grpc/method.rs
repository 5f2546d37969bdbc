//! Which method a path is.

/// A method of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `ServerLive`.
    ServerLive,
    /// `ServerReady`.
    ServerReady,
    /// `ModelReady`.
    ModelReady,
    /// `ServerMetadata`.
    ServerMetadata,
    /// `ModelMetadata`.
    ModelMetadata,
    /// `ModelInfer`.
    Infer,
    /// `ModelStreamInfer`.
    InferStream,
    /// `ModelConfig`.
    ModelConfig,
    /// `ModelStatistics`.
    Statistics,
    /// `RepositoryIndex`.
    RepositoryIndex,
    /// `RepositoryModelLoad`.
    RepositoryLoad,
    /// `RepositoryModelUnload`.
    RepositoryUnload,
    /// `Predict`.
    Predict,
    /// `PredictStream`.
    PredictStream,
    /// `Check` of the health checks.
    HealthCheck,
    /// `Watch` of the health checks.
    HealthWatch,
    /// `ServerReflectionInfo`, of either version.
    Reflection,
}

/// The services, as paths begin with them.
pub(crate) const SERVICES: [&str; 5] = [
    "inference.GRPCInferenceService",
    "shardgate.v1.Prediction",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];

impl Method {
    /// The method of a path; `None` where there is none.
    pub(crate) fn named(path: &str) -> Option<Self> {
        let (service, method) = path.strip_prefix('/')?.split_once('/')?;
        Some(match (service, method) {
            ("inference.GRPCInferenceService", method) => match method {
                "ModelInfer" => Self::Infer,
                "ModelStreamInfer" => Self::InferStream,
                "ServerLive" => Self::ServerLive,
                "ServerReady" => Self::ServerReady,
                "ModelReady" => Self::ModelReady,
                "ServerMetadata" => Self::ServerMetadata,
                "ModelMetadata" => Self::ModelMetadata,
                "ModelConfig" => Self::ModelConfig,
                "ModelStatistics" => Self::Statistics,
                "RepositoryIndex" => Self::RepositoryIndex,
                "RepositoryModelLoad" => Self::RepositoryLoad,
                "RepositoryModelUnload" => Self::RepositoryUnload,
                _ => return None,
            },
            ("shardgate.v1.Prediction", "Predict") => Self::Predict,
            ("shardgate.v1.Prediction", "PredictStream") => Self::PredictStream,
            ("grpc.health.v1.Health", "Check") => Self::HealthCheck,
            ("grpc.health.v1.Health", "Watch") => Self::HealthWatch,
            (
                "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection",
                "ServerReflectionInfo",
            ) => Self::Reflection,
            _ => return None,
        })
    }

    /// What its calls are called in traces: the service and the method.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ServerLive => "inference.GRPCInferenceService/ServerLive",
            Self::ServerReady => "inference.GRPCInferenceService/ServerReady",
            Self::ModelReady => "inference.GRPCInferenceService/ModelReady",
            Self::ServerMetadata => "inference.GRPCInferenceService/ServerMetadata",
            Self::ModelMetadata => "inference.GRPCInferenceService/ModelMetadata",
            Self::Infer => "inference.GRPCInferenceService/ModelInfer",
            Self::InferStream => "inference.GRPCInferenceService/ModelStreamInfer",
            Self::ModelConfig => "inference.GRPCInferenceService/ModelConfig",
            Self::Statistics => "inference.GRPCInferenceService/ModelStatistics",
            Self::RepositoryIndex => "inference.GRPCInferenceService/RepositoryIndex",
            Self::RepositoryLoad => "inference.GRPCInferenceService/RepositoryModelLoad",
            Self::RepositoryUnload => "inference.GRPCInferenceService/RepositoryModelUnload",
            Self::Predict => "shardgate.v1.Prediction/Predict",
            Self::PredictStream => "shardgate.v1.Prediction/PredictStream",
            Self::HealthCheck => "grpc.health.v1.Health/Check",
            Self::HealthWatch => "grpc.health.v1.Health/Watch",
            Self::Reflection => "grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        }
    }

    /// Whether a client may send many messages, each of which is answered.
    pub(crate) fn is_stream(self) -> bool {
        matches!(self, Self::InferStream | Self::PredictStream | Self::Reflection)
    }

    /// Whether it is answered again whenever the answer changes.
    pub(crate) fn is_watch(self) -> bool {
        self == Self::HealthWatch
    }
}

#[cfg(test)]
mod tests {
    use super::{Method, SERVICES};

    #[test]
    fn each_path_has_one_meaning() {
        let infer = "/inference.GRPCInferenceService/ModelInfer";
        assert_eq!(Method::named(infer), Some(Method::Infer));
        assert_eq!(Method::named(&infer[1..]), None);
        assert_eq!(Method::named(infer).map(Method::name), Some(&infer[1..]));
        for service in SERVICES {
            for path in [format!("/{service}"), format!("/{service}/"), format!("/{service}/X/Y")] {
                assert_eq!(Method::named(&path), None, "{path}");
            }
        }
    }
}
