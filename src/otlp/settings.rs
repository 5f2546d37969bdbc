//! The table `[otlp]` of the configuration file, and the environment variables of `OpenTelemetry` that
//! stand in for what it leaves out.

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};
use shards::spans::SpanSettings;

/// How many requests of a shard may wait for the thread that sends.
const WAITING_MAX: usize = 2_048;
/// Where a collector takes traces, below its address.
const TRACES: &str = "/v1/traces";

/// Where spans of requests are sent.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OtlpSettings {
    /// The collector, as `http://HOST:PORT`; without one nothing is recorded.
    pub(crate) endpoint: Option<String>,
    /// The share of the requests without a caller's span that is recorded, from 0 to 1.
    pub(crate) sample_ratio: f64,
    /// The name that the gateway goes by in traces.
    pub(crate) service_name: String,
    /// Header fields for the collector.
    #[serde(skip_serializing)]
    pub(crate) headers: BTreeMap<String, String>,
    /// How often spans are sent, in ms.
    pub(crate) interval_ms: u64,
    /// How long the collector may take to answer, in ms.
    pub(crate) timeout_ms: u64,
}

impl Default for OtlpSettings {
    fn default() -> Self {
        Self {
            endpoint: None,
            sample_ratio: 0.01,
            service_name: "shardgate".to_owned(),
            headers: BTreeMap::new(),
            interval_ms: 1_000,
            timeout_ms: 10_000,
        }
    }
}

impl OtlpSettings {
    /// Takes from the environment, by `variable`, what the file, which `said` these keys, leaves out.
    /// A collector that the environment names for all programs and that can't be used is left out;
    /// gives back what is to be said of that.
    pub(crate) fn fill(
        &mut self,
        said: impl Fn(&str) -> bool,
        variable: impl Fn(&str) -> Option<String>,
    ) -> anyhow::Result<Option<String>> {
        if self.endpoint.is_none() {
            let names = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
            let found = names.into_iter().find_map(|name| Some((name, variable(name)?)));
            let Some((name, endpoint)) = found else { return Ok(None) };
            self.endpoint = Some(endpoint);
            if let Err(error) = self.target() {
                self.endpoint = None;
                return Ok(Some(format!("{name}: {error}; no spans are sent")));
            }
        }
        if let Some(name) = variable("OTEL_SERVICE_NAME").filter(|_| !said("service_name")) {
            self.service_name = name;
        }
        if let Some(ratio) = variable("OTEL_TRACES_SAMPLER_ARG").filter(|_| !said("sample_ratio")) {
            let expected = "OTEL_TRACES_SAMPLER_ARG: expected a number from 0 to 1";
            self.sample_ratio = ratio.parse().context(expected)?;
        }
        if let Some(headers) = variable("OTEL_EXPORTER_OTLP_HEADERS").filter(|_| !said("headers")) {
            for pair in headers.split(',').filter(|pair| !pair.trim().is_empty()) {
                let expected = "OTEL_EXPORTER_OTLP_HEADERS: expected NAME=VALUE,…";
                let (name, value) = pair.split_once('=').context(expected)?;
                let value = percent_decoded(value.trim()).context(expected)?;
                self.headers.insert(name.trim().to_owned(), value);
            }
        }
        Ok(None)
    }

