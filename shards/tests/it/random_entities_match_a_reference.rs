//! Random models of random entities join what a plain implementation of the documented rules does: a map
//! for each table, one row and one cell at a time.

use std::collections::HashMap;

use shards::features::entities::{Entity, EntityInput, entities_of};
use shards::features::inputs::{FeaturePolicies, InputColumn, OnExpired, OnMissing, Source};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::{FetchRequests, Fetched, Joined, Precision, StoreSource};
use shards::provenance::FeatureStatus::{self, Expired, Missing, Stored};

use crate::random::Random;
use crate::stores;

const MODELS: u64 = 1000;
/// How old rows may be, in seconds: some are older.
const MAX_AGE_S: u64 = 60;
const NAMES: [&str; 4] = ["user", "merchant", "device", "receiver"];

/// A table: its rows by key, each with the second at which it was written, and its cells.
struct Table {
    name: Option<&'static str>,
    key_parts: usize,
    columns: usize,
    rows: HashMap<Vec<u8>, (i64, Vec<Option<f32>>)>,
}

fn key(random: &mut Random, parts: usize) -> Vec<String> {
    let part = |random: &mut Random| {
        let digits = random.below(3);
        // Parts that a key without lengths would confuse.
        ["1", "11", "1:1"][digits as usize].to_owned()
    };
    (0..parts).map(|_| part(random)).collect()
}

fn joined_key(parts: &[String]) -> Vec<u8> {
    let parts: Vec<_> = parts.iter().map(String::as_bytes).collect();
    shards::features::composite::key_of_parts(&parts)
}

impl Table {
    fn random(random: &mut Random, name: Option<&'static str>) -> Self {
        let key_parts = if name.is_none() { 1 } else { 1 + random.below(2) as usize };
        let columns = 1 + random.below(4) as usize;
        let mut rows = HashMap::new();
        for _ in 0..=random.below(6) {
            let key = joined_key(&key(random, key_parts));
            let cell = |random: &mut Random| {
                (random.below(4) > 0).then(|| random.below(200) as f32 / 8.0 - 10.0)
            };
            let age_s = random.below(2 * MAX_AGE_S) as i64;
            let cells = (0..columns).map(|_| cell(random)).collect();
            rows.insert(key, (stores::WRITTEN_US / 1_000_000 - age_s, cells));
        }
        Self { name, key_parts, columns, rows }
    }

    fn csv(&self) -> String {
        let parts: Vec<_> = (0..self.key_parts).map(|at| format!("k{at}")).collect();
        let columns: Vec<_> = (0..self.columns).map(|at| format!("c{at}:float")).collect();
        let mut csv = format!("{},{},last_updated\n", parts.join(","), columns.join(","));
        for (key, (second, cells)) in &self.rows {
            let parts = if self.key_parts == 1 {
                String::from_utf8(key.clone()).unwrap()
            } else {
                // `1:1` and `3:1:1` are the parts that there are.
                let key = String::from_utf8(key.clone()).unwrap();
                let parts = ["1", "11", "1:1"];
                let found = parts.iter().flat_map(|one| parts.iter().map(move |two| (one, two)));
                let mut found = found
                    .filter(|(one, two)| format!("{}:{one}{}:{two}", one.len(), two.len()) == key);
                let (one, two) = found.next().unwrap();
                format!("{one},{two}")
            };
            let cells: Vec<_> = cells
                .iter()
                .map(|cell| cell.map_or(String::new(), |cell| cell.to_string()))
                .collect();
            let line = format!("{parts},{},{}\n", cells.join(","), second * 1000);
            csv.push_str(&line);
        }
        csv
    }
}

/// A model: its entities with the places of their tables, and its columns with those of entities.
struct Model {
    entities: Vec<(EntityInput, usize)>,
    columns: Vec<(InputColumn, Option<(usize, usize)>)>,
}

impl Model {
    fn random(random: &mut Random, tables: &[Table]) -> Self {
        let count = 1 + random.below(4) as usize;
        let mut entities = Vec::new();
        for name in &NAMES[..count] {
            // The receiver is the user in another role.
            let table = match *name {
                "user" | "receiver" => 0,
                _ => 1 + random.below(tables.len() as u64 - 1) as usize,
            };
            let key = (0..tables[table].key_parts).map(|at| format!("{name}_{at}")).collect();
            let mut entity = EntityInput {
                name: (*name).to_owned(),
                key,
                table: tables[table].name.map(str::to_owned),
                of: (*name == "receiver").then(|| "user".to_owned()),
                ..EntityInput::default()
            };
            entity.on_missing =
                [None, Some(OnMissing::Default), Some(OnMissing::Reject)][random.below(3) as usize];
            entity.on_expired =
                [None, Some(OnExpired::Use), Some(OnExpired::Default), Some(OnExpired::Reject)]
                    [random.below(4) as usize];
            entity.max_age_s = (random.below(2) > 0).then_some(MAX_AGE_S);
            entities.push((entity, table));
        }
        let columns = (0..=random.below(8)).map(|at| {
            let name = format!("m{at}");
            let default = random.below(100) as f64 - 50.0;
            if random.below(6) == 0 {
                let source = Source::Request;
                return (InputColumn { name, default, source, ..InputColumn::default() }, None);
            }
            let entity = random.below(entities.len() as u64) as usize;
            let (input, table) = &entities[entity];
            let stored = random.below(tables[*table].columns as u64) as usize;
            let column = InputColumn {
                name,
                default,
                column: Some(format!("c{stored}")),
                entity: (entity > 0 || random.below(2) > 0).then(|| input.name.clone()),
                range: (random.below(3) == 0).then_some((-5.0, 5.0)),
                ..InputColumn::default()
            };
            (column, Some((entity, stored)))
        });
        let columns = columns.collect();
        Self { entities, columns }
    }
}

