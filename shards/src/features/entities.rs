//! The entities of a model: what its rows are looked up by, and where.
//!
//! `[[entities]]` of `model.toml` is read into [`EntityInput`]s, and [`entities_of`] completes them by
//! the policies that all of a model's entities share. A model without any reads one entity, the user.
//! [`RequestKeys`] are the fields of a request that name them.

use serde::Deserialize;

use super::inputs::{FeaturePolicies, InputColumn, OnError, OnExpired, OnMissing, Source};

/// The entity of a model that names none, and of columns that name none.
pub const USER: &str = "user";

/// The field of a request that names the user.
pub const USER_ID: &str = "user_id";

/// What the header that names entities says besides.
const DEFAULTED: &str = "defaulted";

/// The most entities that a model may have.
pub const ENTITIES_MAX: usize = 16;

/// An entity as `model.toml` declares it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntityInput {
    /// Its name, by which columns name it.
    pub name: String,
    /// The fields of a request that are its key, in the order of the table's key.
    #[serde(deserialize_with = "one_or_more")]
    pub key: Vec<String>,
    /// The table that has its columns; of `user` the store's own where it is not given.
    pub table: Option<String>,
    /// The entity whose table it shares, under another role.
    pub of: Option<String>,
    /// A key that the table does not know; the model's `[policies]` where it is not given, here and
    /// below.
    pub on_missing: Option<OnMissing>,
    /// A store that does not answer.
    pub on_error: Option<OnError>,
    /// A row older than `max_age_s`.
    pub on_expired: Option<OnExpired>,
    /// How old a row may be before it is expired, in seconds.
    pub max_age_s: Option<u64>,
}

/// An entity as a plan is bound to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// The fields of a request that are its key.
    pub key: Vec<String>,
    /// The table of the store; `None` is the one that the store has of users.
    pub table: Option<String>,
    /// What to do where its features are not there, not known or too old.
    pub policies: FeaturePolicies,
}

impl Entity {
    /// The user, whom `user_id` names, in the store's own table.
    pub fn user(policies: &FeaturePolicies) -> Self {
        Self {
            name: USER.to_owned(),
            key: vec![USER_ID.to_owned()],
            table: None,
            policies: policies.clone(),
        }
    }
}

/// One field or a list of fields.
fn one_or_more<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a field of the request, or a list of fields")]
    enum Fields {
        One(String),
        More(Vec<String>),
    }
    Ok(match Fields::deserialize(input)? {
        Fields::One(field) => vec![field],
        Fields::More(fields) => fields,
    })
}

/// The entities of a model with these declarations, columns and policies, the one that its rows are
/// told by first: the user, where it has one. Declarations have been checked.
pub fn entities_of<'c>(
    declared: &[EntityInput],
    columns: impl IntoIterator<Item = &'c InputColumn>,
    policies: &FeaturePolicies,
) -> Vec<Entity> {
    let is_users = |column: &InputColumn| {
        column.source == Source::Store && column.entity.as_deref().is_none_or(|name| name == USER)
    };
    let is_user = |entity: &EntityInput| entity.name == USER;
    let mut entities = Vec::with_capacity(declared.len() + 1);
    if !declared.iter().any(is_user) && (declared.is_empty() || columns.into_iter().any(is_users)) {
        entities.push(Entity::user(policies));
    }
    // Those that are no user keep their order behind it.
    let ordered = declared.iter().filter(|it| is_user(it));
    let ordered = ordered.chain(declared.iter().filter(|it| !is_user(it)));
    entities.extend(ordered.map(|it| it.complete(declared, policies)));
    entities
}

impl EntityInput {
    fn complete(&self, declared: &[Self], policies: &FeaturePolicies) -> Entity {
        let shared = self.of.as_ref().and_then(|of| declared.iter().find(|it| it.name == *of));
        Entity {
            name: self.name.clone(),
            key: self.key.clone(),
            table: self.table.clone().or_else(|| shared?.table.clone()),
            policies: FeaturePolicies {
                on_missing: self.on_missing.unwrap_or(policies.on_missing),
                on_error: self.on_error.unwrap_or(policies.on_error),
                on_expired: self.on_expired.unwrap_or(policies.on_expired),
                max_age_s: self.max_age_s.or(policies.max_age_s),
                max_defaulted_columns: policies.max_defaulted_columns,
            },
        }
    }

