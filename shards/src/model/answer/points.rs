//! Points: a score on the scale of a scorecard.

use super::settings::{Adverse, PointScale, ScoreKind};

impl PointScale {
    /// The points of a score; `None` where it has none, as a probability above 1, or where they have
    /// no end, as those of a probability of 0 on a scale without bounds.
    ///
    /// `points = offset + factor · ln(odds)` with `factor = pdo / ln 2` and
    /// `offset = points − factor · ln(odds)` of the scale (Siddiqi 2006, "Credit risk scorecards").
    pub fn points_of(&self, score: f64, adverse: Adverse) -> Option<f64> {
        let log_odds = match self.of {
            ScoreKind::Probability if (0.0..=1.0).contains(&score) => score.ln() - (-score).ln_1p(),
            ScoreKind::Probability => return None,
            ScoreKind::LogOdds => score,
        };
        let log_odds = match adverse {
            Adverse::High => -log_odds,
            Adverse::Low => log_odds,
        };
        let factor = self.pdo / std::f64::consts::LN_2;
        let points = self.points + factor * (log_odds - self.odds.ln());
        let points = if self.round { points.round() } else { points };
        let points = points.max(self.min.unwrap_or(f64::NEG_INFINITY));
        Some(points.min(self.max.unwrap_or(f64::INFINITY))).filter(|points| points.is_finite())
    }
}

#[cfg(test)]
mod tests {
    use super::{Adverse, PointScale, ScoreKind};

    const SCALE: PointScale = PointScale {
        points: 600.0,
        odds: 50.0,
        pdo: 20.0,
        round: false,
        min: None,
        max: None,
        of: ScoreKind::Probability,
    };

    #[test]
    fn odds_have_their_points_and_twice_the_odds_pdo_more() {
        for (odds, expected) in [(50.0, 600.0), (100.0, 620.0), (25.0, 580.0)] {
            let bad = 1.0 / (1.0 + odds);
            let found = SCALE.points_of(bad, Adverse::High).expect("points");
            assert!((found - expected).abs() < 1e-9, "{found}");
            let good = SCALE.points_of(1.0 - bad, Adverse::Low).expect("points");
            assert!((good - expected).abs() < 1e-9, "{good}");
            let scale = PointScale { of: ScoreKind::LogOdds, ..SCALE };
            let margin = scale.points_of(-f64::ln(odds), Adverse::High).expect("points");
            assert!((margin - expected).abs() < 1e-9, "{margin}");
        }
    }

    #[test]
    fn points_without_end_are_none_or_the_bound() {
        assert_eq!(SCALE.points_of(0.0, Adverse::High), None);
        assert_eq!(SCALE.points_of(1.5, Adverse::High), None);
        let bounded = PointScale { min: Some(300.0), max: Some(850.0), ..SCALE };
        assert_eq!(bounded.points_of(0.0, Adverse::High), Some(850.0));
        assert_eq!(bounded.points_of(1.0, Adverse::High), Some(300.0));
    }
}
