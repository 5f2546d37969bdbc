//! What a model's sums mean: the objective that it was trained for.

/// What is done to one sum to make a prediction of it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Curve {
    /// Nothing.
    #[default]
    Identity,
    /// `1 / (1 + exp(-scale · x))`
    Sigmoid {
        /// The factor, 1 in most models.
        scale: f64,
    },
    /// One minus [`Curve::Sigmoid`], rounded as the library rounds it.
    SigmoidComplement {
        /// The factor.
        scale: f64,
    },
    /// `exp(x)`
    Exponential,
    /// `exp(2x)`: a variance from the logarithm of a deviation.
    ExponentialOfTwice,
    /// `x · |x|`, the inverse of a square root with a sign.
    SignedSquare,
    /// `ln(1 + exp(x))`
    SoftPlus,
    /// 1 where `x > 0`, else 0.
    Step,
}

/// What all sums together make of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Joint {
    /// Nothing: each stands for itself.
    #[default]
    None,
    /// The probabilities of exclusive classes.
    Softmax,
    /// Each prediction is the one before it plus `ln(1 + exp(x)) + 1e-6`.
    Rising,
}

/// What the margin is on the scale of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Link {
    /// The prediction itself.
    #[default]
    Identity,
    /// Log-odds.
    Logit,
    /// The prediction's logarithm.
    Log,
    /// Anything else.
    Other,
}

/// An objective: how sums become predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// The library's own name for it.
    pub name: String,
    /// What is done to each sum; one for all, or one for each.
    pub curves: Vec<Curve>,
    /// What all sums together make of each; other than [`Joint::None`] there are no curves.
    pub joint: Joint,
    /// The only sum is the second one of two classes.
    pub two_classes: bool,
    /// The outputs are classes of which a row has one.
    pub is_classifier: bool,
    /// None if the prediction can't be computed from the sums: why.
    pub unknown: Option<String>,
}

impl Objective {
    /// An objective that does `curve` to each sum.
    pub fn each(name: impl Into<String>, curve: Curve) -> Self {
        Self {
            name: name.into(),
            curves: vec![curve],
            joint: Joint::None,
            two_classes: false,
            is_classifier: false,
            unknown: None,
        }
    }

    /// One sum, which `curve` makes the probability of the second of two classes.
    pub fn binary(name: impl Into<String>, curve: Curve) -> Self {
        Self { two_classes: true, is_classifier: true, ..Self::each(name, curve) }
    }

    /// A sum for each class, and softmax over them.
    pub fn softmax(name: impl Into<String>) -> Self {
        Self { joint: Joint::Softmax, is_classifier: true, ..Self::each(name, Curve::Identity) }
    }

    /// A sum for each class, and `curve` for each.
    pub fn one_against_others(name: impl Into<String>, curve: Curve) -> Self {
        Self { is_classifier: true, ..Self::each(name, curve) }
    }

    /// An objective whose predictions are not known here; its margins are.
    pub fn unknown(name: impl Into<String>) -> Self {
        let name = name.into();
        let why = format!(
            "objective `{name}` is not known: its predictions can't be computed; serve its margin \
             with [output] tensor = \"margin\""
        );
        Self { unknown: Some(why), ..Self::each(name, Curve::Identity) }
    }

    /// The curve of output `output`.
    pub fn curve(&self, output: usize) -> Curve {
        self.curves.get(output).or(self.curves.last()).copied().unwrap_or_default()
    }

    /// What the margin is on the scale of.
    pub fn link(&self) -> Link {
        match self.joint {
            Joint::None => {}
            Joint::Softmax => return Link::Log,
            Joint::Rising => return Link::Other,
        }
        match self.curve(0) {
            Curve::Identity => Link::Identity,
            Curve::Sigmoid { .. } => Link::Logit,
            Curve::Exponential => Link::Log,
            _ => Link::Other,
        }
    }

    /// How many outputs `sums` sums make.
    pub fn outputs(&self, sums: usize) -> usize {
        if self.two_classes && sums == 1 { 2 } else { sums }
    }
}
