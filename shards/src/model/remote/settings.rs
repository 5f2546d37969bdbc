//! Where a remote model is and what it expects, as `model.toml` says.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use thiserror::Error;

use crate::features::Precision;
use crate::model::manifest::{ClassChoice, ScoreOutput};

/// The `[remote]` table of `model.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RemoteSettings {
    /// The name of the tensor that takes the features.
    pub input: String,
    /// Its type.
    pub datatype: RemoteDatatype,
    /// How tensors are sent, and asked for.
    pub tensors: TensorForm,
    /// How long the server may take for a batch, in ms.
    pub timeout_ms: u64,
    /// The most connections of one shard, and so the most batches it has in flight there.
    #[serde(rename = "max_connections", alias = "connections_max")]
    pub connections_max: usize,
}

impl Default for RemoteSettings {
    fn default() -> Self {
        Self {
            input: "input".to_owned(),
            datatype: RemoteDatatype::default(),
            tensors: TensorForm::default(),
            timeout_ms: 1_000,
            connections_max: 8,
        }
    }
}

/// The type of the tensor that takes the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum RemoteDatatype {
    /// 32-bit floats.
    #[default]
    #[serde(rename = "FP32")]
    Fp32,
    /// 64-bit floats.
    #[serde(rename = "FP64")]
    Fp64,
}

/// How tensors are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TensorForm {
    /// As bytes behind the JSON: the binary-tensor extension.
    #[default]
    Binary,
    /// In the JSON, for servers without the extension; NaN is sent as null.
    Json,
}

/// The URL of a model: `http://HOST[:PORT]/v2/models/NAME[/versions/VERSION]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct RemoteUrl {
    /// The host's name or address; an IPv6 address is without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, without a slash at its end.
    pub path: String,
}

/// A text that is not the URL of a model.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "found `{0}`, expected http://HOST[:PORT]/v2/models/NAME[/versions/VERSION] \
     (TLS is for a proxy on this machine to speak)"
)]
pub struct NotAModelUrl(pub String);

impl FromStr for RemoteUrl {
    type Err = NotAModelUrl;

    fn from_str(text: &str) -> Result<Self, NotAModelUrl> {
        let refused = || NotAModelUrl(text.to_owned());
        let rest = text.strip_prefix("http://").ok_or_else(refused)?;
        let (authority, path) = rest.split_at(rest.find('/').ok_or_else(refused)?);
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or_else(refused)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| refused())?,
            None if port.is_empty() => 80,
            None => return Err(refused()),
        };
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        let is_model = path.split_once("/v2/models/").is_some_and(|(_, name)| !name.is_empty());
        if host.is_empty() || !is_plain(host) || !is_plain(path) || !is_model {
            return Err(refused());
        }
        if host.contains(['@', '?', '#']) || path.contains(['?', '#']) {
            return Err(refused());
        }
        let path = path.trim_end_matches('/').to_owned();
        Ok(Self { host: host.to_owned(), port, path })
    }
}

impl TryFrom<String> for RemoteUrl {
    type Error = NotAModelUrl;

    fn try_from(text: String) -> Result<Self, NotAModelUrl> {
        text.parse()
    }
}

impl RemoteUrl {
    /// The host and port, as the `Host` field says them.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "http://{}{}", self.authority(), self.path)
    }
}

/// A model that another server computes.
#[derive(Debug, Clone, PartialEq)]
pub struct RemoteModel {
    /// Where it is.
    pub url: RemoteUrl,
    /// What its server expects.
    pub settings: RemoteSettings,
    /// How many columns a row has.
    pub columns: usize,
    /// Which number of its outputs is the score.
    pub output: ScoreOutput,
}

impl RemoteModel {
    /// The type of the matrix that is sent.
    pub fn precision(&self) -> Precision {
        match self.settings.datatype {
            RemoteDatatype::Fp32 => Precision::F32,
            RemoteDatatype::Fp64 => Precision::F64,
        }
    }

    /// What the score is, for people.
    pub(crate) fn score(&self) -> String {
        let output = match &self.output.tensor {
            Some(tensor) => format!("output \"{tensor}\""),
            None => "the first output of floats".to_owned(),
        };
        match &self.output.class {
            Some(ClassChoice::Index(column)) => format!("column {column} of {output}"),
            Some(ClassChoice::Label(label)) => format!("class \"{label}\" of {output}"),
            None => output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RemoteUrl;

    #[test]
    fn a_url_is_read_or_refused_with_what_was_found() {
        let url: RemoteUrl = "http://host:8000/v2/models/x/versions/3/".parse().expect("a URL");
        assert_eq!((url.host.as_str(), url.port), ("host", 8_000));
        assert_eq!(url.to_string(), "http://host:8000/v2/models/x/versions/3");
        let url: RemoteUrl = "http://[::1]/prefix/v2/models/x".parse().expect("a URL");
        assert_eq!(url.to_string(), "http://[::1]:80/prefix/v2/models/x");
        for text in [
            "https://host/v2/models/x",
            "http://host",
            "http://host/v2/models/",
            "http://:80/v2/models/x",
            "http://host:x/v2/models/x",
            "http://[::1/v2/models/x",
            "http://a@host/v2/models/x",
            "http://host/v2/models/x?y",
            "http://host/v2/models/x y",
            "http://host/v2/models/x\r\nhost: y",
        ] {
            let error = text.parse::<RemoteUrl>().expect_err(text);
            assert!(error.to_string().contains(text));
        }
    }
}
