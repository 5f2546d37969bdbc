//! `shardgate explain`: why a user has a score, as a waterfall in the terminal.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use serde_json::{Map, Value, json};
use shards::batch::PreparedModel;
use shards::escape::escaped;
use shards::features::StoreSource;
use shards::features::address::StoreAddress;
use shards::features::embedded::EmbeddedStore;
use shards::features::entities::Entity;
use shards::features::import::shown_time;
use shards::features::schema::Schema;
use shards::model::LoadOptions;
use shards::model::repository::Repository;
use shards::shard::{InspectedColumn, InspectedEntity, InspectedRow, inspect};

use super::entity::key_of;
use super::store::{ClusterArguments, StorePlace};
use crate::output::say;

/// The length of the longest bar, in characters.
const BAR_MAX: usize = 24;

/// Say why a user has a score: what each column added to the margin of the average row.
///
/// The user's features come from the store, and those of the model's other entities, whose keys
/// `--fields` has; the rest comes from `--fields`, as a request to /predict gives them. It needs no
/// running gateway.
#[derive(Debug, Args)]
pub(crate) struct ExplainArguments {
    /// The user, or the entity that the model names first, its parts with commas between them; none
    /// for a model that reads no store. The keys of other entities are among --fields.
    key: Option<String>,
    /// The model.
    #[arg(long, env = "SHARDGATE_MODEL", value_name = "NAME", default_value = "credit-risk")]
    model: String,
    /// The model's version; the one that is served without it.
    #[arg(long)]
    version: Option<u64>,
    /// The model repository.
    #[arg(long, env = "SHARDGATE_MODELS", value_name = "DIR", default_value = "models")]
    models: PathBuf,
    /// The fields of the request, as JSON: `{"amount": 120}`.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    fields: String,
    /// How many columns are shown; the rest are summed up.
    #[arg(long, value_name = "COUNT", default_value_t = 16)]
    columns: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// The store that has the user's features: `embedded:DIR`, or
    /// `scylla://HOST:PORT[,HOST:PORT...]/KEYSPACE`.
    #[arg(long, env = "SHARDGATE_STORE")]
    store: Option<StoreAddress>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// Scores and explains the user, and prints the columns, the strongest first.
pub(crate) fn run(arguments: &ExplainArguments) -> anyhow::Result<ExitCode> {
    let mut body: Map<String, Value> =
        serde_json::from_str(&arguments.fields).context("--fields: expected a JSON object")?;
    let repository = Repository::new(&arguments.models);
    let mut directory = repository.find(&arguments.model, arguments.version)?;
    let (store, schema) = match (&arguments.key, &arguments.store) {
        (None, _) => (StoreSource::RequestsAlone, Schema::none()),
        (Some(_), None) => bail!("--store is needed: it has the features of the user"),
        (Some(key), Some(store)) => {
            name_first(&directory.manifest.entities(), key, &mut body)?;
            let place = arguments.cluster.place(store)?;
            let has_tables = directory.manifest.tables().next().is_some();
            let schema = match place.schema()? {
                Some(schema) => schema,
                // It may read other tables alone.
                None if has_tables => Schema::none(),
                None => bail!("{store}: no feature store here; `shardgate import` makes one"),
            };
            let source = source(place)?;
            let schema = source.with_tables(schema, directory.manifest.tables())?;
            (source, schema)
        }
    };
    // On this machine reasons are told, whatever model.toml says of requests.
    directory.manifest.explain.get_or_insert_default();
    let prepared = PreparedModel::load(&directory, LoadOptions::default(), &schema)?;
    let body = Value::Object(body).to_string();
    let executor = shards::executor::make("explain")
        .map_err(|error| anyhow!("the executor cannot be made: {error}"))?;
    let row = executor.run(inspect(&prepared, &store, body.as_bytes()))?;
    if arguments.json {
        say!("{}", object(&row));
        return Ok(ExitCode::SUCCESS);
    }
    let model = format!("{}/{}", directory.name, directory.version);
    for line in lines(&row, &model, arguments.key.as_deref(), arguments.columns) {
        say!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives the request the key of the entity that the model's rows are told by: the user of most.
fn name_first(entities: &[Entity], key: &str, body: &mut Map<String, Value>) -> anyhow::Result<()> {
    let Some(first) = entities.first() else { return Ok(()) };
    let parts: Vec<_> = if first.key.len() == 1 { vec![key] } else { key.split(',').collect() };
    // It has as many parts as there are fields, or that is said.
    key_of(first, key)?;
    for (field, part) in first.key.iter().zip(parts) {
        body.insert(field.clone(), part.into());
    }
    Ok(())
}

/// The store that a shard would open.
fn source(place: StorePlace) -> anyhow::Result<StoreSource> {
    Ok(match place {
        StorePlace::Folder(folder, table) => {
            StoreSource::Embedded(EmbeddedStore::open_or_create_table(&folder, table.as_ref())?)
        }
        StorePlace::Table(settings) => {
            let addresses = settings.resolve()?;
            StoreSource::Cql { settings: Arc::new(*settings), addresses }
        }
    })
}

/// The text of a cell.
fn value(column: &InspectedColumn) -> String {
    match &column.text {
        Some(text) => escaped(text).into_owned(),
        None if column.cell.is_nan() => "missing".to_owned(),
        None => column.cell.to_string(),
    }
}

/// The score with the digits that `/predict` gives it: the shortest that tell the model's own number.
fn shortest(row: &InspectedRow) -> f64 {
    if row.score_is_f32 {
        (row.score as f32).to_string().parse().unwrap_or(row.score)
    } else {
        row.score
    }
}

/// The columns, the strongest first; of those that pushed as hard the one that stands first.
fn by_strength(row: &InspectedRow) -> Vec<&InspectedColumn> {
    let mut columns: Vec<_> = row.columns.iter().collect();
    columns.sort_by(|one, other| other.contribution.abs().total_cmp(&one.contribution.abs()));
    columns
}

/// What is printed for people.
fn lines(row: &InspectedRow, model: &str, key: Option<&str>, shown_max: usize) -> Vec<String> {
    let mut head = format!("{}: score {}", escaped(model), shortest(row));
    if let Some(decision) = &row.decision {
        // Writing to a String cannot fail, here and below.
        let _ = write!(head, ", {}", escaped(decision));
    }
    if let Some(rule) = &row.rule {
        let _ = write!(head, " by rule `{}`", escaped(rule));
        if row.is_decided_before {
            head.push_str(" (before the model: a request gets no score)");
        }
    }
    if let Some(points) = row.points {
        let _ = write!(head, ", {points} points");
    }
    if let (Some(key), Some(features)) = (key, row.features) {
        let _ = write!(head, "; features of `{}` are {}", escaped(key), features.as_str());
    }
    for (at, entity) in row.entities.iter().enumerate() {
        let (before, name) = (if at == 0 { " (" } else { ", " }, escaped(&entity.name));
        let _ = write!(head, "{before}{name}: {}", entity.features.as_str());
        if let Some(us) = entity.last_updated_us {
            let _ = write!(head, " of {}", shown_time(us));
        }
    }
    if !row.entities.is_empty() {
        head.push(')');
    }
    let columns = by_strength(row);
    let (shown, rest) = columns.split_at(shown_max.min(columns.len()));
    let mut cells: Vec<[String; 2]> =
        shown.iter().map(|column| [escaped(&column.name).into_owned(), value(column)]).collect();
    let mut amounts: Vec<f64> = shown.iter().map(|column| column.contribution).collect();
    if !rest.is_empty() {
        cells.push([format!("{} others", rest.len()), String::new()]);
        amounts.push(rest.iter().map(|column| column.contribution).sum());
    }
    let width = |place: usize| {
        let widths = cells.iter().map(|cell| cell[place].chars().count());
        widths.max().unwrap_or(0)
    };
    let (names, values) = (width(0).max("average row".len()), width(1));
    let most = amounts.iter().fold(0.0_f64, |most, amount| most.max(amount.abs()));
    let mut lines = vec![head, String::new()];
    let line = |name: &str, value: &str, amount: f64, bar: &str| {
        let line = format!("{name:<names$}  {value:<values$}  {amount:>+10.4}  {bar}");
        line.trim_end().to_owned()
    };
    lines.push(line("average row", "", row.base, ""));
    for ([name, value], amount) in cells.iter().zip(&amounts) {
        lines.push(line(name, value, *amount, &bar(*amount, most)));
    }
    lines.push(line("margin", "", row.margin, ""));
    lines
}

/// A bar as long as the amount is large: of full blocks where it pushed the margin up, of light ones
/// where down.
fn bar(amount: f64, most: f64) -> String {
    let share = if most > 0.0 { amount.abs() / most } else { 0.0 };
    let length = (share * BAR_MAX as f64).round() as usize;
    if amount >= 0.0 { "█".repeat(length) } else { "░".repeat(length) }
}

fn object(row: &InspectedRow) -> Value {
    let column = |column: &InspectedColumn| {
        let value = column.text.as_ref().map_or_else(|| json!(column.cell), |text| json!(text));
        json!({"column": column.name, "value": value, "contribution": column.contribution})
    };
    let entity = |entity: &InspectedEntity| {
        let last_updated = entity.last_updated_us.map(shown_time);
        let features = entity.features.as_str();
        json!({"entity": entity.name, "features": features, "last_updated": last_updated})
    };
    json!({
        "score": shortest(row),
        "decision": row.decision,
        "rule": row.rule,
        "decided_before_model": row.is_decided_before,
        "points": row.points,
        "features": row.features.map(shards::provenance::FeatureStatus::as_str),
        "entities": row.entities.iter().map(entity).collect::<Vec<_>>(),
        "base": row.base,
        "margin": row.margin,
        "columns": row.columns.iter().map(column).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::{InspectedColumn, InspectedRow, lines};

    fn column(name: &str, contribution: f64) -> InspectedColumn {
        InspectedColumn { name: name.to_owned(), cell: 1.5, text: None, contribution }
    }

    #[test]
    fn a_waterfall_goes_from_the_average_row_to_the_margin() {
        let row = InspectedRow {
            score: 0.25,
            score_is_f32: true,
            decision: Some("approve".to_owned()),
            rule: None,
            is_decided_before: false,
            points: None,
            features: None,
            entities: Vec::new(),
            base: -1.0,
            margin: -0.5,
            columns: vec![column("age", 0.25), column("debt", -0.5), column("x", 0.75)],
        };
        assert_eq!(
            lines(&row, "risk/1", None, 2),
            [
                "risk/1: score 0.25, approve",
                "",
                "average row          -1.0000",
                "x            1.5     +0.7500  ████████████████████████",
                "debt         1.5     -0.5000  ░░░░░░░░░░░░░░░░",
                "1 others             +0.2500  ████████",
                "margin               -0.5000",
            ]
        );
    }
}