    /// What is wrong with a declaration among the others: the key, what was found, and what is
    /// expected.
    pub(crate) fn check(
        &self,
        declared: &[Self],
    ) -> Result<(), (&'static str, String, &'static str)> {
        if self.name.is_empty() {
            return Err(("name", "\"\"".to_owned(), "a name"));
        }
        let is_listed = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.')
        };
        if !self.name.chars().all(is_listed) {
            let expected = "letters, digits, `_`, `-` and `.`: responses name entities in a header";
            return Err(("name", self.name.clone(), expected));
        }
        if self.name == DEFAULTED {
            let expected = "another name: responses say how many cells were defaulted by it";
            return Err(("name", self.name.clone(), expected));
        }
        if declared.iter().filter(|it| it.name == self.name).count() > 1 {
            return Err(("name", self.name.clone(), "a name that no other entity has"));
        }
        let is_wrong =
            |(at, field): (usize, &String)| field.is_empty() || self.key[..at].contains(field);
        if self.key.is_empty() || self.key.iter().enumerate().any(is_wrong) {
            let expected = "one field of the request, or several that differ";
            return Err(("key", format!("{:?}", self.key), expected));
        }
        let Some(of) = &self.of else {
            return match &self.table {
                None if self.name == USER => Ok(()),
                Some(table) if !table.is_empty() => Ok(()),
                _ => {
                    let expected = "the table of the store, or `of = \"user\"` for the table of \
                                    another entity under this role";
                    Err(("table", "none".to_owned(), expected))
                }
            };
        };
        if self.table.is_some() {
            return Err(("of", of.clone(), "no `table` beside it"));
        }
        let shared = declared.iter().find(|it| it.name == *of);
        let is_there = *of == USER || shared.is_some();
        if !is_there || *of == self.name || shared.is_some_and(|it| it.of.is_some()) {
            return Err(("of", of.clone(), "an entity with a table of its own, or `user`"));
        }
        Ok(())
    }
}

/// The fields of a request that are keys, and what they are keys of.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RequestKeys {
    /// The fields; empty for a model whose only entity is the user by `user_id`.
    pub fields: Vec<String>,
    /// The entities, in the order of the plan's.
    pub entities: Vec<EntityKey>,
}

/// The key of an entity in a request.
#[derive(Debug, Clone, PartialEq)]
pub struct EntityKey {
    /// The entity's name.
    pub name: String,
    /// The places of its fields among [`RequestKeys::fields`].
    pub fields: Vec<usize>,
    /// Whether a request has to give all of them.
    pub is_required: bool,
}

impl RequestKeys {
    /// The keys of these entities.
    pub fn of(entities: &[Entity]) -> Self {
        if let [only] = entities
            && only.key == [USER_ID]
        {
            return Self::default();
        }
        let mut fields: Vec<String> = Vec::new();
        let entities = entities.iter().map(|entity| {
            let place = |field: &String| {
                fields.iter().position(|other| other == field).unwrap_or_else(|| {
                    fields.push(field.clone());
                    fields.len() - 1
                })
            };
            EntityKey {
                name: entity.name.clone(),
                fields: entity.key.iter().map(place).collect(),
                is_required: entity.policies.on_missing == OnMissing::Reject,
            }
        });
        let entities = entities.collect();
        Self { fields, entities }
    }

    /// Whether requests name the user by `user_id`, and nothing else.
    pub fn is_user_alone(&self) -> bool {
        self.fields.is_empty()
    }

    /// Whether a field of a request is a key.
    pub fn has(&self, name: &str) -> bool {
        if self.is_user_alone() { name == USER_ID } else { self.position(name).is_some() }
    }

    /// The place of a field among the keys'.
    pub fn position(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field == name)
    }

    /// The name of the entity at this place.
    pub fn entity_name(&self, entity: u8) -> &str {
        self.entities.get(usize::from(entity)).map_or(USER, |entity| entity.name.as_str())
    }
}
