//! When requests arrive: seeded traces of open-loop arrivals, and clients that wait for answers.

use crate::random::Random;

/// How requests arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Independent of each other, at one rate.
    Poisson,
    /// Groups of 32 at once, the groups independent of each other.
    Bursts,
    /// 20 ms at twice the rate, 20 ms of silence.
    OnOff,
    /// From a tenth of the peak to the peak and back, over the trace's length.
    Diurnal,
    /// Clients that send their next request when they have read an answer.
    Closed,
}

impl Trace {
    pub(crate) const ALL: [Self; 5] =
        [Self::Poisson, Self::Bursts, Self::OnOff, Self::Diurnal, Self::Closed];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Poisson => "poisson",
            Self::Bursts => "bursts",
            Self::OnOff => "on/off",
            Self::Diurnal => "diurnal",
            Self::Closed => "closed loop",
        }
    }

    /// Arrival times in ns, ascending: `count` of them at `rate` rows a ns in the mean (the
    /// diurnal trace: at its peak). Empty for clients that wait.
    pub(crate) fn arrivals(self, rate: f64, count: usize, seed: u64) -> Vec<u64> {
        let mut random = Random::new(seed);
        let gap_ns = 1.0 / rate;
        let length_ns = count as f64 * gap_ns;
        let mut now_ns = 0;
        let mut times = Vec::with_capacity(count);
        while times.len() < count && self != Self::Closed {
            match self {
                Self::Poisson | Self::Closed => now_ns += random.exponential_ns(gap_ns),
                Self::Bursts => {
                    if times.len().is_multiple_of(32) {
                        now_ns += random.exponential_ns(32.0 * gap_ns);
                    }
                }
                Self::OnOff => {
                    now_ns += random.exponential_ns(gap_ns / 2.0);
                    if now_ns / 20_000_000 % 2 == 1 {
                        now_ns = (now_ns / 20_000_000 + 1) * 20_000_000;
                    }
                }
                Self::Diurnal => {
                    let phase = (now_ns as f64 / length_ns * std::f64::consts::TAU).cos();
                    let share = 0.55 - 0.45 * phase;
                    now_ns += random.exponential_ns(gap_ns / share);
                }
            }
            times.push(now_ns);
        }
        times
    }
}