    /// Whether the values make sense, each with its key.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let ratio = self.sample_ratio;
        ensure!(
            (0.0..=1.0).contains(&ratio),
            "otlp.sample_ratio: found {ratio}, expected a number from 0 to 1"
        );
        for (name, value) in &self.headers {
            let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let fits = !name.is_empty()
                && name.bytes().all(is_token)
                && value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
            ensure!(fits, "otlp.headers: `{name}` is no header field, or its value none");
        }
        self.target().map(|_| ())
    }

    /// The collector's host, port and path; `None` where there is none.
    pub(super) fn target(&self) -> anyhow::Result<Option<Target>> {
        let Some(endpoint) = &self.endpoint else { return Ok(None) };
        let expected = "expected http://HOST:PORT: for an encrypted collector, run one beside the \
                        gateway that sends on";
        let rest = endpoint.strip_prefix("http://");
        let rest =
            rest.with_context(|| format!("otlp.endpoint: found `{endpoint}`, {expected}"))?;
        let (authority, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let is_visible = rest.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            is_visible && !authority.is_empty() && !authority.contains('@'),
            "otlp.endpoint: found `{endpoint}`, {expected}"
        );
        let has_port = authority.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty()
                && port.parse::<u16>().is_ok()
                && (!host.contains(':') || host.ends_with(']'))
        });
        let address = if has_port { authority.to_owned() } else { format!("{authority}:4318") };
        let path = path.trim_end_matches('/');
        let path = if path.ends_with(TRACES) { path.to_owned() } else { format!("{path}{TRACES}") };
        Ok(Some(Target { address, path }))
    }

    /// What shards are told.
    pub(crate) fn spans(&self) -> Option<SpanSettings> {
        let ratio = self.sample_ratio;
        self.endpoint.as_ref().map(|_| SpanSettings { ratio, waiting_max: WAITING_MAX })
    }
}

/// A value as the environment has it, where `%20` is a space; `None` where it is none.
fn percent_decoded(value: &str) -> Option<String> {
    let mut parts = value.split('%');
    let mut decoded = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        decoded.push(u8::from_str_radix(digits, 16).ok()?);
        decoded.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(decoded).ok()
}

/// Where spans are posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Host and port.
    pub(super) address: String,
    /// The path.
    pub(super) path: String,
}

#[cfg(test)]
mod tests {
    use super::OtlpSettings;

    fn at(endpoint: &str) -> OtlpSettings {
        OtlpSettings { endpoint: Some(endpoint.to_owned()), ..OtlpSettings::default() }
    }

    #[test]
    fn an_endpoint_is_read_as_opentelemetry_has_it() {
        for (endpoint, expected) in [
            ("http://collector", Some("collector:4318 /v1/traces")),
            ("http://collector:80/", Some("collector:80 /v1/traces")),
            ("http://[::1]:4318/otlp", Some("[::1]:4318 /otlp/v1/traces")),
            ("http://c:1/v1/traces", Some("c:1 /v1/traces")),
            ("https://c:1", None),
            ("c:4318", None),
            ("http://", None),
            ("http://user@c", None),
            ("http://c/ x", None),
        ] {
            let found = at(endpoint).target().ok().flatten();
            let found = found.map(|target| format!("{} {}", target.address, target.path));
            assert_eq!(found.as_deref(), expected, "{endpoint}");
        }
    }

    #[test]
    fn the_environment_fills_what_the_file_leaves_out() {
        let environment = |name: &str| match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("http://there".to_owned()),
            "OTEL_SERVICE_NAME" => Some("risk".to_owned()),
            "OTEL_TRACES_SAMPLER_ARG" => Some("0.5".to_owned()),
            "OTEL_EXPORTER_OTLP_HEADERS" => Some("a=b, authorization = Basic%20x%3D".to_owned()),
            _ => None,
        };
        let mut settings = OtlpSettings::default();
        settings.fill(|_| false, environment).expect("fits");
        assert_eq!(settings.endpoint.as_deref(), Some("http://there"));
        assert_eq!((settings.service_name.as_str(), settings.sample_ratio), ("risk", 0.5));
        assert_eq!(settings.headers["authorization"], "Basic x=");
        assert_eq!(settings.headers.len(), 2);
        let mut settings = at("http://here");
        settings.fill(|_| true, environment).expect("fits");
        assert_eq!(settings, at("http://here"));
        let mut off = OtlpSettings::default();
        off.fill(|_| false, |name| (name == "OTEL_SERVICE_NAME").then(|| "x".to_owned()))
            .expect("fits");
        assert_eq!(off, OtlpSettings::default());
        let bad =
            |name: &str| Some(if name.ends_with("ARG") { "x" } else { "http://c" }.to_owned());
        assert!(OtlpSettings::default().fill(|_| false, bad).is_err());
    }
}
