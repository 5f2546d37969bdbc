//! Random models of two entities, whose columns are computed from stored cells, fields of the request and
//! each other, join what a plain implementation computes: one value at a time, null by null.

use shards::features::entities::{EntityInput, USER, entities_of};
use shards::features::expressions::{ExpressionSpec, RequestTexts, RequestValues};
use shards::features::inputs::{FeaturePolicies, InputColumn, NanMeaning, Source};
use shards::features::join::{JoinPlan, ModelInputs};
use shards::features::{FetchRequests, Fetched, Joined, Precision, StoreSource};

use crate::random::Random;
use crate::stores;

const MODELS: u64 = 1000;
const ENTITIES: [&str; 2] = [USER, "merchant"];
/// Rows and columns of each table.
const KEYS: u64 = 5;
const STORED: usize = 3;

/// An expression, as text and as what it means.
enum Node {
    Name(usize),
    Number(f64),
    Two(&'static str, Box<Self>, Box<Self>),
    Coalesce(Box<Self>, Box<Self>),
    /// `a < b ? c : d`
    Choice(&'static str, [Box<Self>; 4]),
    IsNull(Box<Self>, Box<Self>),
}

impl Node {
    fn random(random: &mut Random, names: usize, depth: u64) -> Self {
        if depth == 0 || random.below(5) == 0 {
            return match random.below(4) {
                0 => Self::Number(random.below(64) as f64 / 8.0 - 4.0),
                _ => Self::Name(random.below(names as u64) as usize),
            };
        }
        let mut part = || Box::new(Self::random(random, names, depth - 1));
        let (one, other, third, fourth) = (part(), part(), part(), part());
        match random.below(8) {
            0 => Self::Coalesce(one, other),
            1 => {
                let sign = ["<", "<=", "==", "!="][random.below(4) as usize];
                Self::Choice(sign, [one, other, third, fourth])
            }
            2 => Self::IsNull(one, other),
            _ => {
                let sign = ["+", "-", "*", "/", "min", "max"][random.below(6) as usize];
                Self::Two(sign, one, other)
            }
        }
    }

    fn text(&self, names: &[String]) -> String {
        match self {
            Self::Name(place) => names[*place].clone(),
            Self::Number(number) => format!("({number:?})"),
            Self::Two(sign, one, other) => {
                let [one, other] = [one, other].map(|it| it.text(names));
                match *sign {
                    "min" | "max" => format!("{sign}({one}, {other})"),
                    sign => format!("({one} {sign} {other})"),
                }
            }
            Self::Coalesce(one, other) => {
                format!("coalesce({}, {})", one.text(names), other.text(names))
            }
            Self::Choice(sign, parts) => {
                let [one, other, third, fourth] = parts.each_ref().map(|it| it.text(names));
                format!("({one} {sign} {other} ? {third} : {fourth})")
            }
            Self::IsNull(one, other) => {
                let [one, other] = [one, other].map(|it| it.text(names));
                format!("(is_null({one}) ? {other} : {one} + 1)")
            }
        }
    }

    fn value(&self, values: &[Option<f64>]) -> Option<f64> {
        let found = match self {
            Self::Name(place) => values[*place]?,
            Self::Number(number) => *number,
            Self::Two(sign, one, other) => {
                let (one, other) = (one.value(values)?, other.value(values)?);
                match *sign {
                    "+" => one + other,
                    "-" => one - other,
                    "*" => one * other,
                    "/" => one / other,
                    "min" => {
                        if other < one {
                            other
                        } else {
                            one
                        }
                    }
                    _ => {
                        if other > one {
                            other
                        } else {
                            one
                        }
                    }
                }
            }
            Self::Coalesce(one, other) => one.value(values).or_else(|| other.value(values))?,
            Self::Choice(sign, [one, other, third, fourth]) => {
                let (one, other) = (one.value(values)?, other.value(values)?);
                let holds = match *sign {
                    "<" => one < other,
                    "<=" => one <= other,
                    "==" => one == other,
                    _ => one != other,
                };
                if holds { third.value(values)? } else { fourth.value(values)? }
            }
            Self::IsNull(one, other) => match one.value(values) {
                None => other.value(values)?,
                Some(one) => one + 1.0,
            },
        };
        found.is_finite().then_some(found)
    }
}

/// What a row's plain cells are: by entity and key, null where it is empty.
type Table = Vec<[Option<f32>; STORED]>;

fn table(random: &mut Random) -> Table {
    let mut cell = |_| (random.below(4) > 0).then(|| random.below(160) as f32 / 8.0 - 10.0);
    (0..KEYS).map(|_| std::array::from_fn(&mut cell)).collect()
}

fn csv(table: &Table) -> String {
    let mut csv = "user_id,c0:float,c1:float,c2:float\n".to_owned();
    for (key, cells) in table.iter().enumerate() {
        let cells = cells.map(|cell| cell.map_or(String::new(), |cell| cell.to_string()));
        csv += &format!("k{key},{}\n", cells.join(","));
    }
    csv
}

/// Where a plain column or input has its values.
#[derive(Clone, Copy)]
enum Place {
    Stored { entity: usize, column: usize },
    Field,
}

struct Plain {
    column: InputColumn,
    place: Place,
    is_input: bool,
}

fn plain(random: &mut Random, at: usize) -> Plain {
    let place = match random.below(3) {
        0 => Place::Field,
        _ => Place::Stored {
            entity: random.below(2) as usize,
            column: random.below(STORED as u64) as usize,
        },
    };
    let has_default = random.below(3) == 0;
    let mut column = InputColumn {
        name: format!("p{at}"),
        has_default,
        default: if has_default { random.below(40) as f64 / 4.0 - 5.0 } else { 0.0 },
        ..InputColumn::default()
    };
    match place {
        Place::Field => column.source = Source::Request,
        Place::Stored { entity, column: stored } => {
            column.entity = (entity > 0).then(|| ENTITIES[entity].to_owned());
            column.column = Some(format!("c{stored}"));
            column.range = (random.below(4) == 0).then_some((-6.0, 6.0));
        }
    }
    Plain { column, place, is_input: random.below(2) == 0 }
}

impl Plain {
    /// What the store or the request say.
    fn found(&self, tables: &[Table], keys: [Option<usize>; 2], field: Option<f64>) -> Option<f64> {
        match self.place {
            Place::Field => field,
            Place::Stored { entity, column } => {
                let value = f64::from(tables[entity][keys[entity]?][column]?);
                let range = self.column.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
                (range.0 <= value && value <= range.1).then_some(value)
            }
        }
    }

    /// What expressions read.
    fn read(&self, found: Option<f64>) -> Option<f64> {
        found.or(self.column.has_default.then_some(self.column.default))
    }
}

async fn run(seed: u64) -> usize {
    let random = &mut Random::new(seed);
    let tables = [table(random), table(random)];
    let (folder, own) = stores::store_of(&csv(&tables[0]));
    let merchants = csv(&tables[1]);
    stores::import_table(folder.path(), "merchants", &["user_id".to_owned()], &merchants);
    let plains: Vec<_> = (0..2 + random.below(6) as usize).map(|at| plain(random, at)).collect();
    let mut names: Vec<_> = plains.iter().map(|it| it.column.name.clone()).collect();
    let mut computed = Vec::new();
    for at in 0..1 + random.below(10) as usize {
        let depth = 1 + random.below(4);
        let node = Node::random(random, names.len(), depth);
        let kinds = [NanMeaning::Default, NanMeaning::Missing, NanMeaning::Reject];
        let column = InputColumn {
            name: format!("e{at}"),
            expr: Some(node.text(&names)),
            source: Source::Expression,
            default: random.below(9) as f64,
            nan: kinds[[0, 0, 1, 1, 2][random.below(5) as usize]],
            range: (random.below(4) == 0).then_some((0.0, 9.0)),
            ..InputColumn::default()
        };
        names.push(column.name.clone());
        computed.push((column, node));
    }
    // Columns stand in any order: what is computed may stand before what it reads.
    let mut columns: Vec<InputColumn> = computed.iter().map(|(column, _)| column.clone()).collect();
    columns.extend(plains.iter().filter(|it| !it.is_input).map(|it| it.column.clone()));
    for place in (1..columns.len()).rev() {
        columns.swap(place, random.below(place as u64 + 1) as usize);
    }
    let inputs: Vec<_> =
        plains.iter().filter(|it| it.is_input).map(|it| it.column.clone()).collect();

    let merchant = EntityInput {
        name: ENTITIES[1].to_owned(),
        key: vec!["merchant_id".to_owned()],
        table: Some("merchants".to_owned()),
        ..EntityInput::default()
    };
    let user = EntityInput {
        name: USER.to_owned(),
        key: vec!["user_id".to_owned()],
        ..EntityInput::default()
    };
    let all = columns.iter().chain(&inputs);
    let bound = entities_of(&[user, merchant], all, &FeaturePolicies::default());
    let store = StoreSource::Embedded(own).open().await.unwrap();
    store.open_tables(["merchants"]).await.unwrap();
    let schema = store.schema().unwrap();
    let spec = ExpressionSpec { inputs: &inputs, ..ExpressionSpec::default() };
    let plan =
        JoinPlan::bind_entities(ModelInputs::Columns(&columns), &bound, &schema, Precision::F64);
    let plan = plan.and_then(|plan| plan.with_expressions(&spec));
    let plan = plan.unwrap_or_else(|error| panic!("seed {seed}: {error}"));

    let fields = plan.request_fields();
    let mut requests = FetchRequests::new(fields.len()).with_entities(bound.len());
    let (mut expected, mut given) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(90) {
        let keys: [Option<usize>; 2] =
            std::array::from_fn(|_| (random.below(6) > 0).then(|| random.below(KEYS) as usize));
        let cells: Vec<f64> =
            fields
                .iter()
                .map(|_| {
                    if random.below(4) == 0 {
                        f64::NAN
                    } else {
                        random.below(80) as f64 / 8.0 - 3.0
                    }
                })
                .collect();
        let name = |key: Option<usize>| key.map_or("nobody".to_owned(), |key| format!("k{key}"));
        requests.push(name(keys[0]).as_bytes(), &cells);
        requests.push_key(1, std::iter::once(name(keys[1]).as_bytes()));
        let of_field = |name: &str| {
            let place = fields.iter().position(|field| field.name == name)?;
            Some(cells[place]).filter(|cell| !cell.is_nan())
        };
        let found: Vec<_> =
            plains.iter().map(|it| it.found(&tables, keys, of_field(&it.column.name))).collect();
        let mut values: Vec<_> =
            plains.iter().zip(&found).map(|(it, found)| it.read(*found)).collect();
        for (_, node) in &computed {
            values.push(node.value(&values));
        }
        expected.push((found, values));
        given.push(cells);
    }
    let mut joined = Joined::new(&plan);
    let fetched = store.fetch(&plan, &requests, stores::WRITTEN_US, &mut joined).await;
    assert_eq!(fetched, Fetched::Joined);
    let texts = RequestTexts::default();
    plan.compute(&mut joined, |row| RequestValues {
        cells: &given[row],
        texts: &texts,
        are_columns: false,
        arrived_us: 0,
    });
    let mut compared = 0;
    for (row, (found, values)) in expected.iter().enumerate() {
        let of_computed = computed.iter().enumerate().map(|(at, (column, _))| {
            let (low, high) = column.range.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
            let value = values[plains.len() + at].filter(|value| low <= *value && *value <= high);
            let cell = value.or(match column.nan {
                NanMeaning::Default => Some(column.default),
                NanMeaning::Missing => Some(f64::NAN),
                NanMeaning::Reject => None,
            });
            (column.name.as_str(), cell)
        });
        let mut cells: Vec<_> = of_computed.collect();
        cells.extend(
            plains
                .iter()
                .zip(found)
                .filter(|(it, _)| !it.is_input)
                .map(|(it, found)| (it.column.name.as_str(), found.or(Some(it.column.default)))),
        );
        let is_refused = cells.iter().any(|(_, cell)| cell.is_none());
        assert_eq!(joined.outcomes[row].refusal.is_some(), is_refused, "seed {seed}, row {row}");
        if is_refused {
            continue;
        }
        for (name, cell) in cells {
            let place = columns.iter().position(|column| column.name == name).unwrap();
            let (found, expected) = (joined.matrix.get(row, place), cell.unwrap());
            let is_same =
                found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan());
            assert!(is_same, "seed {seed}, row {row}, `{name}`: {found} {expected}\n{columns:?}");
            compared += 1;
        }
    }
    compared
}

#[test]
fn in_every_cell() {
    let executor = shards::executor::make("expressions").unwrap();
    executor.run(async {
        let mut compared = 0;
        for seed in 0..MODELS {
            compared += run(seed).await;
        }
        assert!(compared > 100_000, "{compared} cells");
    });
}
