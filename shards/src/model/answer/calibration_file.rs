//! Reads `calibration.csv`: the curves of a calibration.
//!
//! A file has the columns `a,b` (one row a curve) or `x,y` (one row a knot, ascending), and before
//! them `member` and `class` where there is more than one curve.

use std::path::{Path, PathBuf};

use thiserror::Error;

use super::calibration::{CalibratedValues, CalibrationCurve, Calibrator};
use super::settings::{CALIBRATION_FILE, CalibrationMethod, ClassChoice, ScoreOutput};

/// How many rows a file may have.
const ROWS_MAX: usize = 1 << 20;

/// Why a calibration cannot be used.
#[derive(Debug, Error)]
pub enum CalibrationError {
    /// The file cannot be read as CSV.
    #[error("{}: {source}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: csv::Error,
    },
    /// The file has other columns than its method needs.
    #[error(
        "{}: its columns are {found}, expected {expected} for `calibration = \"{method}\"` in \
         model.toml, after `member` and `class` where there are several curves", path.display()
    )]
    Header {
        /// The file.
        path: PathBuf,
        /// Its header.
        found: String,
        /// What the method needs.
        expected: &'static str,
        /// The method.
        method: &'static str,
    },
    /// A line does not follow.
    #[error("{}:{line}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// What was found and what was expected.
        reason: String,
    },
    /// The curves are not those of the model's output.
    #[error("{}: {reason}", path.display())]
    Curves {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        reason: String,
    },
}

/// A curve's place: its member and class.
type CurvePlace = (usize, usize);

impl Calibrator {
    /// The calibrator of a version whose folder is `directory`, for rows of `width` values of which
    /// `score` is the score's; `labels` are those of the classes.
    pub(in crate::model) fn read(
        directory: &Path,
        method: CalibrationMethod,
        output: &ScoreOutput,
        (width, score): (usize, usize),
        labels: &[String],
    ) -> Result<Self, CalibrationError> {
        let path = directory.join(CALIBRATION_FILE);
        let curves = read_curves(&path, method)?;
        let refused = |reason| CalibrationError::Curves { path: path.clone(), reason };
        let classes = 1 + curves.iter().map(|((_, class), _)| *class).max().unwrap_or(0);
        let members = output.members.unwrap_or(1);
        let places = (0..members).flat_map(|member| (0..classes).map(move |class| (member, class)));
        if !places.clone().eq(curves.iter().map(|(place, _)| *place)) {
            let expected = members * classes;
            return Err(refused(format!(
                "it has {} curves, expected {expected}: {members} members of {classes} classes, \
                 in this order",
                curves.len()
            )));
        }
        let curves: Vec<_> = curves.into_iter().map(|(_, curve)| curve).collect();
        if output.members.is_none() && curves.len() == 1 {
            if width > 2 {
                return Err(refused(format!(
                    "it has one curve, the output has {width} classes: each needs its own"
                )));
            }
            let class = if width == 1 { 1 } else { score };
            return Ok(Self { curves, values: CalibratedValues::Score(score), score: class });
        }
        if width != curves.len() {
            let curves = curves.len();
            return Err(refused(format!("it has {curves} curves, the output has {width} columns")));
        }
        let (values, classes) = match classes {
            1 => (CalibratedValues::SecondOfTwo, 2),
            classes => (CalibratedValues::Classes(classes), classes),
        };
        let score = class_of(output, labels, classes).map_err(refused)?;
        Ok(Self { curves, values, score })
    }
}

/// The class whose probability is the score, where the output's columns are not the classes.
fn class_of(output: &ScoreOutput, labels: &[String], classes: usize) -> Result<usize, String> {
    match &output.class {
        None if classes == 2 => Ok(1),
        None => Err(format!("there are {classes} classes: name the score's by [output] class")),
        Some(ClassChoice::Index(index)) if *index < classes => Ok(*index),
        Some(ClassChoice::Index(index)) => {
            Err(format!("[output] class = {index}: there are {classes} classes, counted from 0"))
        }
        Some(ClassChoice::Label(label)) => {
            let place = labels.iter().position(|known| known == label);
            place.filter(|place| *place < classes).ok_or_else(|| {
                let known = labels.join(", ");
                format!("[output] class = \"{label}\": the labels are: {known}")
            })
        }
    }
}

fn read_curves(
    path: &Path,
    method: CalibrationMethod,
) -> Result<Vec<(CurvePlace, CalibrationCurve)>, CalibrationError> {
    let failed = |source| CalibrationError::Csv { path: path.to_owned(), source };
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(failed)?;
    let header = reader.headers().map_err(failed)?.clone();
    let (method, names, expected) = match method {
        CalibrationMethod::Sigmoid => ("sigmoid", ["a", "b"], "`a,b`"),
        CalibrationMethod::Isotonic => ("isotonic", ["x", "y"], "`x,y`"),
    };
    let column = |name: &str| header.iter().position(|found| found == name);
    let (Some(first), Some(second)) = (column(names[0]), column(names[1])) else {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(CalibrationError::Header { path: path.to_owned(), found, expected, method });
    };
    let (member, class) = (column("member"), column("class"));
    let mut curves: Vec<(CurvePlace, CalibrationCurve)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |reason| CalibrationError::Line { path: path.to_owned(), line, reason };
        if line > ROWS_MAX as u64 {
            return Err(wrong(format!("there are more than {ROWS_MAX} rows")));
        }
        let place = |column: Option<usize>| {
            let Some(text) = column.and_then(|column| record.get(column)) else { return Ok(0) };
            text.parse::<usize>()
                .map_err(|_| wrong(format!("found \"{text}\", expected a whole number from 0")))
        };
        let number = |column: usize| {
            let text = record.get(column).unwrap_or_default();
            let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
            number.ok_or_else(|| wrong(format!("found \"{text}\", expected a finite number")))
        };
        let place = (place(member)?, place(class)?);
        add(&mut curves, place, method == "sigmoid", (number(first)?, number(second)?))
            .map_err(wrong)?;
    }
    Ok(curves)
}

/// Adds a row to the curves, which stand one after the other.
fn add(
    curves: &mut Vec<(CurvePlace, CalibrationCurve)>,
    place: CurvePlace,
    is_sigmoid: bool,
    (first, second): (f64, f64),
) -> Result<(), String> {
    if !is_sigmoid && !(0.0..=1.0).contains(&second) {
        return Err(format!("`y` is {second}, expected a probability"));
    }
    match curves.last_mut() {
        Some((last, CalibrationCurve::Isotonic(knots))) if *last == place => {
            let (before, _) = knots[knots.len() - 1];
            if first < before {
                return Err(format!(
                    "the knot at {first} follows one at {before}: sort them by `x`"
                ));
            }
            knots.push((first, second));
            return Ok(());
        }
        Some((last, _)) if *last >= place => {
            let (member, class) = place;
            return Err(format!(
                "member {member}, class {class} follows member {}, class {}: expected one curve \
                 each, in ascending order",
                last.0, last.1
            ));
        }
        _ => {}
    }
    let curve = if is_sigmoid {
        CalibrationCurve::Sigmoid { a: first, b: second }
    } else {
        CalibrationCurve::Isotonic(vec![(first, second)])
    };
    curves.push((place, curve));
    Ok(())
}