/// What is expected of a row: the statuses of its entities, its cells, and whether it is refused.
#[derive(Debug, PartialEq)]
struct Row {
    statuses: Vec<FeatureStatus>,
    cells: Option<Vec<f64>>,
    defaulted: u32,
}

/// The documented rules, one cell at a time.
fn reference(
    model: &Model,
    bound: &[Entity],
    tables: &[Table],
    keys: &[Option<Vec<String>>],
    given: &[Option<f64>],
) -> Row {
    let now = stores::WRITTEN_US / 1_000_000;
    let (mut statuses, mut rows, mut refused) = (Vec::new(), Vec::new(), false);
    for ((entity, key), (_, table)) in bound.iter().zip(keys).zip(&model.entities) {
        let found = key.as_ref().and_then(|key| tables[*table].rows.get(&joined_key(key)));
        let policies = &entity.policies;
        let is_old = |second: i64| policies.max_age_s.is_some_and(|max| now - second > max as i64);
        let (status, row) = match found {
            None => {
                refused |= policies.on_missing == OnMissing::Reject;
                (Missing, None)
            }
            Some((second, cells)) if is_old(*second) => {
                refused |= policies.on_expired == OnExpired::Reject;
                (Expired, (policies.on_expired == OnExpired::Use).then_some(cells))
            }
            Some((_, cells)) => (Stored, Some(cells)),
        };
        statuses.push(status);
        rows.push(row);
    }
    let (mut given, mut defaulted) = (given.iter(), 0);
    let cells = model.columns.iter().map(|(column, source)| {
        let Some((entity, stored)) = source else {
            return given.next().unwrap().unwrap_or(column.default);
        };
        let Some(cells) = rows[*entity] else { return column.default };
        let is_within = |cell: &f32| {
            column.range.is_none_or(|(low, high)| (low..=high).contains(&f64::from(*cell)))
        };
        cells[*stored].filter(is_within).map_or_else(
            || {
                defaulted += 1;
                column.default
            },
            f64::from,
        )
    });
    let cells: Vec<_> = cells.collect();
    Row {
        statuses,
        defaulted: if refused { 0 } else { defaulted },
        cells: (!refused).then_some(cells),
    }
}

async fn run(seed: u64) {
    let random = &mut Random::new(seed);
    let tables = [None, Some("one"), Some("two")].map(|name| Table::random(random, name));
    let (folder, own) = stores::store_of(&tables[0].csv().replacen("k0", "user_id", 1));
    for table in &tables[1..] {
        let keys: Vec<_> = (0..table.key_parts).map(|at| format!("k{at}")).collect();
        stores::import_table(folder.path(), table.name.unwrap(), &keys, &table.csv());
    }
    let model = Model::random(random, &tables);
    let store = StoreSource::Embedded(own).open().await.unwrap();
    store.open_tables(["one", "two"]).await.unwrap();
    let declared: Vec<_> = model.entities.iter().map(|(entity, _)| entity.clone()).collect();
    let columns: Vec<_> = model.columns.iter().map(|(column, _)| column.clone()).collect();
    let bound = entities_of(&declared, &columns, &FeaturePolicies::default());
    let inputs = ModelInputs::Columns(&columns);
    let schema = store.schema().unwrap();
    let plan = JoinPlan::bind_entities(inputs, &bound, &schema, Precision::F64).unwrap();

    let mut requests = FetchRequests::new(plan.request_fields().len()).with_entities(bound.len());
    let mut expected = Vec::new();
    for _ in 0..=random.below(20) {
        let keys: Vec<_> = model
            .entities
            .iter()
            .map(|(_, table)| (random.below(8) > 0).then(|| key(random, tables[*table].key_parts)))
            .collect();
        let given: Vec<_> = plan
            .request_fields()
            .iter()
            .map(|_| (random.below(3) > 0).then(|| random.below(100) as f64))
            .collect();
        let cells: Vec<_> = given.iter().map(|cell| cell.unwrap_or(f64::NAN)).collect();
        requests.push(&keys[0].as_deref().map(joined_key).unwrap_or_default(), &cells);
        for (entity, key) in keys.iter().enumerate().skip(1) {
            let parts = key.iter().flatten().map(std::string::String::as_bytes);
            requests.push_key(entity, parts);
        }
        expected.push(reference(&model, &bound, &tables, &keys, &given));
    }
    let mut joined = Joined::new(&plan);
    let fetched = store.fetch(&plan, &requests, stores::WRITTEN_US, &mut joined).await;
    assert_eq!(fetched, Fetched::Joined);
    for (at, expected) in expected.into_iter().enumerate() {
        let outcome = &joined.outcomes[at];
        let refused = outcome.refusal.is_some();
        let found = Row {
            statuses: (0..bound.len()).map(|it| joined.outcome_of(it, at).status).collect(),
            cells: (!refused).then(|| stores::row(&joined, at)),
            defaulted: if refused { 0 } else { outcome.defaulted },
        };
        assert_eq!(found, expected, "seed {seed}, row {at}: {outcome:?}");
    }
}

#[test]
fn in_every_cell_and_status() {
    let executor = shards::executor::make("entities").unwrap();
    executor.run(async {
        for seed in 0..MODELS {
            run(seed).await;
        }
    });
}
