//! What a model reads and gives, as JSON Schema: the parts of the `OpenAPI` description that only the
//! model knows.
//!
//! [`fields`] has the members of a request, [`answers`] those of an answer, and [`example`] finds a
//! row that can be sent. They are made where the model is loaded, so that a shard only copies text.
//!
//! What is *not* here: paths, statuses and keys (`api::openapi`).

mod answers;
mod example;
mod fields;

use serde_json::{Map, Value, json};

use super::Signature;
use super::answer::Answers;
use super::repository::ModelDirectory;
use crate::facts::ModelSchemas;
use crate::features::inputs::InputColumn;
use crate::features::join::RequestField;

/// The member that names the user.
const USER_ID: &str = "user_id";

/// What is known of a version when it is described.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'m> {
    /// Where it lies on disk.
    pub(crate) directory: &'m ModelDirectory,
    /// The columns that `model.toml` names.
    pub(crate) columns: &'m [InputColumn],
    /// The fields of a request that its columns read.
    pub(crate) fields: &'m [RequestField],
    /// What it reads.
    pub(crate) signature: &'m Signature,
    /// What its answers may have.
    pub(crate) answers: &'m Answers,
    /// Whether features come from a store, so that a row names a user.
    pub(crate) has_store: bool,
}

impl Described<'_> {
    /// The column that a field fills, where `model.toml` describes it.
    fn column(&self, field: &RequestField) -> Option<&InputColumn> {
        self.columns.iter().find(|column| column.name == field.name)
    }

    /// The schemas of its rows and answers.
    pub(crate) fn schemas(&self) -> ModelSchemas {
        let example = example::of(self);
        ModelSchemas {
            row: self.row(&example).to_string(),
            answer: answers::schema(self.answers, self.has_store).to_string(),
            example: example.to_string(),
            columns: self.signature.columns.len(),
        }
    }

    fn row(&self, example: &Value) -> Value {
        let mut members = Map::new();
        let mut required = Vec::new();
        fields::options(self.answers, &mut members);
        if self.has_store {
            members.insert(USER_ID.to_owned(), fields::user_id());
            required.push(USER_ID);
        }
        for field in self.fields {
            let column = self.column(field);
            if column.is_some_and(|column| column.required) {
                required.push(&field.name);
            }
            let range = self.signature.integers.get(field.column).copied().flatten();
            members.insert(field.name.clone(), fields::member(field, column, range));
        }
        let mut schema = json!({
            "type": "object",
            "properties": members,
            "required": required,
            "examples": [example],
        });
        if !self.has_store {
            // A row without a user has to give a column.
            schema["minProperties"] = json!(1);
        }
        schema
    }
}
