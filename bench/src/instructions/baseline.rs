//! What was counted before, in `bench/instructions.toml`, and whether it has grown.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::Counted;
use crate::compare::said_by;

const PATH: &str = "bench/instructions.toml";
const HEADER: &str =
    "# Written by `cargo run --release -p bench -- instructions --update \"REASON\"`.\n\n";
/// The growth that fails, in percent of the baseline.
const GROWTH_PERCENT_MAX: u64 = 5;

/// What was counted, with what, and why that is as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Baseline {
    /// Why the figures changed last.
    reason: String,
    rustc: String,
    valgrind: String,
    cases: Vec<Counted>,
}

impl Baseline {
    /// What was counted now, with the tools that are here.
    pub(super) fn of(reason: String, cases: Vec<Counted>) -> Result<Self> {
        let rustc = said_by("rustc", &["--version"])?;
        let valgrind = said_by("valgrind", &["--version"])?;
        Ok(Self { reason, rustc, valgrind, cases })
    }

    /// The committed one.
    pub(super) fn read() -> Result<Self> {
        let text = std::fs::read_to_string(PATH).context(PATH)?;
        toml::from_str(&text).context(PATH)
    }

    /// Writes it where it is committed.
    pub(super) fn write(&self) -> Result<()> {
        ensure!(Path::new(PATH).parent().is_some_and(Path::exists), "not in the clone's root");
        std::fs::write(PATH, format!("{HEADER}{}", toml::to_string(self)?)).context(PATH)
    }

    /// What differs between the tools of this one and those of `now`, for whoever wonders.
    pub(super) fn tools_changed(&self, now: &Self) -> Option<String> {
        let same = self.rustc == now.rustc && self.valgrind == now.valgrind;
        (!same).then(|| {
            format!(
                "{PATH} was counted with {}, {}; this is {}, {}",
                self.rustc, self.valgrind, now.rustc, now.valgrind
            )
        })
    }

    /// Each case of `now` that needs too many instructions more than here.
    pub(super) fn grown(&self, now: &Self) -> Result<Vec<String>> {
        let mut grown = Vec::new();
        for case in &now.cases {
            let known = self.cases.iter().find(|known| known.is_same(case));
            let known = known.with_context(|| format!("{PATH} knows nothing of {case}"))?;
            let (before, after) = (known.instructions, case.instructions);
            if after * 100 > before * (100 + GROWTH_PERCENT_MAX) {
                let growth = after as f64 / before as f64 - 1.0;
                grown.push(format!(
                    "{case}: {after} instructions a request, {:.1} % more than the baseline's \
                     {before}",
                    growth * 100.0
                ));
            }
        }
        Ok(grown)
    }
}

#[cfg(test)]
mod tests {
    use super::{Baseline, Counted};

    fn baseline(instructions: u64) -> Baseline {
        let (model, kernel) = ("any".to_owned(), "avx2".to_owned());
        let case = Counted { model, kernel, connections: 64, instructions };
        Baseline {
            reason: String::new(),
            rustc: String::new(),
            valgrind: String::new(),
            cases: vec![case],
        }
    }

    #[test]
    fn five_percent_is_the_most_that_a_figure_may_grow() {
        let before = baseline(10_000);
        assert!(before.grown(&baseline(10_500)).unwrap().is_empty());
        assert!(before.grown(&baseline(5_000)).unwrap().is_empty());
        let [grown] = &before.grown(&baseline(10_501)).unwrap()[..] else { panic!("one case") };
        assert!(grown.contains("10501") && grown.contains("10000"), "{grown}");
    }
}
