//! Which outputs a library's own sums make: predictions or margins.

use super::attributes::{Aggregate, PostTransform};
use super::finish::{Column, Finish};
use crate::model::forest::{Curve, Joint, Objective};

/// The outputs of a model, each made of one sum or of all of them.
#[derive(Debug, Clone)]
pub struct OutputColumns {
    pub(super) finish: Finish,
    /// The sums as they are: not even divided where predictions are means.
    pub(super) are_margins: bool,
}

impl OutputColumns {
    /// The predictions of an objective: probabilities, or values on the target's scale.
    pub fn predictions(objective: &Objective, sums: usize) -> Self {
        let mut columns: Vec<_> =
            (0..sums as u32).map(|sum| column(sum, objective.curve(sum as usize))).collect();
        if objective.two_classes && sums == 1 {
            let first = match objective.curve(0) {
                Curve::Sigmoid { scale } => column(0, Curve::SigmoidComplement { scale }),
                curve => column(0, curve),
            };
            columns.insert(0, first);
        }
        let transform = match objective.joint {
            Joint::None => PostTransform::None,
            Joint::Softmax => PostTransform::Softmax,
            Joint::Rising => PostTransform::Rising,
        };
        Self::new(columns, transform)
    }

    /// The sums themselves.
    pub fn margins(sums: usize) -> Self {
        let columns = (0..sums as u32).map(|sum| column(sum, Curve::Identity)).collect();
        Self { are_margins: true, ..Self::new(columns, PostTransform::None) }
    }

    fn new(columns: Vec<Column>, transform: PostTransform) -> Self {
        let aggregate = Aggregate::Sum;
        let finish = Finish { columns, transform, aggregate, trees: 1.0, wanted: None };
        Self { finish, are_margins: false }
    }

    /// How many outputs there are.
    pub fn len(&self) -> usize {
        self.finish.outputs()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Output `output` alone.
    #[must_use]
    pub fn only(&self, output: usize) -> Self {
        Self { finish: self.finish.only(output), are_margins: self.are_margins }
    }

    /// The sum that output `output` is made of, and −1 where the output falls as it grows, else 1.
    pub(in crate::model) fn sum_of(&self, output: usize) -> Option<(usize, f64)> {
        let column = self.finish.columns.get(output)?;
        Some((column.sum? as usize, column.sign()))
    }

    /// Appends the outputs of one row, made of its sums.
    pub fn append(&self, sums: &[f32], outputs: &mut Vec<f64>) {
        let mut values = vec![[0.0_f32]; self.finish.columns.len()];
        let mut made = vec![0.0; self.len()];
        self.finish.rows(|sum| [sums[sum]], &mut values, 1, &mut made);
        outputs.extend(made.iter().map(|output| f64::from(*output)));
    }
}

fn column(sum: u32, curve: Curve) -> Column {
    Column { sum: Some(sum), base: 0.0, mirror: None, curve }
}
