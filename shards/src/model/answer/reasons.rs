//! Chooses the reasons of a score: the columns, or groups of them, that pushed it most towards the
//! adverse end.

use std::collections::HashSet;

use super::settings::{Adverse, OutputProblem};
use crate::facts::Reason;
use crate::model::explain::{ExplainSettings, NamedReason};

/// A reason that a row may have: a column, or several that speak as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReasonGroup {
    /// What a machine knows it by.
    pub code: String,
    /// What a person is told, where `model.toml` says.
    pub text: Option<String>,
    /// The columns, by their places, ascending.
    pub columns: Vec<u32>,
}

/// The reasons that rows of a model may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Reasons {
    /// In the order of their first columns.
    pub groups: Vec<ReasonGroup>,
    /// How many a row has where nobody says.
    pub count: usize,
    adverse: Adverse,
}

impl Reasons {
    /// The reasons of a model with these columns.
    pub(super) fn new(
        settings: &ExplainSettings,
        adverse: Adverse,
        columns: &[String],
    ) -> Result<Self, OutputProblem> {
        let mut groups = Vec::with_capacity(columns.len());
        let mut taken = vec![false; columns.len()];
        for (place, named) in settings.named.iter().enumerate() {
            groups.push(group(place, named, columns, &mut taken)?);
        }
        for (column, name) in columns.iter().enumerate().filter(|(column, _)| !taken[*column]) {
            groups.push(ReasonGroup {
                code: name.clone(),
                text: None,
                columns: vec![column as u32],
            });
        }
        groups.sort_by_key(|group| group.columns[0]);
        let mut codes = HashSet::with_capacity(groups.len());
        if let Some(twice) = groups.iter().find(|group| !codes.insert(group.code.as_str())) {
            let found = format!("\"{}\" twice", twice.code);
            return Err(("explain.reasons".to_owned(), found, "a code for each reason and column"));
        }
        Ok(Self { groups, count: settings.reasons_max, adverse })
    }

    /// Replaces `reasons` by up to `count` of a row, the strongest first; of those that pushed as
    /// hard the one whose column stands first. None pushed the other way.
    pub fn choose(
        &self,
        contributions: &[f64],
        count: usize,
        value: impl Fn(u32) -> f64,
        reasons: &mut Vec<Reason>,
    ) {
        reasons.clear();
        for (place, group) in self.groups.iter().enumerate() {
            let sum: f64 = group.columns.iter().map(|column| contributions[*column as usize]).sum();
            let contribution = match self.adverse {
                Adverse::High => sum,
                Adverse::Low => -sum,
            };
            if contribution > 0.0 {
                let value = value(group.columns[0]);
                reasons.push(Reason { group: place as u32, contribution, value });
            }
        }
        let order = |one: &Reason, other: &Reason| {
            let stronger = other.contribution.total_cmp(&one.contribution);
            stronger.then(one.group.cmp(&other.group))
        };
        reasons.sort_unstable_by(order);
        reasons.truncate(count);
    }
}

fn group(
    place: usize,
    named: &NamedReason,
    columns: &[String],
    taken: &mut [bool],
) -> Result<ReasonGroup, OutputProblem> {
    let key = || format!("explain.reasons[{place}].columns");
    let mut places = Vec::with_capacity(named.columns.len());
    for name in &named.columns {
        let Some(column) = columns.iter().position(|known| known == name) else {
            return Err((key(), format!("\"{name}\""), "columns of the model"));
        };
        if std::mem::replace(&mut taken[column], true) {
            return Err((key(), format!("\"{name}\""), "columns that no other reason has"));
        }
        places.push(column as u32);
    }
    places.sort_unstable();
    let Some(first) = places.first() else {
        return Err((key(), "[]".to_owned(), "at least one column"));
    };
    let code = named.code.clone().unwrap_or_else(|| columns[*first as usize].clone());
    Ok(ReasonGroup { code, text: named.text.clone(), columns: places })
}

#[cfg(test)]
mod tests {
    use super::{Adverse, ExplainSettings, NamedReason, Reason, Reasons};

    fn reasons(adverse: Adverse, named: &[&[&str]]) -> Reasons {
        let columns = ["a", "b", "c", "d"].map(str::to_owned);
        let named = named.iter().map(|columns| NamedReason {
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            ..NamedReason::default()
        });
        let settings = ExplainSettings { named: named.collect(), ..ExplainSettings::default() };
        Reasons::new(&settings, adverse, &columns).expect("reasons")
    }

    fn chosen(reasons: &Reasons, contributions: &[f64], count: usize) -> Vec<(String, f64)> {
        let mut found: Vec<Reason> = Vec::new();
        reasons.choose(contributions, count, f64::from, &mut found);
        let of = |reason: &Reason| {
            (reasons.groups[reason.group as usize].code.clone(), reason.contribution)
        };
        found.iter().map(of).collect()
    }

    #[test]
    fn the_strongest_adverse_columns_come_first_and_none_that_pushed_the_other_way() {
        let contributions = [0.1, -0.5, 0.3, 0.3];
        let found = chosen(&reasons(Adverse::High, &[]), &contributions, 9);
        assert_eq!(found, [("c".to_owned(), 0.3), ("d".to_owned(), 0.3), ("a".to_owned(), 0.1)]);
        let found = chosen(&reasons(Adverse::Low, &[]), &contributions, 9);
        assert_eq!(found, [("b".to_owned(), 0.5)]);
        assert_eq!(chosen(&reasons(Adverse::High, &[]), &contributions, 1).len(), 1);
    }

    #[test]
    fn a_group_is_the_sum_of_its_members() {
        let found = chosen(&reasons(Adverse::High, &[&["d", "a"]]), &[0.1, -0.5, 0.3, 0.3], 9);
        assert_eq!(found, [("a".to_owned(), 0.4), ("c".to_owned(), 0.3)]);
    }

    #[test]
    fn a_column_that_is_not_there_or_twice_is_named() {
        let columns = ["a".to_owned()];
        let named = |names: &[&str]| NamedReason {
            columns: names.iter().map(|name| (*name).to_owned()).collect(),
            ..NamedReason::default()
        };
        for (named, found) in [
            (vec![named(&["b"])], "\"b\""),
            (vec![named(&["a"]), named(&["a"])], "\"a\""),
            (vec![named(&[])], "[]"),
        ] {
            let settings = ExplainSettings { named, ..ExplainSettings::default() };
            let problem = Reasons::new(&settings, Adverse::High, &columns).expect_err("a problem");
            assert_eq!(problem.1, found);
        }
    }
}
