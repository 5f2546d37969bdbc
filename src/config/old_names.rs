//! Keys that have a newer name: the old one is taken too, and a warning says the new one.

use toml::Table;

/// The table, or "" where there is none, the old key, and the one to write.
const OLD_NAMES: [(&str, &str, &str); 22] = [
    ("", "model_file_bytes_max", "max_model_file_bytes"),
    ("", "queue_rows_max", "max_queue_rows"),
    ("", "queue_us_max", "max_queue_delay_us"),
    ("", "refusal_percent_max", "max_refusal_percent"),
    ("batch", "compute_slice_us_max", "max_compute_slice_us"),
    ("http", "target_bytes_max", "max_target_bytes"),
    ("http", "head_bytes_max", "max_head_bytes"),
    ("http", "body_bytes_max", "max_body_bytes"),
    ("http", "array_rows_max", "max_array_rows"),
    ("http", "pipelined_requests_max", "max_pipelined_requests"),
    ("http", "connections_max", "max_connections"),
    ("http", "connections_per_address_max", "max_connections_per_address"),
    ("http", "buffered_bytes_max", "max_buffered_bytes"),
    ("http", "write_bytes_per_s_min", "min_write_bytes_per_s"),
    ("http", "drain_idle_ms", "drain_idle_timeout_ms"),
    ("http", "drain_ms_max", "drain_timeout_ms"),
    ("features.scylla", "group_keys_max", "max_group_keys"),
    ("features.scylla", "single_statements_max", "max_single_statements"),
    ("features.scylla.cache", "bytes_max", "max_bytes"),
    ("prediction_log", "file_bytes_max", "max_file_bytes"),
    ("prediction_log", "file_s_max", "max_file_age_s"),
    ("prediction_log", "buffer_bytes_max", "max_buffer_bytes"),
];

/// The table of a path like `features.scylla`, where the file has it.
fn table<'a>(file: &'a Table, path: &str) -> Option<&'a Table> {
    let mut parts = path.split('.').filter(|part| !part.is_empty());
    parts.try_fold(file, |table, part| table.get(part)?.as_table())
}

/// Whether the table at `path` has a key, by this name or by its old one.
pub(super) fn says(file: &Table, path: &str, key: &str) -> bool {
    let Some(found) = table(file, path) else { return false };
    let is_old = |(at, old, new): &(&str, &str, &str)| {
        *at == path && *new == key && found.contains_key(*old)
    };
    found.contains_key(key) || OLD_NAMES.iter().any(is_old)
}

/// One warning for each old key of the file.
pub(super) fn warnings(file: &Table) -> Vec<String> {
    let is_used = |(path, old, _): &&(&str, &str, &str)| {
        table(file, path).is_some_and(|table| table.contains_key(*old))
    };
    let said = OLD_NAMES.iter().filter(is_used).map(|(path, old, new)| {
        let at = if path.is_empty() { String::new() } else { format!("{path}.") };
        format!("{at}{old} is called {new} now")
    });
    said.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::settings::Settings;
    use super::{OLD_NAMES, says, warnings};

    #[test]
    fn an_old_name_is_taken_as_the_new_one_and_said() {
        for (path, old, new) in OLD_NAMES {
            let head = match path {
                "" => String::new(),
                "prediction_log" => "[prediction_log]\nfolder = \"x\"\n".to_owned(),
                path => format!("[{path}]\n"),
            };
            let read = |key: &str| {
                let text = format!("{head}{key} = 77\n");
                let settings: Settings = toml::from_str(&text).expect(&text);
                let shown = serde_json::to_value(settings).expect("JSON");
                let pointer = format!("/{}/{new}", path.replace('.', "/")).replace("//", "/");
                let file = text.parse().expect("TOML");
                assert!(says(&file, path, new) && !says(&file, path, "other"), "{key}");
                (shown.pointer(&pointer).cloned(), warnings(&file))
            };
            assert_eq!(read(new), (Some(Value::from(77)), Vec::new()), "{new}");
            let (found, said) = read(old);
            assert_eq!(found, Some(Value::from(77)), "{old}");
            assert!(
                matches!(&*said, [one] if one.ends_with(&format!("{old} is called {new} now")))
            );
        }
    }
}
