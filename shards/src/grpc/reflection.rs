//! gRPC's reflection: which services there are, and the files that describe them.
//!
//! A question reads the descriptions anew. It is asked by people with a tool, a few times.

use bytes::Bytes;
use prost::Message;

use super::messages::DESCRIPTORS;
use super::messages::reflection::server_reflection_request::MessageRequest;
use super::messages::reflection::server_reflection_response::MessageResponse;
use super::messages::reflection::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
    ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
};
use super::method::SERVICES;
use super::status::Code;

/// Files, each as its bytes.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// The names in a file.
#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Type>,
    #[prost(message, repeated, tag = "5")]
    enums: Vec<Named>,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Named>,
    #[prost(message, repeated, tag = "3")]
    types: Vec<Type>,
    #[prost(message, repeated, tag = "4")]
    enums: Vec<Named>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Named>,
}

/// The answer to a question.
pub(super) fn answer(question: &ServerReflectionRequest) -> Vec<u8> {
    let missing = |what: String| {
        let error_code = Code::NotFound as i32;
        MessageResponse::ErrorResponse(ErrorResponse { error_code, error_message: what })
    };
    let answer = match &question.message_request {
        Some(MessageRequest::ListServices(_)) => {
            let service = |name: &&str| ServiceResponse { name: (*name).to_owned() };
            let service = SERVICES.iter().map(service).collect();
            MessageResponse::ListServicesResponse(ListServiceResponse { service })
        }
        Some(MessageRequest::FileByFilename(name)) => {
            find(|file| file.name == *name).unwrap_or_else(|| missing(format!("no file `{name}`")))
        }
        Some(MessageRequest::FileContainingSymbol(symbol)) => find(|file| file.has(symbol))
            .unwrap_or_else(|| missing(format!("no symbol `{symbol}`"))),
        Some(MessageRequest::FileContainingExtension(extension)) => {
            missing(format!("no extension of `{}`", extension.containing_type))
        }
        Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
            match find(|file| file.has(name)) {
                None => missing(format!("no message `{name}`")),
                Some(_) => MessageResponse::AllExtensionNumbersResponse(ExtensionNumberResponse {
                    base_type_name: name.clone(),
                    extension_number: Vec::new(),
                }),
            }
        }
        None => MessageResponse::ErrorResponse(ErrorResponse {
            error_code: Code::InvalidArgument as i32,
            error_message: "the request asks for nothing".to_owned(),
        }),
    };
    ServerReflectionResponse {
        valid_host: question.host.clone(),
        original_request: Some(question.clone()),
        message_response: Some(answer),
    }
    .encode_to_vec()
}

/// The file that `is_it` holds for. None imports another.
fn find(is_it: impl Fn(&File) -> bool) -> Option<MessageResponse> {
    let files = Files::decode(DESCRIPTORS).ok()?.file;
    let found =
        files.into_iter().find(|file| File::decode(file.clone()).is_ok_and(|it| is_it(&it)));
    found.map(|file| {
        let file_descriptor_proto = vec![file];
        MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
    })
}

impl File {
    /// Whether it has this service, method, message, field or enumeration.
    fn has(&self, symbol: &str) -> bool {
        let Some(rest) = symbol.strip_prefix(&*self.package) else { return false };
        let Some(rest) = rest.strip_prefix('.') else { return false };
        let (first, inner) = rest.split_once('.').unwrap_or((rest, ""));
        self.messages.iter().any(|it| it.has(rest))
            || (inner.is_empty() && self.enums.iter().any(|it| it.name == first))
            || self.services.iter().any(|service| {
                let is_method = || service.methods.iter().any(|it| it.name == inner);
                service.name == first && (inner.is_empty() || is_method())
            })
    }
}

impl Type {
    fn has(&self, symbol: &str) -> bool {
        let (first, inner) = symbol.split_once('.').unwrap_or((symbol, ""));
        let is_inner = || {
            self.fields.iter().chain(&self.enums).any(|it| it.name == inner)
                || self.types.iter().any(|it| it.has(inner))
        };
        self.name == first && (inner.is_empty() || is_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::{File, Files};
    use crate::grpc::messages::DESCRIPTORS;
    use crate::grpc::method::{Method, SERVICES};
    use prost::Message;

    fn files() -> Vec<File> {
        let files = Files::decode(DESCRIPTORS).expect("files").file;
        files.into_iter().map(|file| File::decode(file).expect("a file")).collect()
    }

    #[test]
    fn what_is_described_is_what_is_served() {
        let mut services = Vec::new();
        for file in files() {
            for service in &file.services {
                let name = format!("{}.{}", file.package, service.name);
                for method in &service.methods {
                    let path = format!("/{name}/{}", method.name);
                    assert!(Method::named(&path).is_some(), "{path}");
                }
                services.push(name);
            }
        }
        services.sort_unstable();
        let mut known = SERVICES;
        known.sort_unstable();
        assert_eq!(services, known);
    }

    #[test]
    fn symbols_are_found_in_their_file_alone() {
        for (symbol, count) in [
            ("inference.ModelInferRequest", 1),
            ("inference.ModelInferRequest.InferInputTensor", 1),
            ("inference.ModelInferRequest.InferInputTensor.shape", 1),
            ("inference.GRPCInferenceService.ModelInfer", 1),
            ("inference.DataType", 1),
            ("grpc.health.v1.HealthCheckResponse.ServingStatus", 1),
            ("grpc.reflection.v1alpha.ServerReflection", 1),
            ("inference.Nothing", 0),
            ("inference", 0),
            ("", 0),
        ] {
            assert_eq!(files().iter().filter(|file| file.has(symbol)).count(), count, "{symbol}");
        }
    }
}
