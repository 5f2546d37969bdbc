//! Times expressions: ten together over batches, each alone, and each for a lone row.

use std::time::Instant;

use anyhow::{Context, Result};
use shards::expression::{BLOCK_ROWS, Definition, Frame, Name, Program, Type, Value};

use crate::random::Random;

/// What is computed: of every kind of function that the language has.
const EXPRESSIONS: [(&str, &str); 10] = [
    ("amount_ratio", "amount / (avg_amount_30d + 1.0)"),
    ("hours_since_last", "hours_since(last_seen)"),
    ("is_abroad", "country != home ? 1 : 0"),
    ("log_amount", "log1p(amount)"),
    ("is_night", "hour_of_day(now()) < 6 && amount > 100.0"),
    ("velocity", "coalesce(count_1h, 0) * 24.0 / max(count_24h, 1)"),
    ("distance_km", "haversine_km(lat, lon, home_lat, home_lon)"),
    ("is_corporate", "lower(email).endsWith('.com') || contains(email, 'corp')"),
    ("channel", "channel in ['web', 'app', 'pos'] ? 1 : 2"),
    ("clipped", "min(max(amount_ratio, 0.0), 10.0) * (is_null(count_1h) ? 0.5 : 1.0)"),
];

const NAMES: [(&str, Type); 13] = [
    ("amount", Type::Double),
    ("avg_amount_30d", Type::Double),
    ("last_seen", Type::Timestamp),
    ("country", Type::Text),
    ("home", Type::Text),
    ("count_1h", Type::Int),
    ("count_24h", Type::Int),
    ("lat", Type::Double),
    ("lon", Type::Double),
    ("home_lat", Type::Double),
    ("home_lon", Type::Double),
    ("email", Type::Text),
    ("channel", Type::Text),
];

/// How long.
#[derive(Debug, clap::Args)]
pub(crate) struct ExpressionsArgs {
    /// Batches to time, five times over: the median counts.
    #[arg(long, default_value_t = 20_000)]
    batches: u32,
}

/// Prints ns a row.
pub(crate) fn run(args: &ExpressionsArgs) -> Result<()> {
    let all: Vec<_> = EXPRESSIONS.iter().collect();
    let ten = Timed::new(&all)?;
    println!("ns a row, values put in and read out among them");
    println!("{:<18}{:>12}{:>12}", "", "64 rows", "1 row");
    println!(
        "{:<18}{:>12.1}{:>12.1}",
        "all ten",
        ten.ns(64, args.batches),
        ten.ns(1, args.batches)
    );
    for expression in &EXPRESSIONS[..9] {
        let one = Timed::new(&[expression])?;
        let (batch, lone) = (one.ns(64, args.batches), one.ns(1, args.batches));
        println!("{:<18}{batch:>12.1}{lone:>12.1}", expression.0);
    }
    let last = Timed::new(&[&EXPRESSIONS[0], &EXPRESSIONS[9]])?;
    let (batch, lone) = (last.ns(64, args.batches), last.ns(1, args.batches));
    println!("{:<18}{batch:>12.1}{lone:>12.1}   with amount_ratio, which it reads", "clipped");
    Ok(())
}

struct Timed {
    program: Program,
    rows: Vec<Vec<Value<'static>>>,
}

impl Timed {
    fn new(expressions: &[&(&'static str, &'static str)]) -> Result<Self> {
        let names = NAMES.map(|(name, value_type)| Name { name: name.to_owned(), value_type });
        let definition = |(name, text): &&(&'static str, &'static str)| Definition {
            name,
            text,
            is_output: true,
        };
        let definitions: Vec<_> = expressions.iter().map(definition).collect();
        let program = Program::compile(&names, &definitions).context("an expression")?;
        let mut random = Random::new(3);
        let mut value = |name: &str| match name {
            "count_1h" if random.below(3) == 0 => Value::Null,
            "count_1h" | "count_24h" => Value::Int(random.below(40) as i64),
            "last_seen" => Value::Timestamp(1_769_862_600_000_000 + random.below(1 << 40) as i64),
            "country" | "home" => Value::Text(["DE", "AT", "FR"][random.below(3) as usize]),
            "email" => {
                Value::Text(["Anna.Muster@example.com", "b@corp.example"][random.below(2) as usize])
            }
            "channel" => Value::Text(["web", "atm", "pos", "app"][random.below(4) as usize]),
            "lat" | "home_lat" => Value::Double(random.unit() * 180.0 - 90.0),
            "lon" | "home_lon" => Value::Double(random.unit() * 360.0 - 180.0),
            _ => Value::Double(random.unit() * 500.0),
        };
        let inputs = program.inputs();
        let mut row = |_| inputs.iter().map(|port| value(&port.name)).collect();
        let rows = (0..BLOCK_ROWS).map(&mut row).collect();
        Ok(Self { program, rows })
    }

    /// The median of five runs.
    fn ns(&self, rows: usize, batches: u32) -> f64 {
        let mut frame = Frame::new(&self.program);
        let outputs = self.program.outputs().len();
        let mut runs = [0.0; 5];
        for run in &mut runs {
            let start = Instant::now();
            for batch in 0..batches {
                frame.begin(&self.program, rows);
                for row in 0..rows {
                    frame.set_clock(&self.program, row, 1_770_000_000_000_000 + i64::from(batch));
                    for (place, value) in self.rows[row].iter().enumerate() {
                        frame.set(&self.program, place, row, *value);
                    }
                }
                self.program.run(&mut frame);
                for output in 0..outputs {
                    for row in 0..rows {
                        std::hint::black_box(frame.get(&self.program, output, row));
                    }
                }
            }
            *run = start.elapsed().as_secs_f64() * 1e9 / f64::from(batches) / rows as f64;
        }
        runs.sort_by(f64::total_cmp);
        runs[2]
    }
}
