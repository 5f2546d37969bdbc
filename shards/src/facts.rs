//! What a version of a model is, for people, labels and logs.

/// In how many equal parts of 0 to 1 scores that are probabilities are counted.
pub const SCORE_BINS: usize = 20;

/// What a version is served for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// It answers, unless the canary does.
    #[default]
    Stable,
    /// It answers a share of the users.
    Canary,
    /// It answers nobody: its scores are compared with those that are answered.
    Shadow,
}

impl Role {
    /// Its name, for people and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stable => "stable",
            Self::Canary => "canary",
            Self::Shadow => "shadow",
        }
    }
}

/// What a model is made of, for people and for `/config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelDescription {
    /// What computes the scores, in order.
    pub kernel: String,
    /// How many steps or nodes that are.
    pub nodes: usize,
    /// The names of the input tensors, in order.
    pub inputs: Vec<String>,
    /// The name of the output that holds the score.
    pub output: String,
    /// What the score is: `P(class "bad")`, or which column of which output.
    pub score: String,
    /// Whether the score's class has a name in the file, and `model.toml` does not say it.
    pub is_class_by_place: bool,
    /// Why requests have to give its columns, where the store could have given them; else empty.
    pub asked_instead: String,
    /// FNV-1a (64 bits) of the file; 0 of a remote model.
    pub file_hash: u64,
}

impl ModelDescription {
    /// What an operator should say in `model.toml`: of a class that is the score, and of columns that
    /// requests have to give, without anybody having said so.
    pub fn doubts(&self) -> Vec<String> {
        let class = self.is_class_by_place.then(|| {
            format!(
                "score = {} only because that class comes second: name the class that the score \
                 is for with [output] class = \"LABEL\" in model.toml",
                self.score
            )
        });
        let asked = (!self.asked_instead.is_empty()).then(|| {
            format!(
                "requests have to give all of its columns: {}; `shardgate init` writes a model.toml \
                 that names them",
                self.asked_instead
            )
        });
        class.into_iter().chain(asked).collect()
    }
}

/// Why a row has its score, in part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reason {
    /// Which of the reasons that the model's rows may have it is, from 0.
    pub group: u32,
    /// How far it pushed the margin towards the adverse end; positive.
    pub contribution: f64,
    /// The cell of its first column, as the model read it.
    pub value: f64,
}

/// What requests to a version may say and what its answers have, for those who write clients: JSON
/// Schemas as text, and a request that can be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelSchemas {
    /// The schema of a row of `/predict`.
    pub row: String,
    /// The schema of a row's answer.
    pub answer: String,
    /// A row: one of the golden file, where there is one.
    pub example: String,
    /// How many cells a row has that gives all of the model's columns in their order.
    pub columns: usize,
}
